"""The command line: each command parses, calls the library and shows what came.

Results go to stdout, progress and warnings to stderr. Exit codes: 0 everything is there, 1 an error,
2 wrong usage, 3 some tasks failed, 4 over budget, 5 the key was not accepted, 130 interrupted.
"""

from __future__ import annotations

import sys

import click

from handinger_analytics.cli.archive_commands import forget, status, sync, vacuum
from handinger_analytics.cli.fetch_commands import demo, discover, fetch
from handinger_analytics.cli.report_commands import budget, report, spend
from handinger_analytics.cli.sandbox_command import sandbox
from handinger_analytics.errors import AuthenticationError, HandingerError

ERROR, AUTHENTICATION, INTERRUPTED = 1, 5, 130


class _Commands(click.Group):
    """Turns errors of the library into one line on stderr and an exit code."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except KeyboardInterrupt as interrupt:
            click.echo(f"\n{interrupt or 'interrupted'}", err=True)
            sys.exit(INTERRUPTED)
        except HandingerError as error:
            from handinger_analytics.text import terminal_text

            click.echo(f"error: {terminal_text(str(error))}", err=True)
            sys.exit(AUTHENTICATION if isinstance(error, AuthenticationError) else ERROR)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="handinger-analytics")
def main() -> None:
    """Where do our credits go? Fetch tasks and turns of Handinger workers, keep and chart them.

    The key comes from HANDINGER_API_KEY, the server from HANDINGER_BASE_URL. Without a key, try
    `handinger-analytics demo`.
    """


for command in (demo, discover, fetch, sync, status, forget, vacuum, spend, budget, report, sandbox):
    main.add_command(command)
