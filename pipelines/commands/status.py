"""Commands that look and change nothing: `status`, `metrics` and `check`."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import AsJson, From, Until
from pipelines.commands.shared import WRONG, console, explained, opened
from pipelines.configuration.config import load_config


@explained
def status(first: From = None, last: Until = None, as_json: AsJson = False) -> None:
    """Count deliveries and their money by destination and state."""
    from assets.ledger.totals import totals
    from pipelines.commands.output import by_state, print_states

    with opened(load_config()) as database:
        found = totals(database, first=_key(first), last=_key(last))
    if as_json:
        typer.echo(json.dumps(by_state(found)))
    else:
        print_states(console, found)


@explained
def metrics(
    file: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Replace this file instead of printing."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Of the last so many days.")] = 7,
) -> None:
    """Print figures per destination in the text format of Prometheus."""
    from assets.figures.metrics import destination_metrics
    from pipelines.metrics import DeliveryMetrics, exposition, write

    config = load_config()
    first = datetime.now(config.zone).date() - timedelta(days=days)
    with opened(config) as database:
        measured = destination_metrics(
            database,
            list(config.destinations),
            first=first.isoformat(),
            disabled={
                name for name, one in config.destinations.items() if not one.enabled
            },
        )
        found = DeliveryMetrics(measured, database.clock()())
    if file is None:
        typer.echo(exposition(found), nl=False)
    else:
        write(found, file)


@explained
def check(
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Connect to no provider.")
    ] = False,
) -> None:
    """Check configuration, connections, and the statements against the contract."""
    from pipelines.checkup.checkup import check_up

    failed = False
    for finding in check_up(load_config(), offline=offline):
        failed = failed or not finding.is_good
        mark = "[green]ok[/green]  " if finding.is_good else "[red]fail[/red]"
        console.print(mark, finding.subject, end=" ")
        console.print(finding.text, markup=False, highlight=False)
    raise typer.Exit(WRONG if failed else 0)


def _key(day: datetime | None) -> str | None:
    return None if day is None else day.date().isoformat()
