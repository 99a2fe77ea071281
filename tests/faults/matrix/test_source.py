"""Fault matrix, rows 54 to 56: the warehouse fails, is empty, or changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from assets.ledger.tables import data_issue
from assets.source.errors import WarehouseError
from support.shop import DAY, START, Shop

if TYPE_CHECKING:
    from assets.ledger.database import Database
    from assets.providers.base import ResendPolicy
    from support.harness import MakeHarness


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("drop table visitor_bucketing", "table visitor_bucketing"),
        ("drop table completed_orders", "table completed_orders"),
        ("alter table order_items rename column sku to article", "sku"),
        (
            "alter table completed_orders rename column completed_at to at_",
            "completed_orders",
        ),
    ],
)
def test_54_a_table_or_column_that_is_missing_stops_before_any_request(
    shop: Shop, statement: str, named: str
) -> None:
    shop.order()
    shop.execute(statement)
    with pytest.raises(WarehouseError) as caught:
        shop.run()
    assert named in str(caught.value)
    assert shop.harness.server.connections == 0
    assert shop.harness.rows() == []


def test_54_a_warehouse_that_does_not_answer_stops_before_any_request(
    shop: Shop,
) -> None:
    shop.flush()
    shop.url = "postgresql+psycopg://reader:hush@127.0.0.1:9/shop"
    with pytest.raises(WarehouseError, match="warehouse_url") as caught:
        shop.run()
    assert "hush" not in str(caught.value)
    assert (shop.harness.server.connections, shop.harness.rows()) == (0, [])


EVERYTHING = """
    select * from public.completed_orders
    where completed_at >= :window_start and completed_at < :window_end
"""
ALLOWED = {
    "a table": ("grant select on completed_orders to {}", "table order_items"),
    "a schema": ("revoke usage on schema public from public", "schema public"),
}


@pytest.mark.parametrize(("order", "denied"), ALLOWED.values(), ids=ALLOWED)
def test_54_a_table_that_may_not_be_read_stops_before_any_request(
    shop: Shop, postgres_url: str, order: str, denied: str
) -> None:
    shop.url = postgres_url
    shop.flush()
    plain = postgres_url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        name = f"reader_{plain.rpartition('/')[2]}"
        connection.execute(f"create role {name} login")
        connection.execute(order.format(name))
    shop.url = postgres_url.replace("tester@", f"{name}@")
    shop.use_statement("completed_orders", EVERYTHING)
    with pytest.raises(WarehouseError) as caught:
        shop.run()
    said = str(caught.value)
    assert f"allowed to read {denied} of the warehouse, got permission denied" in said
    assert "extract_dir" not in said
    assert (shop.harness.server.connections, shop.harness.rows()) == (0, [])


@pytest.mark.sampled(1)
def test_55_an_empty_day_marks_nothing(shop: Shop) -> None:
    for number in range(5):
        shop.order(f"O{number}")
    shop.run()
    before = shop.harness.rows()
    shop.execute("delete from completed_orders")
    assert shop.run().requests == 0
    assert shop.harness.rows() == before


@pytest.mark.long
def test_56_what_was_staged_is_sent_and_a_later_change_is_drift(shop: Shop) -> None:
    shop.order("O1", 10)
    shop.order("O2", 10)
    shop.stage()
    for table, columns in {
        "completed_orders": "total = 99, revenue = 99",
        "order_items": "subtotal = 99, unit_price = 99",
    }.items():
        shop.execute(f"update {table} set {columns} where order_id = 'O1'")
    shop.deliver()
    bodies = b"".join(one.body for one in shop.harness.server.log.journal)
    assert b"10" in bodies
    assert b"99" not in bodies
    sent = shop.harness.row("O1")
    assert (sent["state"], sent["amount_minor"]) == ("accepted", 1000)

    summary = shop.run()
    assert summary.requests == 0
    after = shop.harness.row("O1")
    assert (after["state"], after["amount_minor"]) == ("accepted", 1000)
    (issue,) = shop.harness.rows(data_issue)
    assert (issue["order_id"], issue["code"]) == ("O1", "drift")
    shop.check({"O1": (1000, "USD"), "O2": (1000, "USD")})


@pytest.mark.long
def test_56_the_same_on_postgresql(
    make_harness: MakeHarness,
    policy: ResendPolicy,
    tmp_path: Path,
    postgres_url: str,
    postgres_tables: Database,
) -> None:
    """One database is warehouse, another the ledger; a bad order among good ones."""
    shop = Shop(tmp_path, postgres_url, make_harness(postgres_tables, policy))
    shop.harness.clock.now = START + DAY
    shop.create()
    shop.order("O1")
    shop.order("ø2';drop/**/table/**/delivery;--")
    shop.order("O3", currency="ZZZ")
    shop.run()
    assert shop.quarantined_orders() == {"O3": "unknown_currency"}
    assert sorted(shop.harness.server.log.orders) == [
        "O1",
        "ø2';drop/**/table/**/delivery;--",
    ]
