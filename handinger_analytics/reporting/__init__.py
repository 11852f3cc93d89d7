"""A report as one HTML file that opens anywhere: no network, no scripts, pictures inline."""

from handinger_analytics.reporting.page import report

__all__ = ["report"]
