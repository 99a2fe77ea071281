"""The delivery tables exist, in the form that the code believes, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from assets.delivery.database import VIEWS, Database
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
