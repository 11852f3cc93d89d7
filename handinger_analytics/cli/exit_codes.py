"""How a command ended, for scripts and cron."""

COMPLETE = 0
ERROR = 1
USAGE = 2
"""Wrong options or arguments; click uses the same."""
INCOMPLETE = 3
"""The command did its work, but with partial data: something was not fetched."""
OVER_BUDGET = 4
KEY_REFUSED = 5
INTERRUPTED = 130
