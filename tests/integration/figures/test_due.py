"""What is due again now: by state, time, resend policy and attempts."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from assets.figures.due import SAME_DAY_ATTEMPTS, due_partitions
from assets.ledger.database import Database
from assets.ledger.states import State
from assets.providers.base import ResendPolicy
from support.delivery_rows import DeliveryRows
from support.engine import DAY, NEVER, NOW

DROPS_REPEATS = ResendPolicy(
    kind="dedupe",
    window=timedelta(hours=24),
    settle_delay=timedelta(minutes=45),
    supports_lookup=True,
)
PAST = {"next_attempt_at": NOW - timedelta(minutes=1)}
FUTURE = {"next_attempt_at": NOW + timedelta(minutes=1)}


@pytest.fixture
def rows(database: Database) -> DeliveryRows:
    return DeliveryRows(database)


def due(rows: DeliveryRows, policy: ResendPolicy = DROPS_REPEATS) -> dict[str, Any]:
    return dict(due_partitions(rows.database, {"shop": policy}, NOW))


@pytest.mark.parametrize("state", State)
def test_only_deliveries_that_a_run_sends_again_are_due(
    rows: DeliveryRows, state: State
) -> None:
    rows.add(state, first_sent_at=NOW - timedelta(hours=1), **PAST)
    sent_again = {State.PENDING, State.RETRYABLE, State.UNCERTAIN}
    assert due(rows) == ({DAY: ["shop"]} if state in sent_again else {})


@pytest.mark.parametrize("state", ["pending", "retryable", "uncertain"])
def test_nothing_is_due_before_its_time(rows: DeliveryRows, state: str) -> None:
    rows.add(state, **FUTURE)
    assert due(rows) == {}


def test_what_was_never_tried_is_left_to_the_night(rows: DeliveryRows) -> None:
    rows.add("pending")
    assert due(rows) == {}


def test_a_repeat_that_may_count_twice_is_never_due(rows: DeliveryRows) -> None:
    rows.add("uncertain", **PAST)
    assert due(rows, NEVER) == {}


def test_after_the_dedup_window_the_order_is_looked_up_instead(
    rows: DeliveryRows,
) -> None:
    rows.add("uncertain", first_sent_at=NOW - timedelta(hours=25), **PAST)
    assert due(rows) == {}
    rows.add("uncertain", first_sent_at=NOW - timedelta(hours=23), **PAST)
    assert due(rows) == {DAY: ["shop"]}


def test_what_the_provider_has_accepted_is_never_due(rows: DeliveryRows) -> None:
    rows.add("uncertain", accepted_at=NOW, **PAST)
    assert due(rows) == {}


def test_a_delivery_of_a_killed_run_is_due_when_its_lease_has_ended(
    rows: DeliveryRows,
) -> None:
    rows.add("sending", lease_until=NOW + timedelta(seconds=1))
    assert due(rows) == {}
    rows.add("sending", lease_until=NOW)
    assert due(rows) == {DAY: ["shop"]}


def test_an_outage_of_hours_keeps_attempts_for_the_next_nights(
    rows: DeliveryRows,
) -> None:
    rows.add("retryable", attempts=SAME_DAY_ATTEMPTS, **PAST)
    assert due(rows) == {}
    rows.add("retryable", attempts=SAME_DAY_ATTEMPTS - 1, **PAST)
    assert due(rows) == {DAY: ["shop"]}


def test_each_partition_has_its_own_destinations(rows: DeliveryRows) -> None:
    rows.add("retryable", partition_key="2026-11-19", **PAST)
    rows.add("retryable", partition_key="2026-11-19", destination="other", **PAST)
    rows.add("retryable", partition_key="2026-11-18", destination="other", **PAST)
    rows.add("retryable", partition_key="2026-11-17", destination="removed", **PAST)
    policies = {"shop": DROPS_REPEATS, "other": NEVER}
    assert list(due_partitions(rows.database, policies, NOW).items()) == [
        ("2026-11-18", ["other"]),
        ("2026-11-19", ["other", "shop"]),
    ]


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    statements: list[str] = []

    def record(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    database.ensure_version()
    sa.event.listen(database.engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", record)


@pytest.mark.parametrize("destinations", [0, 1, 5])
def test_nothing_to_do_costs_one_query(rows: DeliveryRows, destinations: int) -> None:
    policies = {f"shop{number}": DROPS_REPEATS for number in range(destinations)}
    with counted(rows.database) as statements:
        assert due_partitions(rows.database, policies, NOW) == {}
    selects = [one for one in statements if one.lower().startswith("select")]
    assert len(selects) == min(destinations, 1)
