"""Every instant lies in exactly one partition, also where the clocks change."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import time_machine

from assets.partitions import daily

ODD_DAYS = {
    "America/New_York": (2026, {"2026-03-08": 23, "2026-11-01": 25}),
    "America/Sao_Paulo": (2018, {"2018-02-17": 25, "2018-11-04": 23}),
    "Australia/Lord_Howe": (2026, {"2026-04-05": 24.5, "2026-10-04": 23.5}),
    "Asia/Kolkata": (2026, {}),
}


def window(
    partitions: dg.DailyPartitionsDefinition, key: str
) -> tuple[datetime, datetime]:
    """The window of a day as instants: clocks on the wall do not tell a length."""
    found = partitions.time_window_for_partition_key(key)
    return found.start.astimezone(UTC), found.end.astimezone(UTC)


@pytest.mark.parametrize("zone", ODD_DAYS)
def test_days_join_without_gap_or_overlap(zone: str) -> None:
    year, odd = ODD_DAYS[zone]
    partitions = daily(zone, date(year, 1, 1))
    with time_machine.travel(datetime(year + 1, 1, 2, tzinfo=UTC), tick=False):
        keys = partitions.get_partition_keys()[:365]
    windows = [window(partitions, key) for key in keys]
    assert all(end == start for (_, end), (start, _) in pairwise(windows))
    hours = {
        key: (end - start) / timedelta(hours=1)
        for key, (start, end) in zip(keys, windows, strict=True)
    }
    assert {key: length for key, length in hours.items() if length != 24} == odd


@pytest.mark.parametrize("zone", ODD_DAYS)
def test_an_order_is_of_the_day_that_the_clock_on_the_wall_shows(zone: str) -> None:
    year, odd = ODD_DAYS[zone]
    partitions = daily(zone, date(year, 1, 1))
    days = [date.fromisoformat(key) for key in odd] or [date(year, 6, 1)]
    for day in days:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
        for step in range(0, 54 * 60, 10):
            moment = start + timedelta(minutes=step)
            local = moment.astimezone(ZoneInfo(zone)).date()
            start_of_day, end_of_day = window(partitions, local.isoformat())
            assert start_of_day <= moment < end_of_day


@pytest.mark.parametrize("zone", ODD_DAYS)
def test_a_day_is_no_partition_before_it_is_over(zone: str) -> None:
    """So that no order lies in the future of a run."""
    year, odd = ODD_DAYS[zone]
    partitions = daily(zone, date(year, 1, 1))
    for key in odd or ["2026-06-01"]:
        _, end = window(partitions, key)
        with time_machine.travel(end - timedelta(seconds=1), tick=False):
            assert not partitions.has_partition_key(key)
        with time_machine.travel(end, tick=False):
            assert partitions.get_last_partition_key() == key
