"""A local stand-in for the Handinger API, to learn, to test and to break things without a key.

It shares no code with the rest of the package but the errors: it is a second, independent reading of
the API.

Examples
--------
>>> from handinger_analytics.sandbox import Sandbox
>>> with Sandbox(tasks=5, generation="B") as sandbox:
...     len(sandbox.task_ids)
5
"""

from handinger_analytics.sandbox.api import Generation
from handinger_analytics.sandbox.faults import Faults
from handinger_analytics.sandbox.sandbox import Sandbox
from handinger_analytics.sandbox.stats import Stats

__all__ = ["Faults", "Generation", "Sandbox", "Stats"]
