"""The notebook widget: look task ids up without writing code.

Only the names below are public.
"""

from handinger_analytics.widget.lookup import TaskLookup

__all__ = ["TaskLookup"]
