"""The views for analysts: delivery tables written by hand, and the expected rows."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete

from assets.ledger.database import Database
from assets.ledger.ledger import Ledger
from assets.ledger.quarantine import Quarantine
from assets.ledger.rows import Total
from assets.ledger.runs import replace_source_totals, start_run
from assets.ledger.states import State
from assets.ledger.tables import delivery
from assets.ledger.totals import totals
from support.delivery_rows import DeliveryRows
from support.engine import DAY, NOW

USD = {"currency": "USD", "currency_digits": 2}
JPY = {"currency": "JPY", "currency_digits": 0}
KWD = {"currency": "KWD", "currency_digits": 3}
UNREADABLE = {"currency": None, "currency_digits": None, "amount_minor": None}


class Tables(DeliveryRows):
    """Delivery tables written by hand, and what the views show of them."""

    def read(self, view: str, *columns: str) -> list[tuple[Any, ...]]:
        statement = f"select {', '.join(columns)} from {view} order by 1, 2"
        with self.database.read() as connection:
            rows = connection.exec_driver_sql(statement).all()
        return [tuple(map(exact, row)) for row in rows]

    def source(self, **orders: tuple[int, int, int]) -> None:
        """Write source totals: digits, orders and money by currency."""
        rows = [
            {
                "currency": "" if currency == "unread" else currency,
                "currency_digits": digits,
                "orders": count,
                "amount_minor": minor,
            }
            for currency, (digits, count, minor) in orders.items()
        ]
        replace_source_totals(self.database, DAY, rows, run_id="run-1", at=NOW)

    def export(self, destination: str = "shop") -> None:
        ledger = Ledger(
            self.database, destination=destination, provider="fake", run_id="run-1"
        )
        start_run(ledger, DAY)


def exact(value: Any) -> Any:
    """Return money as an exact number, whatever type the driver returns."""
    if isinstance(value, float | Decimal):
        return Decimal(str(value)).normalize()
    return value


@pytest.fixture
def tables(database: Database) -> Tables:
    return Tables(database)


def test_v_delivery_daily_counts_orders_by_state(tables: Tables) -> None:
    for state in State:
        tables.add(state)
    columns = (
        *("orders", "delivered", "queued", "staged", "unfinished", "uncertain"),
        *("refused", "suppressed", "quarantined", "delivered_pct"),
        *("amount", "amount_delivered"),
    )
    (row,) = tables.read("v_delivery_daily", *columns)
    assert row[:9] == (13, 3, 1, 1, 3, 1, 2, 1, 1)
    assert sum(row[1:9]) == row[0]
    assert row[9:] == (Decimal("27.27"), 130, 30)


def test_money_keeps_every_digit_of_its_currency(tables: Tables) -> None:
    tables.add("accepted", 1999)
    tables.add("rejected", 1)
    tables.add("accepted", 1999, **JPY)
    tables.add("accepted", 1999, **KWD)
    tables.add("accepted", 2**40 + 1, currency="EUR")
    tables.add("quarantined", **UNREADABLE)
    money = tables.read("v_delivery_daily", "currency", "amount", "amount_delivered")
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


def test_a_day_without_eligible_orders_has_no_delivered_share(tables: Tables) -> None:
    tables.add("suppressed")
    assert tables.read("v_delivery_daily", "orders", "delivered_pct") == [(1, None)]


RECONCILED = (
    *("currency", "destination", "orders", "never_seen", "delivered", "uncertain"),
    *("unfinished", "money_never_seen", "money_not_delivered"),
)


def test_v_reconcile_agrees_where_every_order_has_a_delivery(tables: Tables) -> None:
    tables.add("accepted", 1050)
    tables.add("uncertain", 500)
    tables.add("retryable", 25)
    tables.add("settled", 333, **JPY)
    tables.add("pending", 1001, **KWD)
    tables.add("quarantined", **UNREADABLE)
    tables.source(USD=(2, 3, 1575), JPY=(0, 1, 333), KWD=(3, 1, 1001), unread=(2, 1, 0))
    tables.export()
    assert tables.read("v_reconcile", *RECONCILED) == [
        ("", "shop", 1, 0, 0, 0, 0, 0, 0),
        ("JPY", "shop", 1, 0, 1, 0, 0, 0, 0),
        ("KWD", "shop", 1, 0, 0, 0, 1, 0, Decimal("1.001")),
        ("USD", "shop", 3, 0, 1, 1, 1, 0, Decimal("5.25")),
    ]


def test_v_reconcile_shows_a_missing_delivery_with_its_money(tables: Tables) -> None:
    kept, lost = tables.add("accepted", 1050), tables.add("accepted", 2**33 + 1)
    tables.source(USD=(2, 2, 1050 + 2**33 + 1))
    tables.export()
    assert tables.read("v_reconcile", "orders", "never_seen") == [(2, 0)]
    with tables.database.write() as connection:
        connection.execute(delete(delivery).where(delivery.c.order_id == lost))
    assert tables.read("v_reconcile", "never_seen", "money_never_seen") == [
        (1, Decimal("85899345.93"))
    ]
    assert kept != lost


def test_v_reconcile_compares_each_exported_destination(tables: Tables) -> None:
    tables.add("accepted")
    tables.add("accepted", destination="another")
    tables.source(USD=(2, 1, 1000))
    for destination in ("shop", "another", "idle"):
        tables.export(destination)
    assert tables.read("v_reconcile", "destination", "never_seen") == [
        ("another", 0),
        ("idle", 1),
        ("shop", 0),
    ]


def test_new_source_totals_replace_earlier_ones(tables: Tables) -> None:
    tables.export()
    tables.source(USD=(2, 5, 5000), JPY=(0, 1, 1))
    tables.source(USD=(2, 4, 4000))
    assert tables.read("v_reconcile", "currency", "orders") == [("USD", 4)]


def test_v_top_reasons_counts_orders_and_money(tables: Tables) -> None:
    tables.add("rejected", 150, state_reason="http_400")
    tables.add("rejected", 50, state_reason="http_400")
    tables.add("suppressed", 5, state_reason="no_click_id", **KWD)
    tables.add("exhausted", None)
    tables.add("accepted", state_reason="own")
    columns = ("state", "reason", "currency", "orders", "amount")
    assert tables.read("v_top_reasons", *columns) == [
        ("exhausted", "?", "USD", 1, None),
        ("rejected", "http_400", "USD", 2, 2),
        ("suppressed", "no_click_id", "KWD", 1, Decimal("0.005")),
    ]


def test_v_needs_human_shows_deliveries_that_no_run_finishes(tables: Tables) -> None:
    waiting = {
        tables.add("uncertain", 1),
        tables.add("exhausted", 2),
        tables.add("uncertain", 3, next_attempt_at=NOW, accepted_at=NOW),
        tables.add("duplicate", 4, state_reason="foreign"),
        tables.add("queued", 5, state_reason="queued_without_ref"),
    }
    tables.add("uncertain", next_attempt_at=NOW)
    for state in set(State) - {State.UNCERTAIN, State.EXHAUSTED}:
        tables.add(state, state_reason="own")
    rows = tables.read("v_needs_human", "order_id", "amount")
    assert {order_id for order_id, _ in rows} == waiting
    assert sum(amount for _, amount in rows) == Decimal("0.15")


def mark_missing(tables: Tables, order_id: str, partition_key: str = DAY) -> None:
    issue = {
        "order_id": order_id,
        "code": "order_gone",
        "subject": "shop",
        "destination": "shop",
    }
    Quarantine(tables.database, partition_key, NOW).add_issues([issue])


def test_v_needs_reversal_lists_reported_orders_missing_from_the_source(
    tables: Tables,
) -> None:
    for order_id in (
        tables.add("accepted", 1234),
        tables.add("settled", 1500, **JPY),
        tables.add("queued", 1500, **KWD),
        tables.add("rejected"),
    ):
        mark_missing(tables, order_id)
    tables.add("accepted")
    mark_missing(tables, tables.add("accepted"), partition_key="2026-11-19")
    assert tables.read("v_needs_reversal", "order_id", "amount", "state") == [
        ("O1", Decimal("12.34"), "accepted"),
        ("O2", Decimal(1500), "settled"),
        ("O3", Decimal("1.5"), "queued"),
    ]


def test_v_reconcile_ignores_orders_missing_from_the_source(tables: Tables) -> None:
    tables.add("accepted")
    mark_missing(tables, tables.add("accepted"))
    tables.source(USD=(2, 1, 1000))
    tables.export()
    columns = ("orders", "never_seen", "delivered", "money_never_seen")
    assert tables.read("v_reconcile", *columns) == [(1, 0, 1, 0)]


def test_totals_are_exact_and_in_minor_units(tables: Tables) -> None:
    tables.add("accepted", 2**53 + 1)
    tables.add("accepted", 2)
    tables.add("pending", 7, **KWD)
    tables.add("quarantined", **UNREADABLE)
    tables.add("accepted", 5, partition_key="2026-11-21")
    found = totals(tables.database, destination="shop", first=DAY, last=DAY)

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
