"""Schedules: when the days are exported."""

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from pipelines.jobs import follow_submissions, nightly_export


def nightly_schedule(
    partitions: dg.DailyPartitionsDefinition, *, hour: int, lookback_days: int
) -> dg.ScheduleDefinition:
    """Every night: yesterday, and the days before it again for orders that came late.

    What is delivered is not sent again, so that looking again costs no request.

    Args:
        partitions: The daily partitions; their zone is the schedule's.
        hour: Local hour, 0 to 23.
        lookback_days: How many days in all.
    """
    zone = ZoneInfo(partitions.timezone)

    @dg.schedule(
        job=nightly_export,
        name="nightly_export",
        cron_schedule=f"0 {hour} * * *",
        execution_timezone=partitions.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        night = context.scheduled_execution_time.astimezone(zone).date()
        days = [night - timedelta(days=back) for back in range(1, lookback_days + 1)]
        for age, day in enumerate(days):
            key = day.isoformat()
            if partitions.has_partition_key(key):
                yield dg.RunRequest(
                    run_key=f"{night}:{key}",
                    partition_key=key,
                    # Yesterday first: it has the most to send.
                    tags={"dagster/priority": str(-age)},
                )

    return nightly


def hourly_settlement(
    partitions: dg.DailyPartitionsDefinition,
) -> dg.ScheduleDefinition:
    """Every hour: what became of queued deliveries, of whatever day.

    Processing takes longer than the night's run, and calls are limited by the hour.
    The run stands under yesterday.

    Args:
        partitions: The daily partitions; their zone is the schedule's.
    """
    zone = ZoneInfo(partitions.timezone)

    @dg.schedule(
        job=follow_submissions,
        name="follow_submissions",
        cron_schedule="30 * * * *",
        execution_timezone=partitions.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    def hourly(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        at = context.scheduled_execution_time
        key = (at.astimezone(zone).date() - timedelta(days=1)).isoformat()
        if partitions.has_partition_key(key):
            yield dg.RunRequest(run_key=at.isoformat(), partition_key=key)

    return hourly
