"""Commands that run days: `export` and `backfill`."""

from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.options import DAY, Override, To
from pipelines.commands.shared import (
    LEFT_OVER,
    REFUSED,
    console,
    errors,
    explained,
    opened,
)
from pipelines.configuration.config import Config, ConfigError, load_config

if TYPE_CHECKING:
    from pipelines.runs.day_results import DayResult


@explained
def export(
    day: Annotated[datetime, typer.Option("--date", formats=DAY, help="The day.")],
    to: To = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send nothing; open no socket.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=0, help="Send at most so many to each; 0: all.")
    ] = 0,
    override: Override = "",
) -> None:
    """Export one day: extract, join, deliver what is missing."""
    from pipelines.runs.launch import Launcher

    config, names = load_config(), to or []
    launcher = Launcher(config)
    if dry_run:
        _dry_run(launcher, day.date(), names, override)
        return
    result = launcher.export(day.date(), to=names, limit=limit, override=override)
    _print_states(config, day.date(), day.date())
    _end([result])


@explained
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
        bool, typer.Option("--all", help="Also days that are finished: late orders.")
    ] = False,
    single_run: Annotated[
        bool, typer.Option("--single-run", help="One Dagster run instead of one a day.")
    ] = False,
) -> None:
    """Export what is not finished of many days; each succeeds or fails on its own."""
    from rich.progress import track

    from assets.partitions import days_between
    from pipelines.runs.backfill import left_to_do, run_each, run_together
    from pipelines.runs.launch import Launcher

    config, names = load_config(), destination or []
    launcher = Launcher(config)
    days = days_between(first.date(), last.date())
    if not days:
        message = (
            f"Backfilling failed: expected --from before --to, got {first.date()} and "
            f"{last.date()}. Swap them."
        )
        raise ConfigError(message)
    for day in (days[0], days[-1]):
        launcher.check(day, names)
    everything = dict.fromkeys(days, launcher.assets_of(names))
    left = everything if finished_too else left_to_do(launcher, days, names)
    if len(left) < len(days):
        errors.print(
            f"{len(days) - len(left)} of {len(days)} days are finished; --all looks at "
            "them again."
        )
    if single_run:
        results = list(run_together(launcher, left, names, override))
    else:
        with_progress = partial(track, description="Days", console=errors)
        results = list(run_each(launcher, left, names, override, with_progress))
    _print_states(config, days[0], days[-1])
    _end(results)


def _dry_run(launcher: Any, day: date, names: list[str], override: str) -> None:
    from pipelines.commands.output import print_preview
    from pipelines.runs.dry_run import previews

    staged = launcher.export(day, to=names, override=override, until_conversions=True)
    _end([staged])
    for name, found in previews(launcher.config, day.isoformat(), names):
        print_preview(console, name, found)


def _print_states(config: Config, first: date, last: date) -> None:
    from assets.ledger.totals import count_needs_human, totals
    from pipelines.commands.output import print_states

    days = {"first": first.isoformat(), "last": last.isoformat()}
    with opened(config) as database:
        found, waiting = (
            totals(database, **days),
            count_needs_human(database, **days),
        )
    print_states(console, found)
    if waiting:
        console.print(
            f"{waiting} deliveries wait for a person: look at v_needs_human, then use "
            "attribution resolve."
        )


def _end(results: "list[DayResult]") -> None:
    """Tell what failed; leave with 1 where a re-run helps, 3 where only a word does."""
    failed = [result for result in results if not result.finished]
    for result in failed:
        for step, why in result.failures.items():
            errors.print(f"{result.day} {step}: {why}", markup=False, highlight=False)
    if failed:
        refused = all(result.refused for result in failed)
        raise typer.Exit(REFUSED if refused else LEFT_OVER)
