"""The gate that all threads of a client pass, and how long one of them waits."""

from __future__ import annotations

import threading
import time

import pytest

from handinger_analytics.api import pacing
from handinger_analytics.api.pacing import Cancelled, Gate, WaitBudget, WaitTooLong, backoff


def started(work):
    """Run something in a thread of its own."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def eventually(condition):
    """Wait until something holds; fail if it does not within ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.002)


@pytest.mark.parametrize(("attempt", "most"), [(1, 0.5), (2, 1), (3, 2), (6, 16), (7, 30), (100, 30)])
def test_backoff_is_jittered_between_zero_and_a_doubling_bound(attempt, most):
    """All waits are within the bound, and they spread over most of it."""
    waits = [backoff(attempt) for _ in range(2000)]
    assert 0 <= min(waits) < most * 0.05
    assert most * 0.95 < max(waits) <= most
    assert most * 0.45 < sum(waits) / len(waits) < most * 0.55


def test_backoff_does_not_overflow():
    """However many attempts are allowed, there is a number to wait."""
    assert 0 <= backoff(100_000) <= pacing.BACKOFF_CAP


def test_a_budget_counts_what_was_waited():
    """Waits add up; the one that would be too long is not begun."""
    budget = WaitBudget(0.05)
    budget.wait(0.02)
    with pytest.raises(WaitTooLong) as caught:
        budget.wait(0.04)
    assert caught.value.seconds == 0.04


def test_a_budget_of_zero_lets_a_wait_of_zero_pass():
    """An empty budget does not forbid going on at once."""
    WaitBudget(0).wait(0)


def test_cancelled_wait_ends_at_once():
    """A wait of minutes ends when the event is set."""
    cancel, ended = threading.Event(), threading.Event()

    def wait():
        with pytest.raises(Cancelled):
            WaitBudget(300, cancel).wait(200)
        ended.set()

    started(wait)
    cancel.set()
    assert ended.wait(10)


def test_open_gate_lets_so_many_through_at_once():
    """Not one more than allowed, and the next as soon as one is done."""
    gate, release, inside = Gate(3), threading.Event(), []

    def pass_through():
        with gate.passage(1, WaitBudget(1)):
            inside.append(1)
            release.wait(10)

    threads = [started(pass_through) for _ in range(8)]
    eventually(lambda: len(inside) == 3)
    time.sleep(0.05)
    assert len(inside) == 3
    release.set()
    for thread in threads:
        thread.join(10)
    assert len(inside) == 8


def test_room_is_given_back_after_an_error():
    """A request that fails does not keep its place."""
    gate = Gate(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="boom"), gate.passage(1, WaitBudget(1)):
            raise ValueError("boom")


def test_closed_gate_holds_everybody_until_its_time():
    """Nobody passes before the time the server named has gone by."""
    gate, passed = Gate(8), []
    gate.close_for(0.15)
    closed_until = time.monotonic() + 0.15

    def pass_through():
        with gate.passage(1, WaitBudget(5)):
            passed.append(time.monotonic())

    assert 0 < gate.closed_for <= 0.15
    for thread in [started(pass_through) for _ in range(8)]:
        thread.join(10)
    assert len(passed) == 8
    assert min(passed) >= closed_until - 0.005
    assert gate.closed_for == 0


def test_a_shorter_wait_does_not_open_a_closed_gate():
    """The longest wait that was asked for counts."""
    gate = Gate(2)
    gate.close_for(100)
    gate.close_for(0.01)
    assert gate.closed_for > 99


def test_waiting_longer_than_the_budget_allows_is_refused_at_once():
    """It is said beforehand, with the seconds that are due, and takes no room."""
    gate = Gate(1)
    gate.close_for(100)
    with pytest.raises(WaitTooLong) as caught, gate.passage(1, WaitBudget(99)):
        pass
    assert 99 < caught.value.seconds <= 100


def test_cancelled_requests_leave_a_closed_gate():
    """Set the event, wake the gate, and they are gone; the next is not blocked by them."""
    gate, cancel, gone = Gate(1), threading.Event(), []
    gate.close_for(100)

    def pass_through():
        with pytest.raises(Cancelled), gate.passage(1, WaitBudget(300, cancel)):
            pass
        gone.append(1)

    threads = [started(pass_through) for _ in range(4)]
    cancel.set()
    gate.wake()
    for thread in threads:
        thread.join(10)
    assert len(gone) == 4


def room(gate):
    """Count how many requests a gate lets through at once."""
    inside, leave = [], threading.Event()

    def pass_through():
        with gate.passage(1, WaitBudget(30)):
            inside.append(1)
            leave.wait(10)

    threads = [started(pass_through) for _ in range(20)]
    eventually(lambda: len(inside) >= 1)
    time.sleep(0.1)
    count = len(inside)
    leave.set()
    for thread in threads:
        thread.join(10)
    return count


def test_each_burst_of_429_halves_the_room_once():
    """Sixteen, eight for a burst however large, four for the next, and never less than one."""
    gate = Gate(16)
    assert room(gate) == 16
    for _ in range(5):
        gate.close_for(0.05)
    assert room(gate) == 8
    gate.succeeded()
    gate.close_for(0.05)
    assert room(gate) == 4
    for _ in range(6):
        gate.succeeded()
        gate.close_for(0.01)
        time.sleep(0.02)
    assert room(gate) == 1


def test_a_server_that_refuses_on_is_asked_less_and_less():
    """Each pause without a success between is longer than the last; a success ends that."""
    seconds = 100.0
    gate = Gate(16, clock=lambda: seconds)
    pauses = []
    for _ in range(8):
        gate.close_for(0.01)
        pauses.append(gate.closed_for)
        seconds += gate.closed_for
    assert pauses == pytest.approx([0.01, 1, 2, 4, 8, 16, 30, 30])
    gate.succeeded()
    gate.close_for(0.01)
    assert gate.closed_for == pytest.approx(0.01)


def test_successes_let_the_room_grow_back_to_the_most():
    """It grows with each answer and stops at the most."""
    gate = Gate(4)
    gate.close_for(0.01)
    assert room(gate) == 2
    for _ in range(10_000):
        gate.succeeded()
    assert room(gate) == 4


def test_requests_that_failed_before_go_first():
    """Under a tight limit an old request is not overtaken by new ones."""
    gate, order = Gate(1), []
    queued = threading.Semaphore(0)

    class Asked(threading.Event):
        """Tells when the gate first asks whether a request was cancelled: it is in the queue then."""

        def is_set(self):
            queued.release()
            return super().is_set()

    def pass_through(attempt):
        with gate.passage(attempt, WaitBudget(30, Asked())):
            order.append(attempt)

    with gate.passage(1, WaitBudget(30)):
        threads = []
        for attempt in [1, 3, 2, 1, 6]:
            threads.append(started(lambda attempt=attempt: pass_through(attempt)))
            assert queued.acquire(timeout=10)
    for thread in threads:
        thread.join(10)
    assert order == [6, 3, 2, 1, 1]
