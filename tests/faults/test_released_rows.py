"""Bad rows from the warehouse are quarantined, and released when they are corrected.

On SQLite and on PostgreSQL: a bad row is stored with its reasons, and the good rows are
sent. After the correction, the next run sends what was quarantined and nothing else.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from assets.ledger.tables import delivery_attempt, quarantine_row
from assets.source.warehouse import Warehouse
from support.engine import NEVER
from support.shop import DAY, START, Shop

if TYPE_CHECKING:
    from pathlib import Path

    from assets.providers.base import ResendPolicy
    from support.harness import Harness

LONG = {"postgresql"}
CHUNK_ROWS = 2


class SmallShop(Shop):
    """A shop whose rows are read in chunks of two."""

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.url, extract_dir=self.statements, chunk_rows=CHUNK_ROWS)

    def quarantined(self) -> list[dict[str, Any]]:
        return self.harness.rows(quarantine_row)

    def attempts(self) -> dict[str, int]:
        """Order -> how often it was sent."""
        orders = {row["delivery_id"]: row["order_id"] for row in self.harness.rows()}
        sent = [row["delivery_id"] for row in self.harness.attempts("intent")]
        return {order: sent.count(known) for known, order in orders.items()}


@pytest.fixture
def policy() -> ResendPolicy:
    return NEVER


@pytest.fixture
def shop(db_harness: Harness, tmp_path: Path) -> SmallShop:
    db_harness.clock.now = START + DAY
    made = SmallShop(tmp_path, f"duckdb:///{tmp_path}/warehouse.db", db_harness)
    made.create()
    return made


def where(table: str, change: str, condition: str = "order_id = 'O2'") -> str:
    return f"update {table} set {change} where {condition}"


ORDERS, ITEMS = "completed_orders", "order_items"
SPOILT: dict[str, tuple[list[str], list[str], str]] = {
    "an unknown currency": (
        [where(ORDERS, "currency = 'ZZZ'")],
        [where(ORDERS, "currency = 'USD'")],
        "unknown_currency",
    ),
    "no order id": (
        [where(ORDERS, "order_id = null")],
        [where(ORDERS, "order_id = 'O2'", "order_id is null")],
        "missing_order_id",
    ),
    "a total of something else": (
        [where(ORDERS, "total = 11")],
        [where(ORDERS, "total = 10")],
        "total_mismatch",
    ),
    "a negative quantity": (
        [where(ITEMS, "quantity = -1")],
        [where(ITEMS, "quantity = 1")],
        "negative_amount",
    ),
    "a subtotal of something else": (
        [where(ITEMS, "quantity = 2")],
        [where(ITEMS, "quantity = 1")],
        "subtotal_mismatch",
    ),
    "lines of something else": (
        [where(ITEMS, "subtotal = 9, unit_price = 9")],
        [where(ITEMS, "subtotal = 10, unit_price = 10")],
        "money_mismatch",
    ),
    "no line": (
        [where(ITEMS, "order_id = 'O9'")],
        [where(ITEMS, "order_id = 'O2'", "order_id = 'O9'")],
        "no_items",
    ),
    "a second row that differs": (
        [
            f"insert into {ORDERS} select * replace ('Z' as promo_code) "
            f"from {ORDERS} where order_id = 'O2'"
        ],
        [f"delete from {ORDERS} where promo_code = 'Z'"],
        "conflicting_rows",
    ),
    "a second line of the same number": (
        [f"insert into {ITEMS} select * from {ITEMS} where order_id = 'O2'"],
        [
            f"delete from {ITEMS} where order_id = 'O2'",
            f"insert into {ITEMS} select * replace ('O2' as order_id) from {ITEMS} "
            "where order_id = 'O1'",
        ],
        "conflicting_items",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize(("spoil", "mend", "reason"), SPOILT.values(), ids=SPOILT)
def test_a_corrected_row_is_released_and_nothing_else_changes(
    shop: SmallShop, spoil: list[str], mend: list[str], reason: str
) -> None:
    for order_id in ("O1", "O2", "O3"):
        shop.order(order_id)
    for statement in spoil:
        shop.execute(statement)
    shop.run()
    assert shop.attempts() == {
        order_id: 0 if order_id not in {"O1", "O3"} else 1
        for order_id in shop.harness.states()
    }
    assert list(shop.quarantined_orders().values()) == [reason]
    before = {row["order_id"]: row for row in shop.harness.rows()}
    attempts = shop.harness.rows(delivery_attempt)

    assert shop.run().requests == 0
    assert {row["order_id"]: row for row in shop.harness.rows()} == before
    assert [row["resolved_at"] for row in shop.quarantined()] == [None] * len(
        shop.quarantined()
    )

    for statement in mend:
        shop.execute(statement)
    assert shop.run().requests == 1
    assert shop.harness.states() == dict.fromkeys(("O1", "O2", "O3"), "accepted")
    assert shop.attempts() == dict.fromkeys(("O1", "O2", "O3"), 1)
    after = {row["order_id"]: row for row in shop.harness.rows()}
    assert (after["O1"], after["O3"]) == (before["O1"], before["O3"])
    kept = [row for row in shop.harness.rows(delivery_attempt) if row in attempts]
    assert kept == attempts
    rows = shop.quarantined()
    assert rows
    a_run = timedelta(seconds=1)
    assert all(row["resolved_at"] == row["last_seen"] + a_run for row in rows)
    shop.harness.worth = dict.fromkeys(("O1", "O2", "O3"))
    shop.check(dict.fromkeys(("O1", "O2", "O3"), (1000, "USD")))


def test_a_bad_row_is_kept_with_what_was_expected_and_what_is_there(
    shop: SmallShop,
) -> None:
    shop.order("O1", currency="ZZZ", total=11, visitor_id="me@example.org")
    shop.order("O2")
    shop.execute(where(ITEMS, "quantity = 3"))
    shop.run()
    (order, joined) = sorted(shop.quarantined(), key=lambda row: row["order_id"])
    assert (order["dataset"], order["row_no"]) == ("completed_orders", 1)
    assert len(order["source_row_hash"]) == 64
    assert order["reasons"] == ["pii_as_id", "total_mismatch", "unknown_currency"]
    shown = order["row_redacted"]
    assert shown["currency"] == {
        "expected": "an ISO 4217 code with a minor unit",
        "actual": "ZZZ",
    }
    assert shown["total"] == {
        "expected": "total = revenue + shipping + tax",
        "actual": "11.000000",
    }
    assert "characters: " in shown["visitor_id"]["actual"]
    assert (joined["dataset"], joined["reasons"]) == (
        "conversions",
        ["subtotal_mismatch"],
    )
    assert joined["row_redacted"]["items.quantity"] == {
        "expected": (
            "subtotal = quantity x unit_price, rounded to the decimals of the currency"
        ),
        "actual": "line 1: 3",
    }


def test_rows_of_an_order_that_are_the_same_are_one_order(shop: SmallShop) -> None:
    for order_id in ("O1", "O2", "O3"):
        shop.order(order_id)
    shop.execute(f"insert into {ORDERS} select * from {ORDERS} where order_id = 'O1'")
    shop.run()
    assert shop.attempts() == dict.fromkeys(("O1", "O2", "O3"), 1)
    assert shop.quarantined() == []
    shop.check(dict.fromkeys(("O1", "O2", "O3"), (1000, "USD")))


@pytest.mark.long
def test_bad_rows_that_are_the_same_are_one_bad_order(shop: SmallShop) -> None:
    shop.order("O1", currency="ZZZ")
    shop.order("O2")
    for table in (ORDERS, ITEMS):
        copy = f"insert into {table} select * from {table}"
        shop.execute(f"{copy} where order_id = 'O1'")
    shop.run()
    assert shop.quarantined_orders() == {"O1": "unknown_currency"}
    (row,) = shop.quarantined()
    assert (row["order_id"], row["amount_minor"]) == ("O1", None)
    shop.execute("delete from completed_orders where order_id = 'O1'")
    shop.execute("delete from order_items where order_id = 'O1'")
    assert shop.run().requests == 0
    assert [one["resolved_at"] is None for one in shop.quarantined()] == [False]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("between", [0, 1, 2, 5])
def test_rows_of_an_order_that_differ_are_all_quarantined(
    shop: SmallShop, between: int
) -> None:
    """Whether they come in one chunk or far apart, and whichever comes first."""
    shop.order("O1", promo_code="A")
    for number in range(between):
        shop.order(f"P{number}")
    shop.execute(
        f"insert into {ORDERS} select * replace ('B' as promo_code) "
        f"from {ORDERS} where order_id = 'O1'"
    )
    shop.run()
    assert shop.quarantined_orders() == {"O1": "conflicting_rows"}
    assert shop.attempts()["O1"] == 0
    (row,) = shop.quarantined()
    assert row["row_redacted"] == {
        "promo_code": {
            "expected": "the same in all rows of the order",
            "actual": "1 character: letters | 1 character: letters",
        }
    }
    good = {f"P{number}": (1000, "USD") for number in range(between)}
    shop.check(good | {"O1": (1000, "USD")})


def test_a_row_that_is_refused_takes_its_twin_with_it(shop: SmallShop) -> None:
    shop.order("O1")
    shop.execute(
        f"insert into {ORDERS} select * replace ('ZZZ' as currency) "
        f"from {ORDERS} where order_id = 'O1'"
    )
    shop.run()
    assert shop.quarantined_orders() == {"O1": "unknown_currency"}
    reasons = {row["dataset"]: row["reasons"] for row in shop.quarantined()}
    assert reasons == {
        "completed_orders": ["unknown_currency"],
        "conversions": ["unfit_row"],
    }


EVERY_LINE = "select * from order_items where :window_start < :window_end"


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("changes", "dataset", "reason"),
    [
        ({}, "orphan_items", "orphan_item"),
        ({"quantity": -1}, "order_items", "negative_amount"),
    ],
)
def test_a_line_of_another_day_makes_no_order_of_this_one(
    shop: SmallShop, changes: dict[str, Any], dataset: str, reason: str
) -> None:
    """The statement for lines asks for too much: they are kept, and hold back none."""
    shop.order("O1")
    shop.item("O9", 10, **changes)
    shop.use_statement("order_items", EVERY_LINE)
    shop.run()
    assert shop.harness.states() == {"O1": "accepted"}
    (row,) = shop.quarantined()
    assert (row["dataset"], row["order_id"]) == (dataset, "O9")
    assert (row["reasons"], row["resolved_at"]) == ([reason], None)
    shop.execute("delete from order_items where order_id = 'O9'")
    shop.check({"O1": (1000, "USD")})
    assert shop.quarantined()[0]["resolved_at"] is not None
