"""Fault matrix, row 69: delivery tables of another version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from engine import DAY, NOW, many
from sqlalchemy import func, select, text

from assets.delivery.database import Database, LedgerError
from assets.delivery.rows import delivery_id, new_attempt_id
from assets.delivery.tables import delivery, delivery_attempt

if TYPE_CHECKING:
    from conftest import Line

ROWS = 100_000
CHUNK = 10_000


def fill(database: Database) -> None:
    """A hundred thousand deliveries and as many attempts."""
    with database.write() as connection:
        for start in range(0, ROWS, CHUNK):
            keys = [f"sale:O{number:07}" for number in range(start, start + CHUNK)]
            connection.execute(delivery.insert(), [_delivery(key) for key in keys])
            connection.execute(
                delivery_attempt.insert(), [_attempt(key) for key in keys]
            )


def _delivery(key: str) -> dict[str, Any]:
    return {
        "delivery_id": delivery_id("fake", "shop", key),
        "destination": "shop",
        "provider": "fake",
        "conversion_key": key,
        "order_id": key.removeprefix("sale:"),
        "partition_key": DAY,
        "state": "accepted",
        "amount_minor": 1234,
        "currency": "USD",
        "currency_digits": 2,
        "attempts": 1,
        "row_version": 1,
        "created_at": NOW,
        "updated_at": NOW,
    }


def _attempt(key: str) -> dict[str, Any]:
    return {
        "attempt_id": new_attempt_id(),
        "event": "outcome",
        "delivery_id": delivery_id("fake", "shop", key),
        "attempt_no": 1,
        "step_no": 0,
        "happened_at": NOW,
        "decided_by": "auto",
    }


def counts(database: Database) -> tuple[int, int, int]:
    """Deliveries, attempts and money."""
    with database.read() as connection:
        return (
            connection.execute(select(func.count()).select_from(delivery)).scalar_one(),
            connection.execute(
                select(func.count()).select_from(delivery_attempt)
            ).scalar_one(),
            int(
                connection.execute(
                    select(func.sum(delivery.c.amount_minor))
                ).scalar_one()
            ),
        )


def set_version(database: Database, version: str) -> None:
    with database.engine.execution_options(write=True).begin() as connection:
        connection.execute(
            text("update alembic_version set version_num = :v"), {"v": version}
        )


def test_69_migrating_filled_tables_keeps_every_row(tables: Database) -> None:
    check_kept(tables)


@pytest.mark.long
def test_69_migrating_filled_tables_keeps_every_row_on_postgresql(
    postgres_tables: Database,
) -> None:
    check_kept(postgres_tables)


def check_kept(database: Database) -> None:
    fill(database)
    before = counts(database)
    assert before == (ROWS, ROWS, ROWS * 1234)
    url = database.engine.url
    for _ in range(2):
        again = Database(url.render_as_string(hide_password=False))
        again.migrate()
        assert counts(again) == before
        with again.engine.connect() as connection:
            listed = connection.execute(
                text("select sum(orders) from v_delivery_daily")
            ).scalar_one()
        assert listed == ROWS
        again.dispose()


@pytest.mark.parametrize("version", ["0000", "9999_of_the_future"])
def test_69_tables_of_another_version_are_not_sent_from(
    line_anywhere: Line, version: str
) -> None:
    line, orders = line_anywhere, many(3)
    line.run(orders[:1])
    with line.database.engine.connect() as connection:
        found = connection.execute(text("select version_num from alembic_version"))
        ours = found.scalar_one()
    url = line.database.engine.url.render_as_string(hide_password=False)
    set_version(line.database, version)
    used, line.database = line.database, Database(url)
    with pytest.raises(LedgerError, match=version) as caught:
        line.run(orders)
    assert "attribution migrate" in str(caught.value)
    assert line.server.books.orders == ["O00000"]
    line.database.dispose()
    line.database = used
    set_version(used, ours)
    assert line.run(orders).unfinished == 0
    line.check_finished(orders)
