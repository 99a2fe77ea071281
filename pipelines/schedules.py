"""Schedules: when days are exported and finished, and submissions followed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from assets.dagster_internals import PARTITION_NAME_TAG
from assets.deliveries import delivery_key
from assets.published_deliveries import PUBLISHED
from pipelines.jobs import finish_due, follow_submissions, nightly_export

FINISH_INTERVAL = timedelta(minutes=15)
NIGHTLY_INTERVAL = timedelta(hours=25)
"""The longest time between two nightly runs: a day when the clocks change."""

_AT_WORK = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


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


def finish_schedule(
    partitions: dg.DailyPartitionsDefinition,
    find_due: Callable[[], Mapping[str, Sequence[str]]],
    *,
    published: bool,
) -> dg.ScheduleDefinition:
    """Return the schedule that sends on the same day what is due again.

    A provider drops a repeat for a limited time only, and the nightly run may come too
    late. A partition with a run at work is left to that run.

    Args:
        partitions: The daily partitions.
        find_due: Returns partition -> destinations with something to send again now.
        published: Whether the warehouse has a copy of the delivery tables.
    """
    copies = [PUBLISHED] if published else []

    @dg.schedule(
        job=finish_due,
        name="finish_due",
        cron_schedule="*/15 * * * *",
        execution_timezone=partitions.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    def finish(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        at = context.scheduled_execution_time.isoformat()
        for key, destinations in find_due().items():
            if not _is_at_work(context.instance, key):
                yield dg.RunRequest(
                    run_key=f"{at}:{key}",
                    partition_key=key,
                    asset_selection=[*map(delivery_key, destinations), *copies],
                )

    return finish


def _is_at_work(instance: dg.DagsterInstance, partition_key: str) -> bool:
    tags = {PARTITION_NAME_TAG: partition_key}
    runs = dg.RunsFilter(statuses=_AT_WORK, tags=tags)
    return instance.get_runs_count(runs) > 0
