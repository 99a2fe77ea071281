"""The read-only commands: `status`, `metrics` and `check`."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import AsJson, FirstDay, LastDay
from pipelines.commands.shared import EXIT_ERROR, console, open_database, reports_errors
from pipelines.configuration.config import load_config


@reports_errors
def status(
    first: FirstDay = None, last: LastDay = None, as_json: AsJson = False
) -> None:
    """Print orders and revenue by destination and state."""
    from assets.ledger.totals import totals
    from pipelines.output import by_state, print_states

    with open_database(load_config()) as database:
        found = totals(database, first=_key(first), last=_key(last))
    if as_json:
        typer.echo(json.dumps(by_state(found)))
    else:
        print_states(console, found)


@reports_errors
def metrics(
    file: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write to this file instead of printing."),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, help="Figures of this many last days.")
    ] = 7,
) -> None:
    """Print figures per destination in the Prometheus text format."""
    from assets.figures.metrics import destination_metrics
    from pipelines.metrics import DeliveryMetrics, exposition, write_file

    config = load_config()
    first = datetime.now(config.zone).date() - timedelta(days=days)
    with open_database(config) as database:
        measured = destination_metrics(
            database,
            list(config.destinations),
            first=first.isoformat(),
            disabled={
                name for name, one in config.destinations.items() if not one.enabled
            },
        )
        current = DeliveryMetrics(measured, database.clock()())
    if file is None:
        typer.echo(exposition(current), nl=False)
    else:
        write_file(current, file)


@reports_errors
def check(
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Connect to no provider.")
    ] = False,
) -> None:
    """Check that everything that a run needs is there."""
    from pipelines.checkup.checkup import run_checks

    failed = False
    for finding in run_checks(load_config(), offline=offline):
        failed = failed or not finding.is_good
        mark = "[green]ok[/green]  " if finding.is_good else "[red]fail[/red]"
        console.print(mark, finding.subject, end=" ")
        console.print(finding.text, markup=False, highlight=False)
    raise typer.Exit(EXIT_ERROR if failed else 0)


def _key(day: datetime | None) -> str | None:
    return None if day is None else day.date().isoformat()
