"""The migrations produce the tables that the code declares, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, select
from sqlalchemy.exc import DBAPIError

from assets.ledger.database import VIEWS, Database, _config
from assets.ledger.tables import metadata, order_day
from support.engine import Bench, order


def downgrade(connection: Connection, version: str) -> None:
    """Drop the views, then revert the migrations down to a version."""
    config = _config()
    config.attributes["connection"] = connection
    for view in VIEWS:
        connection.exec_driver_sql(f"drop view {view}")
    command.downgrade(config, version)


def test_migrations_produce_the_declared_tables(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    database.migrate()
    with database.read() as connection:
        for view in VIEWS:
            assert connection.exec_driver_sql(f"select * from {view}").all() == []


def test_an_attempt_can_neither_be_changed_nor_deleted(database: Database) -> None:
    bench = Bench(database)
    bench.run([order()])
    for statement in (
        "update delivery_attempt set reason = 'x'",
        "delete from delivery_attempt",
    ):
        with pytest.raises(DBAPIError, match="append-only"), database.write() as ledger:
            ledger.exec_driver_sql(statement)


def test_all_migrations_can_be_reverted(database: Database) -> None:
    with database.engine.begin() as connection:
        downgrade(connection, "base")
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}


def test_upgrading_the_first_version_keeps_its_rows(
    database: Database,
) -> None:
    bench = Bench(database)
    bench.run([order()])
    before = bench.rows()
    with database.engine.begin() as connection:
        downgrade(connection, "0001")
        assert "question" not in inspect(connection).get_table_names()
    database.migrate()
    assert bench.rows() == before
    with database.read() as connection:
        days = connection.execute(select(order_day)).all()
        assert days == [
            (row["order_id"], row["partition_key"]) for row in before.values()
        ]
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_runs_use_the_clock_of_the_database(postgres_url: str) -> None:
    database = Database(postgres_url)
    now = datetime.now(UTC)
    with time_machine.travel(now + timedelta(days=1), tick=False):
        clock = database.clock()
        assert abs(clock() - now) < timedelta(minutes=1)
    database.dispose()


def test_setting_the_machine_clock_back_during_a_run_changes_nothing(
    database: Database,
) -> None:
    clock = database.clock()
    before = clock()
    with time_machine.travel(before - timedelta(hours=1), tick=False):
        assert timedelta() <= clock() - before < timedelta(minutes=1)
