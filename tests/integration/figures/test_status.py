"""How a destination stands, asked of delivery tables that were written by hand."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from assets.figures.status import Standing, standing
from assets.ledger.database import Database
from assets.ledger.runs import keep_source_totals
from assets.ledger.tables import data_issue, delivery, export_run
from support.engine import DAY, DEDUPE, NEVER, NOW

OTHER = "2026-11-19"


class Book:
    """Deliveries of `shop`, and what is said of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._count = 0

    def add(self, state: str, **changes: Any) -> None:
        self._count += 1
        name = f"O{self._count}"
        plain = {
            "delivery_id": name,
            "destination": "shop",
            "provider": "fake",
            "conversion_key": name,
            "order_id": name,
            "partition_key": DAY,
            "order_date": date(2026, 11, 20),
            "amount_minor": 1000,
            "currency": "USD",
            "currency_digits": 2,
            "state": state,
            "attempts": 1,
            "row_version": 1,
            "created_at": NOW,
            "updated_at": NOW,
        }
        with self.database.write() as connection:
            connection.execute(insert(delivery), plain | changes)

    def source(self, **orders: int) -> None:
        rows = [
            {
                "currency": currency,
                "currency_digits": 2,
                "orders": count,
                "amount_minor": 1000 * count,
            }
            for currency, count in orders.items()
        ]
        keep_source_totals(self.database, DAY, rows, run_id="run", at=NOW)

    def ran(self, partition: str, outcome: str | None, *, hours_ago: int = 0) -> None:
        self._count += 1
        row = {
            "run_id": f"run-{self._count}",
            "destination": "shop",
            "partition_key": partition,
            "provider": "fake",
            "started_at": NOW - timedelta(hours=hours_ago),
            "ended_at": NOW,
            "outcome": outcome,
        }
        with self.database.write() as connection:
            connection.execute(insert(export_run), row)

    def stands(self, **options: Any) -> Standing:
        plain = {"destination": "shop", "partition_key": DAY, "policy": NEVER}
        return standing(self.database, **(plain | {"now": NOW} | options))

    def never_seen(self) -> dict[str, int]:
        """What the view says of the same day."""
        statement = "select currency, never_seen from v_reconcile where never_seen <> 0"
        with self.database.read() as connection:
            return {row[0]: row[1] for row in connection.exec_driver_sql(statement)}


@pytest.fixture
def book(database: Database) -> Book:
    return Book(database)


def test_eligible_orders_are_the_sum_over_states(book: Book) -> None:
    book.source(USD=3, EUR=1)
    for state in ("accepted", "quarantined", "suppressed"):
        book.add(state)
    book.add("rejected", currency="EUR")
    book.add("accepted", destination="other")
    book.ran(DAY, "complete")
    assert book.stands().lost == book.never_seen() == {}
    assert sum(book.stands().orders.values()) == 4


def test_an_order_without_a_delivery_and_one_too_many_do_not_cancel_out(
    book: Book,
) -> None:
    book.source(USD=2)
    book.add("accepted")
    book.add("accepted", currency="EUR")
    book.ran(DAY, "complete")
    assert book.stands().lost == {"USD": 1, "EUR": -1}
    assert book.never_seen() == {"USD": 1}


def test_an_order_that_the_source_no_longer_has_is_not_missed(book: Book) -> None:
    book.source(USD=1)
    book.add("accepted")
    book.add("suppressed", state_reason="order_gone")
    book.add("accepted")
    gone = {
        "partition_key": DAY,
        "order_id": "O3",
        "code": "order_gone",
        "subject": "shop",
        "destination": "shop",
        "first_seen": NOW,
        "last_seen": NOW,
    }
    with book.database.write() as connection:
        connection.execute(insert(data_issue), gone)
    book.ran(DAY, "complete")
    assert book.stands().lost == book.never_seen() == {}


def test_what_no_run_sends_again_is_counted_by_partition(book: Book) -> None:
    book.add("uncertain")
    book.add("uncertain", partition_key=OTHER)
    book.add("uncertain", partition_key=OTHER, accepted_at=NOW, next_attempt_at=NOW)
    book.add("uncertain", next_attempt_at=NOW)  # sent again by itself
    book.add("uncertain", destination="other")
    book.add("accepted")
    assert book.stands().uncertain == {OTHER: 2, DAY: 1}


@pytest.mark.parametrize("state", ["pending", "sending", "retryable"])
def test_a_partition_with_something_to_send_is_left(book: Book, state: str) -> None:
    book.add(state, partition_key=OTHER)
    book.add("accepted")
    book.ran(OTHER, "complete")
    book.ran(DAY, "complete")
    assert book.stands().left == [OTHER]


def test_a_partition_with_unanswered_orders_is_left_where_a_repeat_is_harmless(
    book: Book,
) -> None:
    book.add("uncertain", next_attempt_at=NOW)
    assert book.stands(policy=DEDUPE).left == [DAY]
    assert book.stands(policy=NEVER).left == []


@pytest.mark.parametrize("outcome", ["stopped_configuration", "crashed"])
def test_a_partition_is_left_until_a_later_run_is_complete(
    book: Book, outcome: str
) -> None:
    book.ran(OTHER, "complete", hours_ago=9)
    book.ran(OTHER, outcome, hours_ago=5)
    assert book.stands().left == [OTHER]
    book.ran(OTHER, "complete", hours_ago=1)
    assert book.stands().left == []


def test_the_oldest_queued_delivery_is_found_whatever_its_day(book: Book) -> None:
    assert book.stands().unsettled_since is None
    book.add("queued", accepted_at=NOW - timedelta(hours=3))
    book.add("queued", accepted_at=NOW - timedelta(hours=80), partition_key=OTHER)
    book.add("settled", accepted_at=NOW - timedelta(hours=99))
    stands = book.stands()
    assert stands.unsettled == 2
    assert stands.unsettled_since == NOW - timedelta(hours=80)


def test_what_is_usual_is_the_share_of_the_seven_partitions_before(book: Book) -> None:
    assert book.stands().usually_suppressed is None
    for day in range(10, 20):
        partition = f"2026-11-{day}"
        book.ran(partition, "complete")
        book.add("suppressed" if day < 14 else "accepted", partition_key=partition)
    book.add("suppressed")
    book.ran(DAY, "complete")
    book.add("suppressed", destination="other", partition_key="2026-11-19")
    assert book.stands().usually_suppressed == 1 / 7
