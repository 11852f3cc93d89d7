"""The sandbox as a server for other programs."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--tasks", default=200, show_default=True, type=click.IntRange(min=0), help="How many tasks it has."
)
@click.option("--seed", default=7, show_default=True, help="Seed of the generated data.")
@click.option(
    "--generation", default="A", show_default=True, type=click.Choice(["A", "B"]), help="API generation."
)
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="Port on 127.0.0.1; 0 takes a free one."
)
@click.option(
    "--latency",
    default=0.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds each answer takes.",
)
@click.option(
    "--rate-limit",
    type=click.FloatRange(min=0, min_open=True),
    help="Requests a second before it answers 429.",
)
@click.option("--faults", type=click.FloatRange(0, 1), help="Share of requests to go wrong.")
def sandbox(
    tasks: int,
    seed: int,
    generation: str,
    port: int,
    latency: float,
    rate_limit: float | None,
    faults: float | None,
) -> None:
    """Run a local Handinger server with generated tasks until Ctrl-C."""
    from handinger_analytics.sandbox import Sandbox

    server = Sandbox(
        tasks, seed, generation, port=port, latency=latency, rate_limit=rate_limit, faults=faults
    )
    with server:
        click.echo(f"export HANDINGER_BASE_URL={server.url}")
        click.echo(f"export HANDINGER_API_KEY={server.api_key}")
        click.echo(f"# {tasks:,} tasks, for example {' '.join(server.task_ids[:3])}; Ctrl-C to stop")
        server.wait()
