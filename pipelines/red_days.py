"""The analysts' copy of red days, which `published_deliveries` does not follow.

One destination that fails would otherwise keep the figures of all from the analysts.
Copied by a job, not by the asset: that stays missing for the day, and whoever runs the
rest of the day again makes it, too.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import TypeAlias

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from assets.ledger.publishing import publish
from assets.partitions import days_between
from assets.resources import Source

JOB = "publish_red_days"
_CHANGE_TABLES = ("deliveries", "settlements", "published_deliveries")

Answer: TypeAlias = dg.RunRequest | dg.SkipReason


class Days(dg.Config):
    """Which days are copied, `YYYY-MM-DD`."""

    days: list[str]


def copy_days(source: Source, days: Sequence[str]) -> int:
    """Copy the delivery tables of some days; return how many rows.

    Raises:
        LedgerError: The warehouse refused.
        WarehouseError: It cannot be opened.
    """
    with source.warehouse.write_engine() as engine:
        return sum(sum(publish(source.database, engine, day).values()) for day in days)


def changed_tables(failed_steps: Collection[str]) -> bool:
    """Tell whether a run that failed in these steps wrote what is not published.

    Of a run whose worker died, no step is known: it may have.
    """
    return not failed_steps or any(
        step.startswith(_CHANGE_TABLES) for step in failed_steps
    )


def publish_red_days() -> tuple[dg.JobDefinition, dg.SensorDefinition]:
    """Return the job, and the sensor that runs it after each red run."""

    @dg.op(description="Copies the delivery tables of days that are not finished.")
    def red_days(
        context: dg.OpExecutionContext, config: Days, source: dg.ResourceParam[Source]
    ) -> None:
        context.add_output_metadata({"rows": copy_days(source, config.days)})

    @dg.job(
        name=JOB,
        description="The analysts' copy of days of which something is red.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        red_days()

    @dg.run_failure_sensor(
        name=JOB,
        description="Copies what a red run delivered all the same.",
        request_job=job,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.RunFailureSensorContext) -> Answer:
        run = context.dagster_run
        days = _days_of(run.tags)
        failed = [event.step_key or "" for event in context.get_step_failure_events()]
        if not days or not changed_tables(failed):
            return dg.SkipReason("Nothing was delivered by the run that failed.")
        return dg.RunRequest(
            run_key=run.run_id,
            run_config={"ops": {red_days.name: {"config": {"days": days}}}},
        )

    return job, sensor


def _days_of(tags: Mapping[str, str]) -> list[str]:
    first = tags.get(ASSET_PARTITION_RANGE_START_TAG, tags.get(PARTITION_NAME_TAG))
    if first is None:
        return []
    last = tags.get(ASSET_PARTITION_RANGE_END_TAG, first)
    days = days_between(date.fromisoformat(first), date.fromisoformat(last))
    return [day.isoformat() for day in days]
