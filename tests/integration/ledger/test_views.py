"""What analysts read: small ledgers written by hand, and the rows they must give."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete, insert

from assets.ledger.database import Database
from assets.ledger.ledger import Ledger
from assets.ledger.quarantine import Quarantine
from assets.ledger.rows import Total
from assets.ledger.runs import keep_source_totals, start_run
from assets.ledger.states import State
from assets.ledger.tables import delivery
from assets.ledger.totals import totals
from support.engine import DAY, NOW

USD = {"currency": "USD", "currency_digits": 2}
JPY = {"currency": "JPY", "currency_digits": 0}
KWD = {"currency": "KWD", "currency_digits": 3}
UNREAD = {"currency": None, "currency_digits": None, "amount_minor": None}


class Book:
    """Deliveries written by hand, and what the views say of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._count = 0

    def add(self, state: str, minor: int | None = 1000, **changes: Any) -> str:
        self._count += 1
        order_id = f"O{self._count}"
        plain = {
            "delivery_id": order_id,
            "destination": "shop",
            "provider": "fake",
            "conversion_key": order_id,
            "order_id": order_id,
            "partition_key": DAY,
            "order_date": date(2026, 11, 20),
            "amount_minor": minor,
            "state": state,
            "attempts": 1,
            "row_version": 1,
            "created_at": NOW,
            "updated_at": NOW,
        }
        with self.database.write() as connection:
            connection.execute(insert(delivery), plain | USD | changes)
        return order_id

    def read(self, view: str, *columns: str) -> list[tuple[Any, ...]]:
        statement = f"select {', '.join(columns)} from {view} order by 1, 2"
        with self.database.read() as connection:
            rows = connection.exec_driver_sql(statement).all()
        return [tuple(map(exact, row)) for row in rows]

    def source(self, **orders: tuple[int, int, int]) -> None:
        """Say what the source held: digits, orders and money by currency."""
        rows = [
            {
                "currency": "" if currency == "unread" else currency,
                "currency_digits": digits,
                "orders": count,
                "amount_minor": minor,
            }
            for currency, (digits, count, minor) in orders.items()
        ]
        keep_source_totals(self.database, DAY, rows, run_id="run-1", at=NOW)

    def export(self, destination: str = "shop") -> None:
        ledger = Ledger(
            self.database, destination=destination, provider="fake", run_id="run-1"
        )
        start_run(ledger, DAY)


def exact(value: Any) -> Any:
    """Money as it is written, whatever the driver gives."""
    if isinstance(value, float | Decimal):
        return Decimal(str(value)).normalize()
    return value


@pytest.fixture
def book(database: Database) -> Book:
    return Book(database)


def test_each_day_is_counted_by_state(book: Book) -> None:
    for state in State:
        book.add(state)
    columns = (
        *("orders", "delivered", "queued", "staged", "unfinished", "uncertain"),
        *("refused", "suppressed", "quarantined", "delivered_pct"),
        *("amount", "amount_delivered"),
    )
    (row,) = book.read("v_delivery_daily", *columns)
    assert row[:9] == (13, 3, 1, 1, 3, 1, 2, 1, 1)
    assert sum(row[1:9]) == row[0]
    assert row[9:] == (Decimal("27.27"), 130, 30)


def test_money_is_shown_to_the_last_digit_of_its_currency(book: Book) -> None:
    book.add("accepted", 1999)
    book.add("rejected", 1)
    book.add("accepted", 1999, **JPY)
    book.add("accepted", 1999, **KWD)
    book.add("accepted", 2**40 + 1, currency="EUR")
    book.add("quarantined", **UNREAD)
    money = book.read("v_delivery_daily", "currency", "amount", "amount_delivered")
    assert sorted(money, key=str) == sorted(
        [
            ("EUR", Decimal("10995116277.77"), Decimal("10995116277.77")),
            ("JPY", 1999, 1999),
            ("KWD", Decimal("1.999"), Decimal("1.999")),
            ("USD", 20, Decimal("19.99")),
            (None, None, 0),
        ],
        key=str,
    )


def test_a_day_of_held_back_orders_has_no_share(book: Book) -> None:
    book.add("suppressed")
    assert book.read("v_delivery_daily", "orders", "delivered_pct") == [(1, None)]


RECONCILED = (
    *("currency", "destination", "orders", "never_seen", "delivered", "uncertain"),
    *("unfinished", "money_never_seen", "money_not_delivered"),
)


def test_source_and_deliveries_agree(book: Book) -> None:
    book.add("accepted", 1050)
    book.add("uncertain", 500)
    book.add("retryable", 25)
    book.add("settled", 333, **JPY)
    book.add("pending", 1001, **KWD)
    book.add("quarantined", **UNREAD)
    book.source(USD=(2, 3, 1575), JPY=(0, 1, 333), KWD=(3, 1, 1001), unread=(2, 1, 0))
    book.export()
    assert book.read("v_reconcile", *RECONCILED) == [
        ("", "shop", 1, 0, 0, 0, 0, 0, 0),
        ("JPY", "shop", 1, 0, 1, 0, 0, 0, 0),
        ("KWD", "shop", 1, 0, 0, 0, 1, 0, Decimal("1.001")),
        ("USD", "shop", 3, 0, 1, 1, 1, 0, Decimal("5.25")),
    ]


