"""Checks that the warehouse accepts the copy of the delivery tables."""

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from assets.ledger.publishing import SCHEMA
from assets.ledger.tables import metadata
from pipelines.build import managed_source
from pipelines.configuration.config import Config, ConfigError
from pipelines.errors import cause_name

_TRANSACTIONAL_DDL = frozenset({"duckdb", "postgresql"})
"""Dialects that can roll back the creation of a table."""


def check_publishing(config: Config) -> str:
    """Try to publish no row, and roll back.

    Raises:
        ConfigError: The warehouse does not accept the tables.
    """
    with managed_source(config) as source, source.warehouse.write_engine() as engine:
        if engine.dialect.name not in _TRANSACTIONAL_DDL:
            return (
                f"not checked: {engine.dialect.name} cannot roll back the creation of "
                "a table"
            )
        try:
            with engine.connect() as connection, connection.begin() as transaction:
                _publish_no_rows(connection)
                transaction.rollback()
        except SQLAlchemyError as error:
            cause = cause_name(error)
            message = (
                f"Publishing failed for schema {SCHEMA}: expected a warehouse that "
                f"answers and takes the delivery tables, got {cause}. Give its user "
                "the right to create and fill them, close other programs that hold the "
                "file, drop copies of an older version, or set publish = false."
            )
            # The text of the error may contain the address of the warehouse.
            raise ConfigError(message) from None
    return f"the warehouse takes schema {SCHEMA}"


def _publish_no_rows(connection: sa.Connection) -> None:
    """Run the statements of publishing on each table, with no row."""
    connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
    inspector = sa.inspect(connection)
    for table in metadata.sorted_tables:
        copy = sa.Table(
            table.name,
            sa.MetaData(schema=SCHEMA),
            *(sa.Column(one.name, sa.Text()) for one in table.columns),
        )
        if inspector.has_table(table.name, schema=SCHEMA):
            connection.execute(sa.delete(copy).where(sa.false()))
            no_rows = sa.select(copy).where(sa.false())
            names = list(copy.columns.keys())
            connection.execute(sa.insert(copy).from_select(names, no_rows))
        else:
            copy.create(connection)
