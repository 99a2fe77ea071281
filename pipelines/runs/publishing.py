"""Publishes what a failed run of the command line delivered.

Where a daemon runs, the sensor of `pipelines.failed_partitions` does the same.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date

import dagster as dg

from assets.ledger.database import LedgerError
from assets.source.errors import WarehouseError
from pipelines.build import managed_source
from pipelines.configuration.config import Config
from pipelines.failed_partitions import publish_partitions, wrote_to_tables


def publish_failed_run(
    config: Config, result: dg.JobExecutionResult, days: Sequence[date]
) -> None:
    """Copy the delivery tables of the days of a run that failed.

    Args:
        config: The deployment.
        result: The run; nothing is copied if it succeeded.
        days: The partitions of the run.
    """
    if result.success or not config.publish:
        return
    failed = [event.step_key or "" for event in result.get_step_failure_events()]
    if wrote_to_tables(failed):
        # The failure of the run is reported already; this error would hide it.
        with (
            suppress(LedgerError, WarehouseError),
            managed_source(config) as source,
        ):
            publish_partitions(source, [day.isoformat() for day in days])
