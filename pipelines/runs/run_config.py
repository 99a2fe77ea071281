"""The Dagster run configuration of a run that the command line starts."""

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg

from assets.conversions import conversions
from assets.deliveries import delivery_key
from assets.orders import completed_orders
from pipelines.configuration.config import Config


def run_config(
    config: Config,
    selected: AbstractSet[dg.AssetKey],
    destinations: Sequence[str],
    *,
    limit: int,
    override: str,
) -> dict[str, Any]:
    """Return the run configuration.

    Args:
        config: The deployment.
        selected: The assets of the run.
        destinations: Names of the destinations; empty for all.
        limit: Most conversions to send to each destination; 0 for no limit.
        override: Reason to accept a day that a guard refuses; empty for none.
    """
    guarded = {completed_orders.key, conversions.key} & selected
    deliveries = {
        delivery_key(name) for name in destinations or config.destinations
    } & selected
    options: dict[dg.AssetKey, dict[str, Any]] = defaultdict(dict)
    for key in guarded | deliveries if override else ():
        options[key]["override"] = override
    for key in deliveries if limit else ():
        options[key]["limit"] = limit
    ops = {
        key.to_python_identifier(): {"config": found} for key, found in options.items()
    }
    console = {"config": {"log_level": _log_level(config)}}
    return {"loggers": {"console": console}, "ops": ops}


def _log_level(config: Config) -> str:
    # A person reads the table at the end; a log collector wants every line.
    return "DEBUG" if config.log_format == "json" else "CRITICAL"
