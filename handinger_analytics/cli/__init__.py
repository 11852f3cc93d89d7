"""The command line: each command parses, calls the library and shows what came.

Results go to stdout, progress and warnings to stderr; `handinger_analytics.cli.exit_codes` says how a
command ended.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any

import click

from handinger_analytics.cli import exit_codes
from handinger_analytics.cli.signals import as_interrupts
from handinger_analytics.cli.streams import lasting_streams
from handinger_analytics.errors import ArgumentError, AuthenticationError, HandingerError
from handinger_analytics.text import terminal_text

COMMANDS = {
    "demo": ("fetch_commands", "Fetch from a local sandbox and show where the credits go."),
    "discover": ("fetch_commands", "Print the ids of the tasks in workers' webhook logs."),
    "fetch": ("fetch_commands", "Fetch tasks by id or link, and keep tables and a chart."),
    "sync": ("archive_commands", "Bring an archive up to date."),
    "status": ("archive_commands", "Say what an archive holds, and what is missing."),
    "forget": ("archive_commands", "Do not ask for tasks any more; what an archive has of them stays."),
    "delete": ("archive_commands", "Erase tasks from an archive for good."),
    "vacuum": ("archive_commands", "Delete the files of an archive that were replaced."),
    "spend": ("spend_commands", "Show the spend of what is kept."),
    "budget": ("spend_commands", "Say whether a limit will hold."),
    "report": ("report_command", "Write what is kept as one HTML page."),
    "sandbox": ("sandbox_command", "Run a local Handinger server with generated tasks."),
}
"""Module of each command, imported when the command is run, and its line in ``--help``."""


def _show_warning(message: Warning | str, *_: Any) -> None:
    """Say a warning in a line, without the place in the code that a user of commands cannot change."""
    click.echo(f"warning: {terminal_text(str(message))}", err=True)


class _Commands(click.Group):
    """Loads commands when they are run, and turns errors of the library into a line and an exit code."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{COMMANDS[name][0]}"), name)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        # click would load every command for the first line of its help.
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command to its end, whatever becomes of its output and whoever ends it."""
        with as_interrupts() as signals, lasting_streams() as output, warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]  # it takes all there is
            try:
                return super().main(*args, **kwargs)
            except SystemExit as ended:
                code = ended.code
                if output and output.error and not isinstance(output.error, BrokenPipeError):
                    click.echo(f"error: cannot write to stdout: {output.error}", err=True)
                    code = code or exit_codes.ERROR
                sys.exit(128 + signals[0] if signals else code)

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except KeyboardInterrupt as interrupt:
            click.echo(f"\n{str(interrupt) or 'interrupted'}", err=True)
            sys.exit(exit_codes.INTERRUPTED)
        except HandingerError as error:
            self._raise_if_usage(context, error)
            click.echo(f"error: {terminal_text(str(error))}", err=True)
            sys.exit(exit_codes.KEY_REFUSED if isinstance(error, AuthenticationError) else exit_codes.ERROR)

    def _raise_if_usage(self, context: click.Context, error: HandingerError) -> None:
        """Make wrong usage, which names the option, of an error that is about a parameter of the command."""
        name = str(context.invoked_subcommand)
        command = self.get_command(context, name)
        if command is None or not isinstance(error, ArgumentError):
            return
        usage = click.Context(command, parent=context, info_name=name)
        for parameter in command.params:
            if parameter.name == error.argument.partition("[")[0]:  # of one of many: task_ids[3]
                option = parameter.get_error_hint(usage).strip("'")
                what = str(error).removeprefix(f"{error.argument}: ")
                raise click.UsageError(terminal_text(f"{option}: {what}"), usage) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="handinger-analytics")
def main() -> None:
    """Where do our credits go? Fetch tasks and turns of Handinger workers, keep and chart them.

    The key comes from HANDINGER_API_KEY, the server from HANDINGER_BASE_URL. Without a key, try
    `handinger-analytics demo`.
    """
