"""The sandbox as a server for other programs."""

from __future__ import annotations

import contextlib
from typing import Any

import click

from handinger_analytics.cli import options
from handinger_analytics.sandbox import Sandbox
from handinger_analytics.text import count


@click.command()
@options.sandbox_tasks
@options.seed
@options.generation
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="Port on 127.0.0.1; 0 takes a free one."
)
@click.option("--latency", default=0.0, type=click.FloatRange(min=0), help="Seconds each answer takes.")
@click.option(
    "--rate-limit",
    type=click.FloatRange(min=0, min_open=True),
    help="Requests a second before it answers 429.",
)
@click.option(
    "--follow-up-days",
    default=0,
    type=click.IntRange(min=0),
    help="Days within which some tasks get one more turn.",
)
@click.option("--faults", type=click.FloatRange(0, 1), help="Share of requests to go wrong.")
def sandbox(**settings: Any) -> None:
    """Run a local Handinger server with generated tasks until Ctrl-C."""
    with Sandbox(**settings) as server, contextlib.suppress(KeyboardInterrupt):
        ids = server.task_ids
        click.echo(f"export HANDINGER_BASE_URL={server.url}")
        click.echo(f"export HANDINGER_API_KEY={server.api_key}")
        click.echo(f"# {count(len(ids), 'task')}, for example {' '.join(ids[:3])}; Ctrl-C to stop")
        server.wait()
