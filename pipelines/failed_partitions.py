"""Publishes the delivery tables of partitions that failed.

The asset `published_deliveries` follows all destinations, so that one destination that
fails would keep the deliveries of all others from the analysts. The job here copies
such partitions. The asset stays missing, and the next run of the partition materializes
it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import TypeAlias

import dagster as dg

from assets.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from assets.ledger.publishing import publish
from assets.partitions import days_between
from assets.resources import Source

JOB = "publish_red_days"
_WRITING_ASSETS = ("deliveries", "settlements", "published_deliveries")

SensorResult: TypeAlias = dg.RunRequest | dg.SkipReason


class PartitionsConfig(dg.Config):
    """The partitions to copy, as `YYYY-MM-DD`."""

    days: list[str]


def publish_partitions(source: Source, days: Sequence[str]) -> int:
    """Copy the delivery tables of some partitions; return the number of rows.

    Raises:
        LedgerError: The warehouse refused the rows.
        WarehouseError: The warehouse cannot be opened.
    """
    with source.warehouse.write_engine() as engine:
        return sum(sum(publish(source.database, engine, day).values()) for day in days)


def wrote_to_tables(failed_steps: Collection[str]) -> bool:
    """Return whether a run that failed in these steps may have unpublished rows.

    No step is known of a run whose worker was killed, so that the answer is yes.
    """
    return not failed_steps or any(
        step.startswith(_WRITING_ASSETS) for step in failed_steps
    )


def publishing_job_and_sensor() -> tuple[dg.JobDefinition, dg.SensorDefinition]:
    """Return the job, and the sensor that starts it after each failed run."""

    @dg.op(
        name="red_days",
        description="Copies the delivery tables of failed partitions to the warehouse.",
    )
    def publish_failed(
        context: dg.OpExecutionContext,
        config: PartitionsConfig,
        source: dg.ResourceParam[Source],
    ) -> None:
        rows = publish_partitions(source, config.days)
        context.add_output_metadata({"rows": rows})

    @dg.job(
        name=JOB,
        description="Publishes the deliveries of failed partitions to the analysts.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        publish_failed()

    @dg.run_failure_sensor(
        name=JOB,
        description="Publishes what a failed run has delivered.",
        request_job=job,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.RunFailureSensorContext) -> SensorResult:
        run = context.dagster_run
        days = _partitions_of(run.tags)
        failed = [event.step_key or "" for event in context.get_step_failure_events()]
        if not days or not wrote_to_tables(failed):
            return dg.SkipReason("The failed run delivered nothing.")
        return dg.RunRequest(
            run_key=run.run_id,
            run_config={"ops": {publish_failed.name: {"config": {"days": days}}}},
        )

    return job, sensor


def _partitions_of(tags: Mapping[str, str]) -> list[str]:
    first = tags.get(ASSET_PARTITION_RANGE_START_TAG, tags.get(PARTITION_NAME_TAG))
    if first is None:
        return []
    last = tags.get(ASSET_PARTITION_RANGE_END_TAG, first)
    days = days_between(date.fromisoformat(first), date.fromisoformat(last))
    return [day.isoformat() for day in days]
