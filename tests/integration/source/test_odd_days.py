"""Days of 23, 25 and other hours, from the warehouse to the deliveries.

On DuckDB and PostgreSQL, for times with a zone and without: each order is of exactly
one day, the one that the clock on the wall showed, and is sent once.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from assets.deliveries import staged_chunks
from assets.delivery.destination import Destination
from assets.delivery.run import deliver
from assets.ledger.database import Database
from assets.ledger.tables import delivery, quarantine_row
from assets.partitions import daily
from assets.providers.base import Limits
from assets.resources import Source
from assets.source.warehouse import Warehouse
from assets.staging import Staging
from assets.validation.schemas import EXTRACTS, contract_columns
from support.engine import Clock, FakeProvider, FakeTransport

LONG = {"postgresql"}
STEP = timedelta(minutes=30)
DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)
ODD_DAYS = {
    "New York, 23 h": ("America/New_York", date(2026, 3, 8), 23),
    "New York, 25 h": ("America/New_York", date(2025, 11, 2), 25),
    "Sao Paulo, 25 h": ("America/Sao_Paulo", date(2018, 2, 17), 25),
    "Sao Paulo, 23 h from 1 o'clock": ("America/Sao_Paulo", date(2018, 11, 4), 23),
    "Lord Howe, 24.5 h": ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    "Lord Howe, 23.5 h": ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
}
MONEY = ("total", "revenue", "discount", "shipping", "tax")
OF_ITEMS = ("unit_price", "subtotal", "quantity", "discount")
PLAIN = dict.fromkeys(MONEY, 0) | {"currency": "USD", "is_test": False}
LINE = dict.fromkeys(OF_ITEMS, 0) | {"line_no": 1, "sku": "s"}

Times = dict[str, datetime]
"""When each order was completed."""


@dataclass
class Days:
    """A warehouse with orders around a day, and what becomes of them.

    Attributes:
        naive: The warehouse holds local times without a zone.
    """

    folder: Path
    url: str
    zone: str
    day: date
    naive: bool = False

    def __post_init__(self) -> None:
        self.database = Database(f"sqlite:///{self.folder}/ledger.db")
        self.transport = FakeTransport()

    def fill(self, times: Times) -> None:
        """Make the tables of the contract, with an order of one line per time."""
        kind = "timestamp" if self.naive else "timestamptz"
        types = {
            **dict.fromkeys(("completed_at", "captured_at", "bucketed_at"), kind),
            **dict.fromkeys((*MONEY, *OF_ITEMS), "decimal(18, 2)"),
            **dict.fromkeys(("tracking_consent", "is_test"), "boolean"),
            "line_no": "integer",
        }
        orders = [
            PLAIN | {"order_id": order_id, "completed_at": at}
            for order_id, at in times.items()
        ]
        lines = [LINE | {"order_id": order_id} for order_id in times]
        engine = sa.create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            for name in EXTRACTS:
                columns = contract_columns(name)
                typed = ", ".join(f"{one} {types.get(one, 'text')}" for one in columns)
                connection.execute(sa.text(f"create table {name} ({typed})"))
            for name, rows in (("completed_orders", orders), ("order_items", lines)):
                columns = tuple(rows[0])
                marks = ", ".join(f":{one}" for one in columns)
                insert = f"insert into {name} ({', '.join(columns)}) values ({marks})"
                connection.execute(sa.text(insert), rows)
        engine.dispose()

    def export(self) -> None:
        """Run the odd day and the days beside it."""
        partitions = daily(self.zone, self.day - 5 * DAY)
        clock = Clock(datetime.combine(self.day, datetime.min.time(), UTC) + 9 * DAY)
        zone = self.zone if self.naive else None
        source = Source(
            Warehouse(self.url, source_timezone=zone),
            Staging(self.folder / "staging"),
            self.database,
            clock=clock,
        )
        limits = Limits(conversions_per_request=200)
        provider = FakeProvider(limits=limits)
        for offset in range(-1, 2):
            key = (self.day + offset * DAY).isoformat()
            found = partitions.time_window_for_partition_key(key)
            window = (found.start.astimezone(UTC), found.end.astimezone(UTC))
            for statement in EXTRACTS:
                source.extractor.extract(statement, key, window)
            source.joiner.join(key, "run")
            deliver(
                Destination(
                    name="shop",
                    provider_name="fake",
                    provider=provider,
                    mapping_version="m1",
                ),
                self.database,
                self.transport,
                lambda key=key: staged_chunks(source, key),
                partition_key=key,
                run_id=key,
                zone=ZoneInfo(self.zone),
                quarantined=source.quarantined(key),
                clock=clock,
                sleep=clock.sleep,
            )

    def rows(self, table: sa.Table = delivery) -> Sequence[Any]:
        with self.database.read() as connection:
            return connection.execute(sa.select(table)).all()


@pytest.fixture(params=["duckdb", "postgresql"])
def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, on each kind in turn."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"duckdb:///{tmp_path}/warehouse.db"


def midnight(zone: str, day: date) -> datetime:
    """The first instant of a day: in Sao Paulo it may be at one o'clock."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone))
    start = noon.astimezone(UTC) - timedelta(hours=20)
    while start.astimezone(ZoneInfo(zone)).date() != day:
        start += timedelta(minutes=30)
    return start


