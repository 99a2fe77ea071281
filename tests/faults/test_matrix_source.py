"""Fault matrix, rows 54 to 56: the warehouse fails, is empty, or changes.

Also home of `Shop`, on which every row about the source stands: rows of a warehouse go
through the product's own extract, join and delivery.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

import sql
from assets.deliveries import staged_chunks
from assets.ledger.tables import data_issue, quarantine_row
from assets.resources import Source
from assets.source.warehouse import Warehouse, WarehouseError
from assets.staging import Staging
from assets.validation.schemas import EXTRACTS, contract_columns

if TYPE_CHECKING:
    from conftest import Line, MakeLine

    from assets.delivery.dispatch import Summary
    from assets.ledger.database import Database
    from assets.providers.base import ResendPolicy

KEY = "2026-01-02"
START = datetime(2026, 1, 2, tzinfo=UTC)
NOON = START + timedelta(hours=12)
BEFORE = NOON - timedelta(hours=1)
DAY = timedelta(days=1)

TYPES = {
    **dict.fromkeys(("completed_at", "captured_at", "bucketed_at"), "timestamptz"),
    **dict.fromkeys(
        ("total", "revenue", "discount", "shipping", "tax"), "decimal(24, 6)"
    ),
    **dict.fromkeys(("unit_price", "subtotal", "quantity"), "decimal(24, 6)"),
    **dict.fromkeys(("tracking_consent", "is_test"), "boolean"),
    "line_no": "integer",
}

Row = dict[str, Any]


@dataclass
class Shop:
    """A warehouse and a line, with the product's own way from one to the other.

    Attributes:
        types: Column -> SQL type, where it is not the usual one.
        naive_zone: Zone of naive times in the warehouse.
        statements: A deployment's own statements; None: the shipped ones.
    """

    folder: Path
    url: str
    line: Line
    window: tuple[datetime, datetime] = (START, START + DAY)
    key: str = KEY
    types: dict[str, str] = field(default_factory=dict)
    naive_zone: str | None = None
    statements: Path | None = None
    _wanted: list[tuple[str, Row]] = field(default_factory=list)

    def on(self, url: str) -> None:
        """Keep the tables in another warehouse instead."""
        self.url = url
        self.retype(**self.types)

    def ask(self, statement: str, text: str) -> None:
        """Ask the warehouse in a deployment's own words."""
        if self.statements is None:
            shipped = Path(str(files(sql))) / "extract"
            self.statements = copytree(shipped, self.folder / "statements")
        (self.statements / f"{statement}.sql").write_text(text)

    def create(self) -> None:
        """Make the five tables of the contract."""
        for name in EXTRACTS:
            columns = ", ".join(
                f"{one} {self.types.get(one) or TYPES.get(one, 'text')}"
                for one in contract_columns(name)
            )
            self.execute(f"create table {name} ({columns})")

    def execute(self, statement: str, **values: Any) -> None:
        """What the warehouse's owner might do; done before the next extract."""
        self._wanted.append((statement, values))

    def flush(self) -> None:
        """Do what is wanted, in one transaction."""
        engine = sa.create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            for statement, values in self._wanted:
                connection.execute(sa.text(statement), values)
        engine.dispose()
        self._wanted.clear()

    def add(self, table: str, **row: Any) -> None:
        marks = ", ".join(f":{name}" for name in row)
        self.execute(f"insert into {table} ({', '.join(row)}) values ({marks})", **row)

    def order(self, order_id: Any = "O1", amount: Any = 10, **changes: Any) -> None:
        """Store an order of one line; whatever is named is as it is named."""
        plain: Row = {
            "order_id": order_id,
            "completed_at": NOON,
            "visitor_id": "v-1",
            "currency": "USD",
            **dict.fromkeys(("total", "revenue"), amount),
            **dict.fromkeys(("discount", "shipping", "tax"), 0),
            "tracking_consent": True,
            "is_test": False,
        }
        self.add("completed_orders", **plain | changes)
        self.item(order_id, amount)

    def item(self, order_id: Any, amount: Any, **changes: Any) -> None:
        plain: Row = {
            "order_id": order_id,
            "line_no": 1,
            "sku": "s-1",
            "quantity": 1,
            "unit_price": amount,
            "subtotal": amount,
            "discount": 0,
        }
        self.add("order_items", **plain | changes)

    @property
    def source(self) -> Source:
        warehouse = Warehouse(
            self.url, extract_dir=self.statements, source_timezone=self.naive_zone
        )
        staging = Staging(self.folder / "staging")
        return Source(warehouse, staging, self.line.database, clock=self.line.clock)

    def stage(self) -> None:
        """Extract and join, as the assets of a day do."""
        if self._wanted:
            self.flush()
        for statement in EXTRACTS:
            self.source.extract(statement, self.key, self.window)
        self.source.join(self.key, f"stage-{self.line.runs}")
        self.line.clock.pass_by(seconds=1)

    def deliver(self) -> Summary:
        return self.line.run_chunks(
            lambda: staged_chunks(self.source, self.key),
            partition_key=self.key,
            quarantined=self.source.quarantined(self.key),
        )

    def run(self) -> Summary:
        self.stage()
        return self.deliver()

    def held(self) -> dict[str, str]:
        """Order -> reason, of those that are in quarantine for the destination."""
        rows = self.line.rows()
        return {
            row["order_id"]: row["state_reason"]
            for row in rows
            if row["state"] == "quarantined"
        }

    def reasons(self) -> list[list[str]]:
        """Reasons of each quarantined row, whether its order is known or not."""
        return [row["reasons"] for row in self.line.rows(quarantine_row)]

    def retype(self, **types: str) -> None:
        """Make the tables with other types for some columns, instead."""
        self._wanted.clear()
        self.types = types
        self.create()

    def check(self, worth: dict[str, tuple[int, str]], **options: Any) -> None:
        """The invariants; what the source holds is worked out by the test."""
        self.line.check(worth=worth, rerun=self.run, **options)


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
    assert shop.line.server.connections == 0
    assert shop.line.rows() == []


