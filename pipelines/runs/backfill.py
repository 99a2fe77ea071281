"""Many days: which of them have something left to do, and in which runs it is done."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import cast

import dagster as dg

from assets.dagster_internals import AssetPartitionStatus
from assets.deliveries import delivery_key
from assets.figures.status import partitions_left
from assets.providers.registry import make_provider
from pipelines.build import lent_source
from pipelines.configuration.config import Config
from pipelines.runs.day_results import DayResult
from pipelines.runs.launch import Assets, Launcher


def left_to_do(
    launcher: Launcher, days: Sequence[date], to: Sequence[str]
) -> dict[date, Assets]:
    """Return the assets of each day that are not finished, and what follows them.

    Finished is what the UI shows green and the delivery tables know nothing against:
    not a day that failed, was never run or was killed, nor a green one of which a
    person released an order, or whose last run was told to stop.

    Args:
        launcher: Of the deployment.
        days: The days to look at; those with nothing left are not in the answer.
        to: Only these destinations; none: all.
    """
    graph, selected = launcher.graph, launcher.assets_of(to)
    keys = [day.isoformat() for day in days]
    open_days = _open_days(launcher.config)
    left: dict[str, set[dg.AssetKey]] = {key: set() for key in keys}
    for asset in selected:
        partitions = cast(
            "dg.PartitionsDefinition[str]", graph.get(asset).partitions_def
        )
        green = launcher.instance.get_status_by_partition(asset, keys, partitions) or {}
        following = dg.AssetSelection.assets(asset).downstream().resolve(graph)
        for key in keys:
            is_green = green.get(key) == AssetPartitionStatus.MATERIALIZED
            if not is_green or key in open_days.get(asset, ()):
                left[key] |= following & selected
    return {day: left[key] for day, key in zip(days, keys, strict=True) if left[key]}


def _open_days(config: Config) -> dict[dg.AssetKey, Collection[str]]:
    """Ask the delivery tables which days of each destination a run would help."""
    with lent_source(config) as source:
        now = source.database.clock()()
        return {
            delivery_key(name): partitions_left(
                source.database,
                name,
                make_provider(settings).resend,
                now,
                is_enabled=settings.enabled,
            )
            for name, settings in config.destinations.items()
        }


def run_each(
    launcher: Launcher,
    left: Mapping[date, Assets],
    to: Sequence[str],
    override: str,
    track: Callable[[Sequence[date]], Iterable[date]],
) -> Iterator[DayResult]:
    """Run each day by itself, until the process is told to stop.

    Args:
        launcher: Of the deployment.
        left: The days and what is to be done of each.
        to: Only these destinations; none: all.
        override: Why days are right that a guard refuses.
        track: Shows how far it is while it goes through the days.
    """
    for day in track(sorted(left)):
        result = launcher.export(day, to=to, override=override, only=left[day])
        yield result
        if result.interrupted:
            return


def run_together(
    launcher: Launcher, left: Mapping[date, Assets], to: Sequence[str], override: str
) -> Iterator[DayResult]:
    """Run days that follow one another, and have the same left to do, in one run."""
    for days in _stretches(left):
        results = launcher.export_together(
            days, to=to, override=override, only=left[days[0]]
        )
        yield from results
        if any(result.interrupted for result in results):
            return


def _stretches(left: Mapping[date, Assets]) -> Iterator[Sequence[date]]:
    numbered = enumerate(sorted(left))

    def stretch(numbered_day: tuple[int, date]) -> tuple[int, frozenset[dg.AssetKey]]:
        number, day = numbered_day
        return day.toordinal() - number, frozenset(left[day])

    for _, found in groupby(numbered, key=stretch):
        yield [day for _, day in found]
