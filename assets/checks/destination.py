"""Runs the checks of a destination's state for an asset of that destination.

Deliveries and settlements share them. What the checks look at is in `standing.py`.
"""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from assets.checks.standing import About, check_results
from assets.delivery.planner import Destination
from assets.figures.status import standing
from assets.resources import Destinations, Source


def standing_checks(
    asset: dg.AssetKey,
    names: Sequence[str],
    source: Source,
    destinations: Destinations,
    destination: Destination,
    *,
    partition_key: str,
    now: datetime,
) -> list[dg.AssetCheckResult]:
    """Return the results of some checks.

    Args:
        asset: The asset that the checks belong to.
        names: Which checks: `AFTER_A_RUN` or `EVERY_HOUR`.
        source: Holds the delivery tables.
        destinations: Holds the thresholds.
        destination: The destination that is checked.
        partition_key: The partition of the run.
        now: The current time, aware UTC.
    """
    state = standing(
        source.database,
        destination=destination.name,
        partition_key=partition_key,
        policy=destination.provider.resend,
        now=now,
        is_enabled=destination.is_enabled,
    )
    limits = destinations.checks.of(destination.name)
    about = About(destination.name, partition_key, now)
    return check_results(asset, names, state, limits, about)