def test_54_a_warehouse_that_does_not_answer_stops_before_any_request(
    shop: Shop,
) -> None:
    shop.flush()
    shop.url = "postgresql+psycopg://reader:hush@127.0.0.1:9/shop"
    with pytest.raises(WarehouseError, match="warehouse_url") as caught:
        shop.run()
    assert "hush" not in str(caught.value)
    assert (shop.line.server.connections, shop.line.rows()) == (0, [])


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
    shop.ask("completed_orders", EVERYTHING)
    with pytest.raises(WarehouseError) as caught:
        shop.run()
    said = str(caught.value)
    assert f"allowed to read {denied} of the warehouse, got permission denied" in said
    assert "extract_dir" not in said
    assert (shop.line.server.connections, shop.line.rows()) == (0, [])


def test_55_an_empty_day_marks_nothing(shop: Shop) -> None:
    for number in range(5):
        shop.order(f"O{number}")
    shop.run()
    before = shop.line.rows()
    shop.execute("delete from completed_orders")
    assert shop.run().requests == 0
    assert shop.line.rows() == before


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
    bodies = b"".join(one.body for one in shop.line.server.books.journal)
    assert b"10" in bodies
    assert b"99" not in bodies
    sent = shop.line.row("O1")
    assert (sent["state"], sent["amount_minor"]) == ("accepted", 1000)

    summary = shop.run()
    assert summary.requests == 0
    after = shop.line.row("O1")
    assert (after["state"], after["amount_minor"]) == ("accepted", 1000)
    (issue,) = shop.line.rows(data_issue)
    assert (issue["order_id"], issue["code"]) == ("O1", "drift")
    shop.check({"O1": (1000, "USD"), "O2": (1000, "USD")})


def test_56_the_same_on_postgresql(
    make_line: MakeLine,
    policy: ResendPolicy,
    tmp_path: Path,
    postgres_url: str,
    postgres_tables: Database,
) -> None:
    """One database is warehouse, another the ledger; a bad order among good ones."""
    shop = Shop(tmp_path, postgres_url, make_line(postgres_tables, policy))
    shop.line.clock.now = START + DAY
    shop.create()
    shop.order("O1")
    shop.order("ø 2 '; drop table delivery; --")
    shop.order("O3", currency="ZZZ")
    shop.run()
    assert shop.held() == {"O3": "unknown_currency"}
    assert sorted(shop.line.server.books.orders) == [
        "O1",
        "ø 2 '; drop table delivery; --",
    ]
