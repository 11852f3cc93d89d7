"""Tasks and turns kept up to date for months, in a format every engine reads.

An archive is a folder, or a prefix in a bucket, with three Delta Lake tables. ``tasks`` and ``turns``
hold what was fetched, ``ids`` every known id, with its failure if it could not be fetched.

A batch is written in a fixed order: ids, turns, tasks. ``tasks`` notes, as application transactions of
Delta Lake, which state of ``ids`` and ``turns`` belongs to it (`snapshot.Pointer`), and readers follow it,
so that a task that they see has all of its turns. The log of ``turns`` is shortened after that only. Turns
whose task is not recorded, because their writer was killed or is still at work, are hidden until a later
batch is recorded; they are replaced when their task is fetched. Where the state that ``tasks`` names is
gone, the latest is read, and said not to be complete until a sync (`repair`).
A commit fails if another process committed first; the change is then made again on the new state.
"""