def test_a_missing_delivery_is_seen_with_its_money(book: Book) -> None:
    kept, lost = book.add("accepted", 1050), book.add("accepted", 2**33 + 1)
    book.source(USD=(2, 2, 1050 + 2**33 + 1))
    book.export()
    assert book.read("v_reconcile", "orders", "never_seen") == [(2, 0)]
    with book.database.write() as connection:
        connection.execute(delete(delivery).where(delivery.c.order_id == lost))
    assert book.read("v_reconcile", "never_seen", "money_never_seen") == [
        (1, Decimal("85899345.93"))
    ]
    assert kept != lost


def test_each_exported_destination_is_held_against_the_source(book: Book) -> None:
    book.add("accepted")
    book.add("accepted", destination="another")
    book.source(USD=(2, 1, 1000))
    for destination in ("shop", "another", "idle"):
        book.export(destination)
    assert book.read("v_reconcile", "destination", "never_seen") == [
        ("another", 0),
        ("idle", 1),
        ("shop", 0),
    ]


def test_counting_the_source_again_replaces_the_count(book: Book) -> None:
    book.export()
    book.source(USD=(2, 5, 5000), JPY=(0, 1, 1))
    book.source(USD=(2, 4, 4000))
    assert book.read("v_reconcile", "currency", "orders") == [("USD", 4)]


def test_reasons_are_counted_with_their_money(book: Book) -> None:
    book.add("rejected", 150, state_reason="http_400")
    book.add("rejected", 50, state_reason="http_400")
    book.add("suppressed", 5, state_reason="no_click_id", **KWD)
    book.add("exhausted", None)
    book.add("accepted", state_reason="own")
    columns = ("state", "reason", "currency", "orders", "amount")
    assert book.read("v_top_reasons", *columns) == [
        ("exhausted", "?", "USD", 1, None),
        ("rejected", "http_400", "USD", 2, 2),
        ("suppressed", "no_click_id", "KWD", 1, Decimal("0.005")),
    ]


def test_a_person_is_shown_what_no_run_finishes(book: Book) -> None:
    waiting = {
        book.add("uncertain", 1),
        book.add("exhausted", 2),
        book.add("uncertain", 3, next_attempt_at=NOW, accepted_at=NOW),
        book.add("duplicate", 4, state_reason="foreign"),
        book.add("queued", 5, state_reason="queued_without_ref"),
    }
    book.add("uncertain", next_attempt_at=NOW)
    for state in set(State) - {State.UNCERTAIN, State.EXHAUSTED}:
        book.add(state, state_reason="own")
    rows = book.read("v_needs_human", "order_id", "amount")
    assert {order_id for order_id, _ in rows} == waiting
    assert sum(amount for _, amount in rows) == Decimal("0.15")


def gone(book: Book, order_id: str, partition_key: str = DAY) -> None:
    issue = {
        "order_id": order_id,
        "code": "order_gone",
        "subject": "shop",
        "destination": "shop",
    }
    Quarantine(book.database, partition_key, NOW).doubt([issue])


def test_what_was_reported_and_is_gone_is_listed_with_its_money(book: Book) -> None:
    for order_id in (
        book.add("accepted", 1234),
        book.add("settled", 1500, **JPY),
        book.add("queued", 1500, **KWD),
        book.add("rejected"),
    ):
        gone(book, order_id)
    book.add("accepted")
    gone(book, book.add("accepted"), partition_key="2026-11-19")
    assert book.read("v_needs_reversal", "order_id", "amount", "state") == [
        ("O1", Decimal("12.34"), "accepted"),
        ("O2", Decimal(1500), "settled"),
        ("O3", Decimal("1.5"), "queued"),
    ]


def test_what_is_gone_is_not_missing_in_the_reconciliation(book: Book) -> None:
    book.add("accepted")
    gone(book, book.add("accepted"))
    book.source(USD=(2, 1, 1000))
    book.export()
    columns = ("orders", "never_seen", "delivered", "money_never_seen")
    assert book.read("v_reconcile", *columns) == [(1, 0, 1, 0)]


def test_totals_are_exact_and_in_minor_units(book: Book) -> None:
    book.add("accepted", 2**53 + 1)
    book.add("accepted", 2)
    book.add("pending", 7, **KWD)
    book.add("quarantined", **UNREAD)
    book.add("accepted", 5, partition_key="2026-11-21")
    found = totals(book.database, destination="shop", first=DAY, last=DAY)

    def total(state: State, orders: int, minor: int, **money: Any) -> Total:
        return Total(
            destination="shop",
            partition_key=DAY,
            state=state,
            orders=orders,
            amount_minor=minor,
            **money,
        )

    unread = {"currency": None, "currency_digits": None}
    assert sorted(found, key=lambda one: one.state) == [
        total(State.ACCEPTED, 2, 2**53 + 3, **USD),
        total(State.PENDING, 1, 7, **KWD),
        total(State.QUARANTINED, 1, 0, **unread),
    ]
