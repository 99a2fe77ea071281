"""The daily partitions that all assets share, and the window of each partition."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import dagster as dg


class Window(NamedTuple):
    """Half-open [start, end), aware UTC: 23 or 25 hours when the clocks change."""

    start: datetime
    end: datetime


def daily(timezone: str, start: date) -> dg.DailyPartitionsDefinition:
    """Return one partition per day in `timezone`, starting with `start`."""
    return dg.DailyPartitionsDefinition(start_date=start.isoformat(), timezone=timezone)


def partitioned(
    assets: Iterable[dg.AssetsDefinition],
    partitions: dg.PartitionsDefinition[str],
    days_per_run: int = 1,
) -> list[dg.AssetsDefinition]:
    """Return `assets` with `partitions`, whose zone and start are configured.

    Args:
        assets: The assets of a day.
        partitions: Their days.
        days_per_run: How many days a backfill puts into one run.
    """
    made = dg.map_asset_specs(
        lambda spec: spec.replace_attributes(partitions_def=partitions), assets
    )
    if days_per_run == 1:
        return list(made)
    policy = dg.BackfillPolicy.multi_run(days_per_run)
    return [one.with_attributes(backfill_policy=policy) for one in made]


def window_of(context: dg.AssetExecutionContext) -> Window:
    """Return the window of the partition that is being materialized."""
    window = context.partition_time_window
    return Window(window.start.astimezone(UTC), window.end.astimezone(UTC))


def days_between(first: date, last: date) -> list[date]:
    """Return every day from `first` to `last`, both included."""
    count = (last - first).days + 1
    return [first + timedelta(days=offset) for offset in range(count)]
