"""Schedules: when days are exported and queued deliveries are followed."""

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from pipelines.jobs import follow_submissions, nightly_export


def nightly_schedule(
    partitions: dg.DailyPartitionsDefinition, *, hour: int, lookback_days: int
) -> dg.ScheduleDefinition:
    """Return the schedule that exports yesterday, and earlier days for late orders.

    Delivered orders are not sent again, so that an earlier day costs no request.

    Args:
        partitions: The daily partitions; the schedule runs in their time zone.
        hour: Local hour, 0 to 23.
        lookback_days: Number of days to export, yesterday included.
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
                    # Yesterday has the most to send.
                    tags={"dagster/priority": str(-age)},
                )

    return nightly


def hourly_settlement(
    partitions: dg.DailyPartitionsDefinition,
) -> dg.ScheduleDefinition:
    """Return the schedule that follows the queued deliveries of all days every hour.

    The provider processes them after the nightly run has ended, and limits the requests
    per hour. The run has the partition of yesterday.

    Args:
        partitions: The daily partitions; the schedule runs in their time zone.
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
