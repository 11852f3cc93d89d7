"""Signals that ask a command to end: handlers for as long as it runs, those that are ignored left alone."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

_ENDING = [signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if name in signal.Signals.__members__]


@contextlib.contextmanager
def as_interrupts() -> Iterator[list[int]]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does in the block; the list tells which of them came."""
    came: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    with _handled(_ENDING, interrupt):
        yield came


@contextlib.contextmanager
def held_back() -> Iterator[threading.Event]:
    """Let Ctrl-C, SIGTERM and SIGHUP wait until the block has ended, and set the event meanwhile."""
    came: list[int] = []
    event = threading.Event()

    def remember(number: int, _: FrameType | None) -> None:
        came.append(number)
        event.set()

    with _handled([signal.SIGINT, *_ENDING], remember):
        yield event
    if came:
        signal.raise_signal(came[0])


@contextlib.contextmanager
def _handled(numbers: Iterable[int], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Install a handler in the main thread, the only one that may; what nohup ignores stays ignored."""
    before = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in numbers:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
