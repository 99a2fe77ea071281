"""Connects to the warehouse, whatever its dialect.

Drivers, time zones and locks belong here. Statements and their results belong in
`warehouse.py`.
"""

from datetime import tzinfo
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from assets.ledger.database import driver_options
from assets.source.duckdb_lock import wait_for_file
from assets.source.errors import WarehouseError
from assets.source.psycopg_times import load_times_as_text_on_error


def open_engine(address: str, failed: str, *, read_only: bool) -> sa.Engine:
    """Return an engine for the warehouse. Nothing is connected yet.

    Args:
        address: SQLAlchemy URL.
        failed: The beginning of an error message: what failed.
        read_only: Open a DuckDB file for reading. Other databases ignore it.

    Raises:
        WarehouseError: The address or its driver cannot be used. The message does not
            hold the address.
    """
    try:
        url = sa.make_url(address)
        is_duckdb = url.get_backend_name() == "duckdb"
        options = driver_options(url)
        if is_duckdb and read_only:
            options["read_only"] = True
        engine = sa.create_engine(url, connect_args=options, poolclass=NullPool)
    # ValueError: a password with `:` or `@`, which its text would quote.
    except (ArgumentError, ImportError, ValueError):
        message = (
            f"{failed}: expected the address of a database whose driver is "
            "installed, got one that SQLAlchemy cannot open. Correct "
            "`warehouse_url` (a password with @, : or / is written "
            "percent-encoded), or install the driver it names."
        )
        raise WarehouseError(message) from None
    if is_duckdb and not read_only and _is_missing_file(url.database):
        # DuckDB would create an empty warehouse there.
        message = (
            f"{failed}: expected a warehouse that answers, got no DuckDB file. "
            "Check `warehouse_url`."
        )
        raise WarehouseError(message)
    if is_duckdb:
        wait_for_file(engine)
    return engine


def connect(
    engine: sa.Engine, failed: str, *, zone: tzinfo | None, buffer_rows: int
) -> sa.Connection:
    """Return a connection that streams its results.

    Args:
        engine: As `open_engine` returns it.
        failed: The beginning of an error message: what failed.
        zone: Time zone of naive columns; None: there are none.
        buffer_rows: Most rows that the driver holds in memory.

    Raises:
        WarehouseError: The warehouse does not answer.
    """
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        cause = type(getattr(error, "orig", None) or error).__name__
        message = (
            f"{failed}: expected a warehouse that answers, "
            f"got {cause} on connecting. Check `warehouse_url`, the network and "
            "the credentials; for DuckDB, that the file exists and that no other "
            "process has it open for writing."
        )
        raise WarehouseError(message) from None
    if engine.dialect.name in {"duckdb", "postgresql"}:
        # Naive columns are compared with the window in this zone.
        connection.exec_driver_sql(f"set timezone = '{zone or 'UTC'}'")
    if engine.driver == "psycopg":
        load_times_as_text_on_error(connection)
    return connection.execution_options(stream_results=True, max_row_buffer=buffer_rows)


def _is_missing_file(database: str | None) -> bool:
    is_file = bool(database) and ":" not in str(database)  # :memory:, md:...
    return is_file and not Path(str(database)).is_file()
