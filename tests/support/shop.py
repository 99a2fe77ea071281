"""A shop: rows of a warehouse go through extract, join and delivery."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

import sql
from assets.deliveries import staged_chunks
from assets.ledger.tables import quarantine_row
from assets.resources import Source
from assets.source.warehouse import Warehouse
from assets.staging import Staging
from assets.validation.schemas import EXTRACTS, contract_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assets.delivery.dispatch import Summary
    from support.harness import Harness


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
    """A warehouse and a harness, with the product's own way from one to the other.

    Attributes:
        types: Column -> SQL type, where it is not the usual one.
        naive_zone: Zone of naive times in the warehouse.
        statements: A deployment's own statements; None: the shipped ones.
    """

    folder: Path
    url: str
    harness: Harness
    window: tuple[datetime, datetime] = (START, START + DAY)
    key: str = KEY
    types: dict[str, str] = field(default_factory=dict)
    naive_zone: str | None = None
    statements: Path | None = None
    _pending: list[tuple[str, Row]] = field(default_factory=list)

    def use_warehouse(self, url: str) -> None:
        """Keep the tables in another warehouse instead."""
        self.url = url
        self.retype(**self.types)

    def use_statement(self, statement: str, text: str) -> None:
        """Replace a shipped statement by the deployment's own."""
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
        """Queue a statement of the owner; it runs before the next extract."""
        self._pending.append((statement, values))

    def flush(self) -> None:
        """Run the queued statements in one transaction."""
        engine = sa.create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            for statement, values in self._pending:
                connection.execute(sa.text(statement), values)
        engine.dispose()
        self._pending.clear()

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
    def warehouse(self) -> Warehouse:
        return Warehouse(
            self.url, extract_dir=self.statements, source_timezone=self.naive_zone
        )

    @property
    def source(self) -> Source:
        staging = Staging(self.folder / "staging")
        database = self.harness.database
        return Source(self.warehouse, staging, database, clock=self.harness.clock)

    def stage(self) -> None:
        """Extract and join, as the assets of a day do."""
        if self._pending:
            self.flush()
        with self._kept_open():
            for statement in EXTRACTS:
                self.source.extractor.extract(statement, self.key, self.window)
            self.source.joiner.join(self.key, f"stage-{self.harness.runs}")
        self.harness.clock.pass_by(seconds=1)

    @contextmanager
    def _kept_open(self) -> Iterator[None]:
        """Keep a DuckDB file open, so that each statement opens it at once."""
        with ExitStack() as stack:
            if self.url.startswith("duckdb:"):
                options = {"read_only": True}
                engine = sa.create_engine(self.url, connect_args=options)
                stack.callback(engine.dispose)
                # A warehouse that cannot be opened is for the product to report.
                with suppress(sa.exc.SQLAlchemyError):
                    stack.enter_context(engine.connect())
            yield

    def deliver(self) -> Summary:
        return self.harness.run_chunks(
            lambda: staged_chunks(self.source, self.key),
            partition_key=self.key,
            quarantined=self.source.quarantined(self.key),
        )

    def run(self) -> Summary:
        self.stage()
        return self.deliver()

    def quarantined_orders(self) -> dict[str, str]:
        """Order -> reason, of the orders that are quarantined for the destination."""
        rows = self.harness.rows()
        return {
            row["order_id"]: row["state_reason"]
            for row in rows
            if row["state"] == "quarantined"
        }

    def reasons(self) -> list[list[str]]:
        """Reasons of each quarantined row, whether its order is known or not."""
        return [row["reasons"] for row in self.harness.rows(quarantine_row)]

    def retype(self, **types: str) -> None:
        """Make the tables with other types for some columns, instead."""
        self._pending.clear()
        self.types = types
        self.create()

    def check(self, worth: dict[str, tuple[int, str]], **options: Any) -> None:
        """The invariants; what the source holds is worked out by the test."""
        self.harness.check(worth=worth, rerun=self.run, **options)
