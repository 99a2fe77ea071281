"""Every night the days that may have late orders are exported, yesterday first."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import time_machine

from assets.partitions import daily
from pipelines.schedules import hourly_settlement, nightly_schedule

NEW_YORK = ZoneInfo("America/New_York")
AUTUMN = date(2026, 11, 1)
SPRING = date(2026, 3, 8)
"""Days on which the clocks of New York change."""


def runs(
    at: datetime, *, days: int = 3, start: date = date(2026, 1, 1), hour: int = 3
) -> Sequence[dg.RunRequest]:
    """What the schedule asks for at a tick."""
    partitions = daily("America/New_York", start)
    schedule = nightly_schedule(partitions, hour=hour, lookback_days=days)
    with (
        time_machine.travel(at + timedelta(seconds=1), tick=False),
        dg.build_schedule_context(scheduled_execution_time=at) as context,
    ):
        return list(cast("Iterator[dg.RunRequest]", schedule(context)))


def days_of(requests: Sequence[dg.RunRequest]) -> list[str | None]:
    return [one.partition_key for one in requests]


def test_yesterday_and_the_days_before_it_are_exported() -> None:
    asked = runs(datetime(2026, 6, 10, 3, tzinfo=NEW_YORK))
    assert days_of(asked) == ["2026-06-09", "2026-06-08", "2026-06-07"]


def test_yesterday_goes_first() -> None:
    asked = runs(datetime(2026, 6, 10, 3, tzinfo=NEW_YORK))
    assert [one.tags["dagster/priority"] for one in asked] == ["0", "-1", "-2"]


def test_each_night_asks_for_each_day_once() -> None:
    first = runs(datetime(2026, 6, 10, 3, tzinfo=NEW_YORK))
    again = runs(datetime(2026, 6, 10, 3, tzinfo=NEW_YORK))
    next_night = runs(datetime(2026, 6, 11, 3, tzinfo=NEW_YORK))
    keys = [one.run_key for one in first]
    assert keys == [one.run_key for one in again]
    assert keys[0] == "2026-06-10:2026-06-09"
    assert not set(keys) & {one.run_key for one in next_night}


def test_no_day_before_the_start_is_asked_for() -> None:
    start = date(2026, 6, 8)
    third_day = datetime(2026, 6, 10, 3, tzinfo=NEW_YORK)
    assert days_of(runs(third_day, days=7, start=start)) == ["2026-06-09", "2026-06-08"]
    assert runs(datetime(2026, 6, 8, 3, tzinfo=NEW_YORK), start=start) == []


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
@pytest.mark.parametrize("hour", [0, 1, 2, 3, 23])
def test_no_day_is_missed_or_repeated_where_the_clocks_change(
    change: date, hour: int
) -> None:
    for nights in (-1, 0, 1, 2):
        night = change + timedelta(days=nights)
        at = datetime(night.year, night.month, night.day, hour, tzinfo=NEW_YORK)
        real = at.astimezone(UTC).astimezone(NEW_YORK)
        days = [night - timedelta(days=back) for back in (1, 2, 3)]
        assert days_of(runs(real, hour=hour)) == [day.isoformat() for day in days]


def test_a_tick_is_read_in_the_zone_of_the_partitions() -> None:
    late = datetime(2026, 6, 10, 23, tzinfo=NEW_YORK)
    assert late.astimezone(UTC).date() == date(2026, 6, 11)
    assert runs(late.astimezone(UTC), hour=23) == runs(late, hour=23)


@pytest.mark.parametrize(
    ("change", "hours"), [(SPRING, 23), (AUTUMN, 25), (date(2026, 6, 9), 24)]
)
def test_a_partition_is_a_day_of_its_zone(change: date, hours: int) -> None:
    partitions = daily("America/New_York", date(2026, 1, 1))
    window = partitions.time_window_for_partition_key(change.isoformat())
    start, end = window.start.astimezone(UTC), window.end.astimezone(UTC)
    assert start == datetime(change.year, change.month, change.day, tzinfo=NEW_YORK)
    assert end - start == timedelta(hours=hours)


def test_the_schedule_is_off_until_a_person_turns_it_on() -> None:
    partitions = daily("America/New_York", date(2026, 1, 1))
    schedule = nightly_schedule(partitions, hour=4, lookback_days=3)
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.cron_schedule == "0 4 * * *"
    assert schedule.execution_timezone == "America/New_York"


def hourly(at: datetime, start: date = date(2026, 1, 1)) -> Sequence[dg.RunRequest]:
    """What the hourly schedule asks for at a tick."""
    schedule = hourly_settlement(daily("America/New_York", start))
    with (
        time_machine.travel(at + timedelta(seconds=1), tick=False),
        dg.build_schedule_context(scheduled_execution_time=at) as context,
    ):
        return list(cast("Iterator[dg.RunRequest]", schedule(context)))


def test_every_hour_submissions_are_followed_under_yesterday() -> None:
    first = hourly(datetime(2026, 6, 10, 0, 30, tzinfo=NEW_YORK))
    second = hourly(datetime(2026, 6, 10, 23, 30, tzinfo=NEW_YORK))
    assert days_of(first) == days_of(second) == ["2026-06-09"]
    assert first[0].run_key != second[0].run_key
    start = date(2026, 6, 10)
    assert hourly(datetime(2026, 6, 10, 0, 30, tzinfo=NEW_YORK), start) == []


def test_the_hour_that_comes_twice_is_followed_twice() -> None:
    at = datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK)
    keys = {hourly(one)[0].run_key for one in (at, at.replace(fold=1))}
    assert len(keys) == 2
