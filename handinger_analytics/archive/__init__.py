"""Turns kept up to date for months, in a format every engine reads.

An archive is a folder, or a prefix in a bucket, with three Delta Lake tables. ``tasks`` and ``turns``
hold what was fetched, ``ids`` every id that was ever asked for, with its failure if it has one. What
belongs together is written in a fixed order (ids, turns, tasks), and each commit to ``tasks`` names the
version of ``turns`` that goes with it. Readers follow that pointer: a task that they see has all of its
turns. Turns whose task is not recorded, because their writer died or is not done, are hidden unless
another batch was recorded after them, and replaced like any others when their task is fetched.
"""

from handinger_analytics.archive.archive import Archive
from handinger_analytics.archive.syncing import SyncReport

__all__ = ["Archive", "SyncReport"]
