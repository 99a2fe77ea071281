"""Fault matrix, row 69: delivery tables of another version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, text

from assets.ledger.database import Database, LedgerError
from assets.ledger.tables import delivery, delivery_attempt
from support.engine import many

if TYPE_CHECKING:
    from support.harness import Harness

ROWS = 100_000

FILL = (
    """
    with recursive numbers (n) as (
        select 1 union all select n + 1 from numbers where n < 100000
    )
    insert into delivery (
        delivery_id, destination, provider, conversion_key, order_id, partition_key,
        state, amount_minor, currency, currency_digits, attempts, row_version,
        created_at, updated_at
    )
    select
        'd' || n, 'shop', 'fake', 'sale:O' || n, 'O' || n, '2026-11-20',
        'accepted', 1234, 'USD', 2, 1, 1, $now, $now
    from numbers
    """,
    """
    insert into delivery_attempt (
        attempt_id, event, delivery_id, attempt_no, step_no, happened_at, decided_by
    )
    select delivery_id, 'outcome', delivery_id, 1, 0, updated_at, 'auto'
    from delivery
    """,
)


def fill(database: Database) -> None:
    """A hundred thousand deliveries and as many attempts."""
    with database.write() as connection:
        is_postgresql = connection.dialect.name == "postgresql"
        moment = "'2026-11-21 02:00:00.000000'"
        now = f"cast({moment} as timestamptz)" if is_postgresql else moment
        for statement in FILL:
            connection.execute(text(statement.replace("$now", now)))


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


@pytest.mark.sampled(2)
@pytest.mark.parametrize("version", ["0000", "9999_of_the_future"])
def test_69_tables_of_another_version_are_not_sent_from(
    db_harness: Harness, version: str
) -> None:
    harness, orders = db_harness, many(3)
    harness.run(orders[:1])
    with harness.database.engine.connect() as connection:
        found = connection.execute(text("select version_num from alembic_version"))
        ours = found.scalar_one()
    url = harness.database.engine.url.render_as_string(hide_password=False)
    set_version(harness.database, version)
    used, harness.database = harness.database, Database(url)
    with pytest.raises(LedgerError, match=version) as caught:
        harness.run(orders)
    assert "attribution migrate" in str(caught.value)
    assert harness.server.log.orders == ["O00000"]
    harness.database.dispose()
    harness.database = used
    set_version(used, ours)
    assert harness.run(orders).unfinished == 0
    harness.check_finished(orders)
