"""Will the budget hold: what is spent, what is to come, and when the limit is crossed."""

from handinger_analytics.budget.status import budget_status

__all__ = ["budget_status"]
