"""Unreadable orders are counted, and do not affect other orders."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from assets.ledger.database import Database
from assets.ledger.quarantine import (
    BLOCKING,
    Quarantine,
    quarantined_order_ids,
    quarantined_orders,
)
from pipelines.runs.day_results import DayResult
from support.deployment import DAY, NAMES, Deployment, deployed, disable_in_run_retries

ORDERS = 20
KEY = DAY.isoformat()
DATED = f"D{DAY:%Y%m%d}-"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    disable_in_run_retries(monkeypatch)
    with deployed(tmp_path, orders_per_day=ORDERS) as deployment:
        yield deployment


@pytest.fixture
def postgres_shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> Iterator[Deployment]:
    """A shop on PostgreSQL, which enforces column lengths. SQLite does not."""
    disable_in_run_retries(monkeypatch)
    environ = {"LEDGER": postgres_url}
    with deployed(tmp_path, orders_per_day=ORDERS, environ=environ) as deployment:
        yield deployment


def run(shop: Deployment, **options: Any) -> DayResult:
    """Export the day; no step may fail."""
    done = shop.run(**options)
    assert done.failures == {}
    return done


def rename(shop: Deployment, new: str, orders: str = "true") -> None:
    """Change the ids of orders, with their lines and identifiers."""
    for table in ("completed_orders", "order_items", "visitor_identifiers"):
        shop.warehouse(f"update {table} set order_id = {new} where {orders}")


def query(shop: Deployment, statement: str) -> list[tuple[Any, ...]]:
    with shop.ledger() as database, database.read() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def placeholders(shop: Deployment, name: str) -> dict[str, dict[str, Any]]:
    rows = shop.rows(name).values()
    return {row["order_id"]: row for row in rows if row["order_id"].startswith("row:")}


@pytest.mark.long
@pytest.mark.parametrize(
    ("new", "reason"),
    [
        ("order_id || '@shop.example'", "pii_as_id"),
        ("'+1555' || right(order_id, 6)", "pii_as_id"),
        ("null", "missing_order_id"),
        ("order_id || repeat('x', 128)", "too_long"),
    ],
)
def test_orders_with_unusable_ids_are_quarantined_at_every_destination(
    shop: Deployment, new: str, reason: str
) -> None:
    rename(shop, new)
    run(shop, override="no order of this day can be sent")
    for name in NAMES:
        assert shop.states(name) == Counter(quarantined=ORDERS)
        quarantined = placeholders(shop, name)
        assert len(quarantined) == ORDERS
        assert all(len(order_id) == len("row:") + 16 for order_id in quarantined)
        assert (
            sum(row["state_detail"].count(reason) for row in quarantined.values())
            == ORDERS
        )
    counted = "select sum(orders), sum(amount_minor) from source_total"
    (orders, money) = query(shop, counted)[0]
    assert (int(orders), int(money) > 0) == (ORDERS, True)
    reconciled = "select destination, sum(orders), sum(never_seen) from v_reconcile"
    assert {
        (name, int(orders), int(missing))
        for name, orders, missing in query(shop, f"{reconciled} group by destination")
    } == {(name, ORDERS, 0) for name in NAMES}
    daily = "select destination, sum(quarantined) from v_delivery_daily group by 1"
    assert {(name, int(n)) for name, n in query(shop, daily)} == {
        (name, ORDERS) for name in NAMES
    }
    assert shop.server.sandbox.journal.entries == []


@pytest.mark.long
def test_order_ids_with_separators_are_sent(shop: Deployment) -> None:
    rename(shop, "'2026/' || right(order_id, 6)")
    run(shop)
    assert placeholders(shop, "impact_us") == {}
    assert shop.states("impact_us")["settled"] > 0


@pytest.mark.long
def test_a_corrected_row_has_deliveries_under_its_own_id_only(shop: Deployment) -> None:
    corrected = f"{DATED}000003"
    rename(shop, "order_id || '@x'", f"order_id = '{corrected}'")
    run(shop)
    assert [len(placeholders(shop, name)) for name in NAMES] == [1] * len(NAMES)
    rename(shop, f"'{corrected}'", f"order_id = '{corrected}@x'")
    run(shop)
    rows = shop.rows()
    assert [len(placeholders(shop, name)) for name in NAMES] == [0] * len(NAMES)
    assert len(rows) == ORDERS * len(NAMES)
    assert rows[f"trackdesk_main:{corrected}"]["state"] != "quarantined"
    resolved = "select reasons from quarantine_row where resolved_at is not null"
    assert "pii_as_id" in str(
        query(shop, f"{resolved} and dataset = 'completed_orders'")
    )


@pytest.mark.long
def test_a_row_that_stays_unreadable_changes_nothing(shop: Deployment) -> None:
    rename(shop, "null", f"order_id = '{DATED}000003'")
    run(shop)
    before = shop.rows()
    run(shop)
    assert shop.rows() == before


def test_an_unfit_row_quarantines_only_its_own_order(postgres_shop: Deployment) -> None:
    long, expensive = f"{DATED}000003", f"{DATED}000004"
    rename(postgres_shop, "repeat('x', 200)", f"order_id = '{long}'")
    for column in ("revenue", "total"):
        alter = f"alter table completed_orders alter {column} type decimal(24, 2)"
        postgres_shop.warehouse(alter)
        add = f"update completed_orders set {column} = {column} + 1e17::decimal(24, 2)"
        postgres_shop.warehouse(f"{add} where order_id = '{expensive}'")
    # An experience that no order has: an unfit variation would quarantine its order.
    postgres_shop.warehouse(
        "insert into visitor_bucketing select * replace "
        "(experience_id || repeat('x', 128) as experience_id) from visitor_bucketing"
    )
    run(postgres_shop)
    for name in NAMES:
        rows = postgres_shop.rows(name)
        reasons = Counter(
            row["state_reason"]
            for row in rows.values()
            if row["state"] == "quarantined"
        )
        assert len(rows) == ORDERS
        assert (reasons["too_long"], reasons["amount_too_large"]) == (1, 1)
    assert postgres_shop.states("impact_us")["settled"] > 0
    assert postgres_shop.states("convert_web")["accepted"] > 0


@pytest.mark.long
def test_a_column_that_no_destination_gets_is_stored_nowhere(shop: Deployment) -> None:
    shop.warehouse("alter table completed_orders add column email varchar")
    shop.warehouse("update completed_orders set email = 'jane.canary@example.org'")
    affected = f"{DATED}000003"
    shop.warehouse(
        "update completed_orders set store_code = 'jane.canary@example.org' "
        "where order_id = ?",
        affected,
    )
    run(shop)
    staged = {
        path.parts[-3]: str(pq.read_table(path).to_pylist())
        for path in shop.config.staging.rglob("rows.parquet")
    }
    assert "store_code" in staged["completed_orders"]
    assert "canary" not in "".join(staged.values())
    quarantined = shop.rows("impact_us")[f"impact_us:{affected}"]
    assert (quarantined["state"], quarantined["state_reason"]) == (
        "quarantined",
        "pii_in_extra",
    )
    assert "canary" not in str(query(shop, "select * from quarantine_row"))


def rejected(dataset: str, digest: str, order_id: str | None) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "source_row_hash": digest * 64,
        "row_no": 1,
        "order_id": order_id,
        "order_at": None,
        "amount_minor": None,
        "currency": None,
        "currency_digits": None,
        "reasons": ["missing_order_id"],
        "row_redacted": {},
    }


def test_placeholder_ids_are_not_passed_to_the_join(database: Database) -> None:
    Quarantine(database, KEY, datetime.now(UTC)).store(
        [
            rejected("completed_orders", "a", None),
            rejected("completed_orders", "b", "o-1"),
            rejected("order_items", "c", "o-2"),
            rejected("order_items", "d", None),
            rejected("visitor_identifiers", "e", "o-3"),
            rejected("conversions", "f", "o-4"),
        ]
    )
    assert quarantined_order_ids(database, KEY, BLOCKING[:2]) == {"o-1", "o-2"}
    quarantined = [row["order_id"] for row in quarantined_orders(database, KEY)]
    assert quarantined == ["o-1", "o-4", f"row:{'a' * 16}"]
