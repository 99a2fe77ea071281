"""A day of orders lies in its window, from the start on and before the end."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from assets.source.guards import GuardError
from assets.source.window import WindowGuard
from assets.validation.rejects import Reject

START = datetime(2026, 1, 2, 5, tzinfo=UTC)
END = START + timedelta(days=1)
INSTANT = timedelta(microseconds=1)


def rows(*instants: datetime) -> pa.Table:
    return pa.table({"completed_at": pa.array(instants, pa.timestamp("us", tz="UTC"))})


def reject(at: datetime | None) -> Reject:
    return Reject(
        partition_key="2026-01-02",
        dataset="completed_orders",
        row_no=1,
        source_row_hash="0",
        order_id="O1",
        reasons=("unknown_currency",),
        row_redacted={},
        order_at=at,
    )


def test_the_first_and_the_last_instant_of_the_window_are_in_it() -> None:
    guard = WindowGuard("2026-01-02", (START, END))
    guard.check()
    guard.add_good(rows(START, END - INSTANT))
    guard.add_good(rows())
    guard.add_rejects([reject(START), reject(END - INSTANT), reject(None)])
    guard.check()


def test_rows_outside_the_window_refuse_the_day() -> None:
    guard = WindowGuard("2026-01-02", (START, END))
    guard.add_good(rows(START, START - INSTANT, END))
    guard.add_good(rows(START))
    guard.add_rejects([reject(END + timedelta(days=2)), reject(None), reject(START)])
    with pytest.raises(GuardError) as refused:
        guard.check()
    assert str(refused.value) == (
        "Extracting was refused for 2026-01-02: expected orders whose completed_at is "
        "in [2026-01-02T05:00:00+00:00, 2026-01-03T05:00:00+00:00), got 3 of 7 "
        "outside, from 2026-01-02T04:59:59.999999+00:00 to "
        "2026-01-05T05:00:00+00:00. Nothing was staged or sent. Bound `completed_at` "
        "by `:window_start` and `:window_end` in completed_orders.sql, then run the "
        "day again. --override does not apply."
    )


def test_refused_rows_alone_refuse_the_day() -> None:
    guard = WindowGuard("2026-01-02", (START, END))
    guard.add_rejects([reject(END)])
    with pytest.raises(GuardError, match="got 1 of 1 outside"):
        guard.check()
