"""The delivery tables exist, in the form that the code believes, on both databases."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from engine import Bench, order
from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError

from assets.delivery.database import VIEWS, Database, _config
from assets.delivery.tables import metadata


def test_migrations_arrive_at_the_declared_tables(database: Database) -> None:
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


def test_the_tables_can_be_taken_down_again(database: Database) -> None:
    with database.engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        for view in VIEWS:
            connection.exec_driver_sql(f"drop view {view}")
        command.downgrade(config, "base")
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
