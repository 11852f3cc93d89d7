"""``python -m handinger_analytics`` is the command ``handinger-analytics``."""

from handinger_analytics.cli import main

main(prog_name="handinger-analytics")
