"""Runs that send again what is due now, from the staged conversions."""

from collections.abc import Iterator, Sequence
from datetime import date

from assets.deliveries import delivery_key
from assets.published_deliveries import PUBLISHED
from pipelines.configuration.config import Config
from pipelines.due import due_in
from pipelines.runs.day_results import DayResult
from pipelines.runs.launch import Launcher


def finish_due(config: Config, destinations: Sequence[str]) -> Iterator[DayResult]:
    """Run each partition that has something due, until the process is told to stop.

    Args:
        config: The deployment.
        destinations: Names of the destinations; empty for all.

    Raises:
        ConfigError: A variable is not set, or Dagster's history cannot be used.
        LedgerError: The delivery tables cannot be used.
    """
    due = due_in(config, destinations)
    if not due:
        return
    launcher = Launcher(config)
    copies = {PUBLISHED} if config.publish else set()
    for key, names in due.items():
        assets = {delivery_key(name) for name in names} | copies
        result = launcher.export(
            date.fromisoformat(key), destinations=names, only=assets
        )
        yield result
        if result.interrupted:
            return
