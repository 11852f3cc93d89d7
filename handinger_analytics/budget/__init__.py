"""Will the budget hold: what is spent, what is to come, and when the limit is crossed."""
