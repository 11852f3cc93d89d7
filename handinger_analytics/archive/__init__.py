"""Turns kept up to date for months, in a format every engine reads.

An archive is a folder, or a prefix in a bucket, with three Delta Lake tables. ``tasks`` and ``turns``
hold what was fetched, ``ids`` every id that was ever asked for, with its failure if it has one. What
belongs together is written in a fixed order (ids, turns, tasks), and each commit to ``tasks`` names the
version of ``turns`` that goes with it. Readers follow that pointer, so a task that they see has all of
its turns, and what a writer that died left behind is not seen. While several processes write at once, a
reader may meet turns whose tasks come a moment later.
"""

from handinger_analytics.archive.archive import Archive
from handinger_analytics.archive.syncing import SyncReport

__all__ = ["Archive", "SyncReport"]
