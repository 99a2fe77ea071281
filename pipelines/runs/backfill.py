"""Backfills: the unfinished assets of each day, and the runs that finish them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import cast

import dagster as dg

from assets.dagster_internals import AssetPartitionStatus
from assets.deliveries import delivery_key
from assets.figures.status import partitions_left
from assets.providers.registry import make_provider
from pipelines.build import managed_source
from pipelines.configuration.config import Config
from pipelines.runs.day_results import DayResult
from pipelines.runs.launch import Assets, Launcher


def unfinished_assets(
    launcher: Launcher, days: Sequence[date], destinations: Sequence[str]
) -> dict[date, Assets]:
    """Return the unfinished assets of each day, and those downstream of them.

    An asset is unfinished if Dagster does not show its partition as materialized: the
    partition failed, was never run, or its run was killed. It is also unfinished if
    the delivery tables say so: a person released an order, or the last run was
    stopped.

    Args:
        launcher: The launcher of the deployment.
        days: The days to examine; finished days are not in the result.
        destinations: Names of the destinations; empty for all.
    """
    graph, selected = launcher.graph, launcher.assets_of(destinations)
    keys = [day.isoformat() for day in days]
    open_partitions = _open_partitions(launcher.config)
    unfinished: dict[str, set[dg.AssetKey]] = {key: set() for key in keys}
    for asset in selected:
        partitions = cast(
            "dg.PartitionsDefinition[str]", graph.get(asset).partitions_def
        )
        statuses = (
            launcher.instance.get_status_by_partition(asset, keys, partitions) or {}
        )
        downstream = dg.AssetSelection.assets(asset).downstream().resolve(graph)
        for key in keys:
            succeeded = statuses.get(key) == AssetPartitionStatus.MATERIALIZED
            if not succeeded or key in open_partitions.get(asset, ()):
                unfinished[key] |= downstream & selected
    return {
        day: unfinished[key]
        for day, key in zip(days, keys, strict=True)
        if unfinished[key]
    }


def run_one_by_one(
    launcher: Launcher,
    unfinished: Mapping[date, Assets],
    destinations: Sequence[str],
    override: str,
    track: Callable[[Sequence[date]], Iterable[date]],
) -> Iterator[DayResult]:
    """Run each day in a run of its own, until the process is told to stop.

    Args:
        launcher: The launcher of the deployment.
        unfinished: The assets to run by day.
        destinations: Names of the destinations; empty for all.
        override: Reason to accept days that a guard refuses.
        track: Wraps the days to show the progress.
    """
    for day in track(sorted(unfinished)):
        result = launcher.export(
            day, destinations=destinations, override=override, only=unfinished[day]
        )
        yield result
        if result.interrupted:
            return


def run_in_ranges(
    launcher: Launcher,
    unfinished: Mapping[date, Assets],
    destinations: Sequence[str],
    override: str,
) -> Iterator[DayResult]:
    """Run consecutive days with the same unfinished assets in one run."""
    for days in _ranges(unfinished):
        results = launcher.export_range(
            days,
            destinations=destinations,
            override=override,
            only=unfinished[days[0]],
        )
        yield from results
        if any(result.interrupted for result in results):
            return


def _open_partitions(config: Config) -> dict[dg.AssetKey, Collection[str]]:
    """Query the delivery tables for the partitions that another run would help."""
    with managed_source(config) as source:
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


def _ranges(unfinished: Mapping[date, Assets]) -> Iterator[Sequence[date]]:
    numbered = enumerate(sorted(unfinished))

    def range_key(numbered_day: tuple[int, date]) -> tuple[int, frozenset[dg.AssetKey]]:
        # The difference is the same for all days of a sequence without a gap.
        number, day = numbered_day
        return day.toordinal() - number, frozenset(unfinished[day])

    for _, found in groupby(numbered, key=range_key):
        yield [day for _, day in found]
