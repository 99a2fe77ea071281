"""The job that forgets old requests and replies, and when it runs."""

from datetime import timedelta

import dagster as dg

from assets.ledger.retention import purge_bodies, purge_published_bodies
from assets.ledger.rows import utc_now
from assets.resources import Source


def retention_job(keep_days: int, *, published: bool) -> dg.JobDefinition:
    """Make the job.

    Args:
        keep_days: Bodies younger than so many days stay.
        published: The warehouse has a copy of the delivery tables.
    """

    @dg.op(description=f"After {keep_days} days only hashes stay of what was said.")
    def forgotten_bodies(
        context: dg.OpExecutionContext, source: dg.ResourceParam[Source]
    ) -> None:
        before = utc_now() - timedelta(days=keep_days)
        count = purge_bodies(source.database, before)
        if published:
            with source.warehouse.writing() as engine:
                purge_published_bodies(engine, before)
        context.log.info("%d requests and replies forgotten", count)
        context.add_output_metadata({"attempts": count})

    @dg.job(
        name="retention",
        description="Forgets old requests and replies; keeps what came of them.",
        executor_def=dg.in_process_executor,
    )
    def retention() -> None:
        forgotten_bodies()

    return retention


def retention_schedule(job: dg.JobDefinition, timezone: str) -> dg.ScheduleDefinition:
    """Every Sunday at noon, when no night is being exported."""
    return dg.ScheduleDefinition(
        name="retention",
        job=job,
        cron_schedule="0 12 * * 0",
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
