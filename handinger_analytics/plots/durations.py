"""How long turns take, on an axis that shows seconds and hours alike."""

from __future__ import annotations


def short_duration(milliseconds: float) -> str:
    """Write a duration with two parts at most.

    Examples
    --------
    >>> [short_duration(ms) for ms in (0, 850, 12_300, 75_000, 3_660_000)]
    ['0 ms', '850 ms', '12 s', '1 min 15 s', '1 h 1 min']
    """
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = round(milliseconds / 1000)
    for size, unit, smaller_size, smaller in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            rest = seconds % size // smaller_size
            return f"{seconds // size} {unit} {rest} {smaller}" if rest else f"{seconds // size} {unit}"
    return f"{seconds} s"