@pytest.mark.long
@pytest.mark.parametrize(("zone", "day", "hours"), ODD_DAYS.values(), ids=ODD_DAYS)
def test_each_order_is_of_the_day_that_the_clock_on_the_wall_showed(
    tmp_path: Path, warehouse_url: str, zone: str, day: date, hours: float
) -> None:
    start, end = midnight(zone, day), midnight(zone, day + DAY)
    assert end - start == timedelta(hours=hours)
    times = {
        f"O{number:03}": start - DAY + number * STEP
        for number in range(int((end - start + 2 * DAY) / STEP))
    }
    times |= {
        "last-before": start - INSTANT,
        "last": end - INSTANT,
        "first-after": end,
    }
    days = Days(tmp_path, warehouse_url, zone, day)
    days.fill(times)
    days.export()
    rows = {row.order_id: row for row in days.rows()}
    assert len(days.rows()) == len(times)
    for order_id, at in times.items():
        local = at.astimezone(ZoneInfo(zone)).date()
        row = rows[order_id]
        assert (row.order_at, row.order_date) == (at, local), order_id
        assert row.partition_key == local.isoformat(), order_id
    assert {row.state for row in rows.values()} == {"accepted"}
    assert Counter(days.transport.orders) == dict.fromkeys(times, 1)
    of_the_day = [row for row in rows.values() if row.order_date == day]
    assert len(of_the_day) == hours * 2 + 1


@pytest.mark.long
@pytest.mark.parametrize(("zone", "day", "hours"), ODD_DAYS.values(), ids=ODD_DAYS)
def test_a_local_time_is_of_its_day_or_quarantined_if_it_is_ambiguous(
    tmp_path: Path, warehouse_url: str, zone: str, day: date, hours: float
) -> None:
    first = datetime.combine(day - DAY, datetime.min.time())
    times = {f"O{number:03}": first + number * STEP for number in range(3 * 24 * 2)}
    days = Days(tmp_path, warehouse_url, zone, day, naive=True)
    days.fill(times)
    days.export()
    rows = {row.order_id: row for row in days.rows()}
    assert len(days.rows()) == len(times)
    held = {one for one, row in rows.items() if row.state == "quarantined"}
    assert {rows[one].state_reason for one in held} == {"ambiguous_time"}
    assert len(held) == abs(24 - hours) * 2
    once = Counter(row.order_id for row in days.rows(quarantine_row))
    assert once == dict.fromkeys(held, 1)
    for order_id, at in times.items():
        row = rows[order_id]
        assert row.partition_key == at.date().isoformat(), order_id
        if order_id not in held:
            assert row.order_at == at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
            assert row.order_date == at.date()
    assert Counter(days.transport.orders) == dict.fromkeys(times.keys() - held, 1)
