"""The database of the delivery tables: engine, transactions, migrations.

SQLite (WAL, full durability) and PostgreSQL are supported: both enforce unique keys
and make a claim atomic. The meaning of the rows is in `ledger.py` and `states.py`.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    Table,
    create_engine,
    event,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

import sql
from assets.ledger.rows import Clock, utc_now

BUSY_SECONDS = 60
_PROTOCOL_VIOLATION = "08P01"
VIEWS = (
    "v_delivery_daily",
    "v_reconcile",
    "v_top_reasons",
    "v_withheld",
    "v_needs_human",
    "v_needs_reversal",
)


class LedgerError(Exception):
    """The delivery tables cannot be used. The message says what to do."""


class Database:
    """Transactions on the delivery tables.

    Args:
        url: `sqlite:///<file>` or `postgresql+psycopg://...`; never printed, because
            it may contain a password.

    Raises:
        LedgerError: The URL cannot be parsed, or names another kind of database.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(_parsed(url))
        self._checked = False

    def __repr__(self) -> str:
        return f"Database({self.engine.dialect.name})"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction. On SQLite it holds the write lock from the start."""
        self.ensure_version()
        with _options(self.engine, write=True).begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read-only transaction, which never waits for a writer."""
        self.ensure_version()
        with self.engine.begin() as connection:
            yield connection

    def ensure_version(self) -> None:
        """Create the tables in an empty database; refuse tables of another version.

        Raises:
            LedgerError: The tables belong to another version of this program.
        """
        if self._checked:
            return
        with pooler_explained(), self.engine.connect() as connection:
            current, head = _revision(connection), _head()
            empty = current is None and not inspect(connection).get_table_names()
        if empty:
            self.migrate()
        elif current != head:
            message = (
                f"Opening the delivery tables failed: expected version {head}, got "
                f"{current}. Run `attribution migrate` with the newest program."
            )
            raise LedgerError(message)
        self._checked = True

    def check_connections(self) -> None:
        """Open two transactions at once, as a run does.

        Raises:
            LedgerError: A connection pooler refused.
        """
        with pooler_explained(), self.read() as first:
            first.execute(text("select 1"))
            with self.read() as second:
                second.execute(text("select 1"))

    def migrate(self) -> None:
        """Upgrade tables and views to the version of this program, all or nothing."""
        with _options(self.engine, write=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("select pg_advisory_xact_lock(4711)"))
            _drop_views(connection)
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            for view in VIEWS:
                connection.exec_driver_sql(sql.load(f"views/{view}"))

    def clock(self) -> Clock:
        """Return a clock that starts at the database's time and never jumps.

        Runs on several machines share one time. A machine whose clock is set back
        during a run does not resend outside a provider's deduplication window.
        """
        started, start = time.monotonic(), utc_now()
        if self.engine.dialect.name == "postgresql":
            with self.read() as connection:
                now = connection.execute(select(func.clock_timestamp())).scalar_one()
            start = now.astimezone(UTC)
        return lambda: start + timedelta(seconds=time.monotonic() - started)

    @property
    def folder(self) -> Path | None:
        """Folder of the SQLite file; None for a database server."""
        if self.engine.dialect.name != "sqlite":
            return None
        return Path(self.engine.url.database or "").parent

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def insert_if_new(connection: Connection, table: Table) -> Insert:
    """Return an insert that leaves rows with an existing key unchanged."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def insert_or_update(
    connection: Connection, table: Table, columns: Iterable[str]
) -> Insert:
    """Return an insert that updates `columns` of rows with an existing primary key."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table)
    return cast(
        "Insert",
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={name: statement.excluded[name] for name in columns},
        ),
    )


@contextmanager
def pooler_explained() -> Iterator[None]:
    """Say what to do where a connection pooler refuses what a run needs.

    Raises:
        LedgerError: A pooler refused.
    """
    try:
        yield
    except DBAPIError as error:
        # PgBouncer refuses with this code. PostgreSQL never does in a working driver.
        if getattr(error.orig, "sqlstate", None) != _PROTOCOL_VIOLATION:
            raise
        message = (
            "Opening the delivery tables failed: expected two transactions at once, "
            "got a connection pooler that refuses them. Let the pooler run in session "
            "or transaction mode, with more connections to the server, or put the "
            "direct address of PostgreSQL in `ledger_url`."
        )
        raise LedgerError(message) from None


def driver_options(url: URL) -> dict[str, Any]:
    """Return the options of the driver that let a pooler stand before PostgreSQL.

    A prepared statement belongs to one session of the server. A pooler in transaction
    mode hands the next transaction to another one.
    """
    is_psycopg = (url.get_backend_name(), url.get_driver_name()) == (
        "postgresql",
        "psycopg",
    )
    return {"prepare_threshold": None} if is_psycopg else {}


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        message = (
            "Opening the delivery tables failed: expected a database URL, got one "
            "that cannot be parsed. Correct `ledger_url`; percent-encode a password "
            "with @, : or /."
        )
        # The parser's own message quotes parts of the password.
        raise LedgerError(message) from None


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return create_engine(
            url,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args=driver_options(url),
        )
    if url.get_backend_name() != "sqlite":
        message = (
            "Opening the delivery tables failed: expected a sqlite or postgresql URL, "
            f"got {url.get_backend_name()}. Change ledger_url: an analytic database "
            "does not enforce the unique keys that prevent sending an order twice."
        )
        raise LedgerError(message)
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _options(engine: Engine, *, write: bool) -> Engine:
    return engine.execution_options(write=write)


def _prepare_sqlite(connection: object, _entry: ConnectionPoolEntry) -> None:
    # The driver must not open transactions by itself: BEGIN IMMEDIATE comes first.
    connection.isolation_level = None  # type: ignore[attr-defined]
    for pragma in (
        "journal_mode=wal",
        "synchronous=full",
        "foreign_keys=on",
        f"busy_timeout={BUSY_SECONDS * 1000}",
    ):
        connection.execute(f"pragma {pragma}")  # type: ignore[attr-defined]


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("write")
    connection.exec_driver_sql("begin immediate" if write else "begin")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files(sql) / "ledger"))
    return config


def _head() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _drop_views(connection: Connection) -> None:
    for view in inspect(connection).get_view_names():
        if view.startswith("v_"):
            connection.exec_driver_sql(f'drop view "{view}"')
