"""The commands that run partitions: `export`, `backfill` and `finish`."""

from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import DAY, DestinationNames, Override
from pipelines.commands.shared import (
    EXIT_REFUSED,
    EXIT_UNFINISHED,
    console,
    errors,
    open_database,
    reports_errors,
)
from pipelines.configuration.config import Config, ConfigError, load_config

if TYPE_CHECKING:
    from pipelines.runs.day_results import DayResult
    from pipelines.runs.launch import Launcher


@reports_errors
def export(
    day: Annotated[datetime, typer.Option("--date", formats=DAY, help="The day.")],
    to: DestinationNames = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Show what would be sent, without a connection."
        ),
    ] = False,
    limit: Annotated[
        int,
        typer.Option(
            min=0, help="Send at most this many orders to each destination; 0: all."
        ),
    ] = 0,
    override: Override = "",
) -> None:
    """Export one day: extract, join, and deliver what is missing."""
    from pipelines.runs.launch import Launcher

    config, names = load_config(), to or []
    launcher = Launcher(config)
    if dry_run:
        _dry_run(launcher, day.date(), names, override)
        return
    result = launcher.export(
        day.date(), destinations=names, limit=limit, override=override
    )
    _print_states(config, day.date(), day.date())
    _exit([result])


@reports_errors
def backfill(
    first: Annotated[datetime, typer.Option("--from", formats=DAY, help="First day.")],
    last: Annotated[datetime, typer.Option("--to", formats=DAY, help="Last day.")],
    destination: Annotated[
        list[str] | None,
        typer.Option(help="Only this destination; may be given several times."),
    ] = None,
    override: Override = "",
    *,
    finished_too: Annotated[
        bool,
        typer.Option("--all", help="Also export finished days, for late orders."),
    ] = False,
    single_run: Annotated[
        bool,
        typer.Option(
            "--single-run", help="One Dagster run instead of one for each day."
        ),
    ] = False,
) -> None:
    """Export the unfinished days of a range; each succeeds or fails on its own."""
    from rich.progress import track

    from pipelines.runs.backfill import (
        run_in_ranges,
        run_one_by_one,
        unfinished_assets,
    )
    from pipelines.runs.launch import Launcher
    from pipelines.runs.preconditions import check_export

    config, names = load_config(), destination or []
    launcher = Launcher(config)
    days = _days(first.date(), last.date())
    for day in (days[0], days[-1]):
        check_export(config, day, names)
    everything = dict.fromkeys(days, launcher.assets_of(names))
    unfinished = (
        everything if finished_too else unfinished_assets(launcher, days, names)
    )
    if len(unfinished) < len(days):
        errors.print(
            f"{len(days) - len(unfinished)} of {len(days)} days are finished; --all "
            "exports them again."
        )
    if single_run:
        results = list(run_in_ranges(launcher, unfinished, names, override))
    else:
        with_progress = partial(track, description="Days", console=errors)
        results = list(
            run_one_by_one(launcher, unfinished, names, override, with_progress)
        )
    _print_states(config, days[0], days[-1])
    _exit(results)


@reports_errors
def finish(
    destination: Annotated[
        list[str] | None,
        typer.Option(help="Only this destination; may be given several times."),
    ] = None,
) -> None:
    """Send again what is due now, of any day; nothing is extracted."""
    from pipelines.runs.finish import finish_due
    from pipelines.runs.preconditions import check_destinations

    config, names = load_config(), destination or []
    check_destinations(config, names)
    results = list(finish_due(config, names))
    if not results:
        console.print("Nothing is due.")
        return
    _print_states(config, results[0].day, results[-1].day)
    _exit(results)


def _days(first: date, last: date) -> list[date]:
    from assets.partitions import days_between

    days = days_between(first, last)
    if not days:
        message = (
            f"Backfilling failed: expected --from before --to, got {first} and {last}. "
            "Swap them."
        )
        raise ConfigError(message)
    return days


def _dry_run(
    launcher: "Launcher", day: date, destinations: list[str], override: str
) -> None:
    from pipelines.output import print_preview
    from pipelines.runs.dry_run import preview_destinations

    staged = launcher.export(
        day, destinations=destinations, override=override, until_conversions=True
    )
    _exit([staged])
    previews = preview_destinations(launcher.config, day.isoformat(), destinations)
    for name, preview in previews:
        print_preview(console, name, preview)


def _print_states(config: Config, first: date, last: date) -> None:
    from assets.figures.quarantined import quarantine_figures
    from assets.ledger.totals import count_needs_human, totals
    from pipelines.output import print_quarantined, print_states

    days = {"first": first.isoformat(), "last": last.isoformat()}
    with open_database(config) as database:
        found = totals(database, **days)
        waiting = count_needs_human(database, **days)
        quarantined = quarantine_figures(database, **days)
    print_states(console, found)
    print_quarantined(console, quarantined)
    if waiting:
        console.print(
            f"{waiting} deliveries wait for a person: look at v_needs_human, then use "
            "attribution resolve."
        )


def _exit(results: "list[DayResult]") -> None:
    """Print the failures and exit: 3 if guards refused all failed days, else 1."""
    failed = [result for result in results if not result.finished]
    for result in failed:
        for step, why in result.failures.items():
            errors.print(f"{result.day} {step}: {why}", markup=False, highlight=False)
    if failed:
        refused = all(result.refused for result in failed)
        raise typer.Exit(EXIT_REFUSED if refused else EXIT_UNFINISHED)
