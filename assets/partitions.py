"""The daily partitions that all assets share, and what window a partition is."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import NamedTuple

import dagster as dg


class Window(NamedTuple):
    """Half-open [start, end), aware UTC: 23 or 25 hours where the clocks change."""

    start: datetime
    end: datetime


def daily(timezone: str, start: date) -> dg.DailyPartitionsDefinition:
    """Return one partition per day of `timezone`, from `start` on."""
    return dg.DailyPartitionsDefinition(start_date=start.isoformat(), timezone=timezone)


def partitioned(
    assets: Iterable[dg.AssetsDefinition], partitions: dg.PartitionsDefinition[str]
) -> list[dg.AssetsDefinition]:
    """Return `assets` with `partitions`: zone and start are configuration."""
    return list(
        dg.map_asset_specs(
            lambda spec: spec.replace_attributes(partitions_def=partitions), assets
        )
    )


def window_of(context: dg.AssetExecutionContext) -> Window:
    """Return the window of the partition that is being made."""
    window = context.partition_time_window
    return Window(window.start.astimezone(UTC), window.end.astimezone(UTC))
