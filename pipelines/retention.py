"""The job that deletes the bodies of old requests and replies, and its schedule."""

from datetime import timedelta

import dagster as dg

from assets.ledger.retention import purge_bodies, purge_published_bodies
from assets.ledger.rows import utc_now
from assets.resources import Source


def retention_job(keep_days: int, *, published: bool) -> dg.JobDefinition:
    """Return the job.

    Args:
        keep_days: Age in days up to which bodies are kept.
        published: Whether the warehouse has a copy of the delivery tables.
    """

    @dg.op(
        name="forgotten_bodies",
        description=f"Keeps only hashes of bodies older than {keep_days} days.",
    )
    def delete_bodies(
        context: dg.OpExecutionContext, source: dg.ResourceParam[Source]
    ) -> None:
        before = utc_now() - timedelta(days=keep_days)
        count = purge_bodies(source.database, before)
        if published:
            with source.warehouse.write_engine() as engine:
                purge_published_bodies(engine, before)
        context.log.info("Deleted the bodies of %d requests and replies", count)
        context.add_output_metadata({"attempts": count})

    @dg.job(
        name="retention",
        description="Deletes old request and reply bodies; keeps the outcomes.",
        executor_def=dg.in_process_executor,
    )
    def retention() -> None:
        delete_bodies()

    return retention


def retention_schedule(job: dg.JobDefinition, timezone: str) -> dg.ScheduleDefinition:
    """Return the schedule: Sundays at noon, when no nightly export runs."""
    return dg.ScheduleDefinition(
        name="retention",
        job=job,
        cron_schedule="0 12 * * 0",
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
