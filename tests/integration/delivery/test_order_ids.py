"""One order has one id: it is reported once, whatever its id looks like meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from assets.ledger.database import Database
from assets.ledger.tables import data_issue, delivery, order_day, quarantine_row
from assets.source.guards import QuarantinedOrders
from support.engine import NEVER, Clock
from support.harness import Harness, JsonProvider
from support.raw_server import ProviderServer
from support.shop import DAY, KEY, START, Shop

SPELLINGS = ["A1 ", "\ufeffA1", "A 1"]


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    """A shop whose provider never drops a repeat."""
    clock = Clock()
    clock.now = START + DAY
    server = ProviderServer(dedupes=False, clock=clock)
    harness = Harness(database, server, JsonProvider(server.url, NEVER), clock)
    made = Shop(tmp_path, f"duckdb:///{tmp_path}/warehouse.db", harness)
    made.create()
    yield made
    server.close()


def states(shop: Shop) -> dict[str, tuple[str, str | None]]:
    return {
        row["order_id"]: (row["state"], row["state_reason"])
        for row in shop.harness.rows()
    }


def correct(shop: Shop, spelling: str) -> None:
    for table in ("completed_orders", "order_items"):
        shop.execute(
            f"update {table} set order_id = 'A1' where order_id = :odd", odd=spelling
        )


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_unclear_order_is_reported_once_after_it_is_corrected(
    shop: Shop, spelling: str
) -> None:
    shop.order(spelling)
    shop.run()
    assert [reason for _, reason in states(shop).values()] == ["unclear_id"]
    correct(shop, spelling)
    shop.run()
    assert states(shop) == {"A1": ("accepted", None)}
    assert len(shop.harness.attempts("intent")) == 1


def test_the_clear_one_of_two_feeds_is_reported(shop: Shop) -> None:
    shop.order("A1")
    shop.order("A1  ")
    shop.run()
    found = states(shop)
    assert found.pop("A1") == ("accepted", None)
    assert [reason for _, reason in found.values()] == ["unclear_id"]


def test_an_order_reported_under_an_unclear_id_is_not_reported_under_the_clear_one(
    shop: Shop,
) -> None:
    """An earlier version reported it, before its id was corrected."""
    shop.order("A1")
    shop.run()
    respell(shop, "A1\u00a0")
    for _ in range(2):
        shop.run()
        assert states(shop) == {"A1\u00a0": ("accepted", None)}
    (row,) = shop.harness.rows(quarantine_row)
    assert row["reasons"] == ["other_spelling"]
    assert row["amount_minor"] == 1000
    assert shop.harness.rows(data_issue) == []


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_line_under_an_unclear_id_holds_its_order_back(
    shop: Shop, spelling: str
) -> None:
    every_line = "select * from order_items where :window_start < :window_end"
    shop.use_statement("order_items", every_line)
    shop.order("A1")
    shop.item(spelling, 0, line_no=2)
    shop.run()
    assert states(shop) == {"A1": ("quarantined", "unfit_row")}


def test_orders_reported_under_an_unclear_id_do_not_refuse_their_day(
    shop: Shop,
) -> None:
    shop.order("A1")
    shop.run()
    respell(shop, "A1\u00a0")
    shop.order("A2")
    found: list[QuarantinedOrders] = []
    shop.stage()
    shop.source.joiner.join(KEY, "run", check=found.append)
    assert found == [QuarantinedOrders(1, [])]


def test_an_order_reported_under_an_unclear_id_is_still_in_the_source(
    shop: Shop,
) -> None:
    shop.order("A1")
    shop.run()
    respell(shop, "A1\u00a0")
    for table in ("completed_orders", "order_items"):
        shop.execute(f"update {table} set order_id = :odd", odd="A1\u00a0")
    shop.run()
    assert states(shop) == {"A1\u00a0": ("accepted", None)}
    assert shop.harness.rows(data_issue) == []


@pytest.mark.parametrize("order_id", ["(not set)", "null", "0", "undefined", "N/A"])
def test_a_placeholder_is_no_order_id(shop: Shop, order_id: str) -> None:
    shop.order(order_id)
    shop.order(order_id, 20)
    shop.run()
    found = states(shop)
    assert set(found.values()) == {("quarantined", "placeholder_id")}
    assert len(found) == 2


@pytest.mark.parametrize("table_column", ["order_id", "visitor_id"])
def test_the_padding_of_a_type_is_no_part_of_an_id(
    shop: Shop, postgres_url: str, table_column: str
) -> None:
    shop.types = {table_column: "char(12)"}
    shop.use_warehouse(postgres_url)
    shop.order("A1")
    shop.run()
    assert states(shop) == {"A1": ("accepted", None)}
    assert shop.harness.rows(data_issue) == []


def respell(shop: Shop, order_id: str) -> None:
    """Store the delivery as an earlier version did, under an unclear id."""
    values: dict[str, Any] = {"order_id": order_id}
    with shop.harness.database.write() as connection:
        key = shop.harness.rows()[0]["conversion_key"].replace("A1", order_id)
        connection.execute(update(delivery).values(conversion_key=key, **values))
        connection.execute(insert(order_day).values(partition_key=KEY, **values))
