"""How a command ended, for scripts and cron.

A signal ends it with 128 and the number of the signal: 143 for SIGTERM, 129 for SIGHUP.
"""

COMPLETE = 0
ERROR = 1
USAGE = 2
"""Wrong options or arguments; click uses the same."""
INCOMPLETE = 3
"""The command did its work, but with partial data: something was not fetched, or nobody knows."""
OVER_BUDGET = 4
KEY_REFUSED = 5
UNREACHABLE = 6
"""No request got more than connection errors, timeouts, 429 or 5xx; nothing was written."""
INTERRUPTED = 130
