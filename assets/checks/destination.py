"""Runs the checks of a destination's state for an asset of that destination.

Deliveries and settlements share them. The checks themselves are in
`threshold_checks.py`.
"""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from assets.checks.threshold_checks import CheckContext, check_results
from assets.delivery.destination import Destination
from assets.figures.status import destination_status
from assets.resources import Destinations, Source


def destination_checks(
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
        names: Which checks: `DELIVERY_CHECKS` or `SETTLEMENT_CHECKS`.
        source: Holds the delivery tables.
        destinations: Holds the thresholds.
        destination: The destination that is checked.
        partition_key: The partition of the run.
        now: The current time, aware UTC.
    """
    state = destination_status(
        source.database,
        destination=destination.name,
        partition_key=partition_key,
        policy=destination.provider.resend,
        now=now,
        is_enabled=destination.is_enabled,
    )
    limits = destinations.checks.of(destination.name)
    about = CheckContext(destination.name, partition_key, now)
    return check_results(asset, names, state, limits, about)
