"""One run per destination at a time.

The lock is a throttle; correctness rests on the claims of the ledger. The holder also
knows that the previous run of the destination has ended, so that it need not wait for
the leases of a crashed run. The operating system or the database server releases the
lock when its process ends, for whatever reason.
"""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from assets.ledger.database import Database, pooler_explained

POLL_SECONDS = 0.5
LAST_COMMIT_SECONDS = 10.0
"""Longest wait for the last commit of a killed run."""
LOCK_WAIT_SECONDS = 3600.0
"""Longest wait for the lock: partitions of a nightly run take turns."""

LockCheck = Callable[[], bool]
"""Returns whether the lock is still held; a database connection may be lost."""


class DestinationBusyError(Exception):
    """Another run is sending to the same destination. Run again when it has ended."""


@contextmanager
def destination_lock(
    database: Database,
    destination: str,
    *,
    max_wait: float = LOCK_WAIT_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[LockCheck]:
    """Hold the lock of a destination; wait while another run holds it.

    Args:
        database: The delivery tables. The lock is a file beside a SQLite file, or an
            advisory lock of a PostgreSQL server, also behind a connection pooler.
        destination: Configured name.
        max_wait: Seconds to wait for the lock; 0: try once.
        monotonic: Returns the seconds of a clock that never jumps.
        sleep: Waits for a number of seconds.

    Yields:
        A function that returns whether the lock is still held.

    Raises:
        DestinationBusyError: Another run held the lock for `max_wait` seconds.
        LedgerError: A connection pooler refused.
    """
    deadline = monotonic() + max_wait
    lock = _on_postgresql if database.folder is None else _on_file
    while True:
        with lock(database, destination) as held:
            if held is not None:
                if database.folder is None:
                    _await_last_commit(database, monotonic, sleep)
                yield held
                return
        if monotonic() >= deadline:
            message = (
                f"Sending failed for {destination}: expected to be the only run for "
                "this destination, got another one at work. Wait for it to end, then "
                "run again."
            )
            raise DestinationBusyError(message)
        sleep(POLL_SECONDS)


@contextmanager
def _on_postgresql(database: Database, destination: str) -> Iterator[LockCheck | None]:
    """Hold an advisory lock as long as a transaction is open.

    A lock of the session would be left behind by a pooler, which hands each transaction
    to another session of the server.
    """
    digest = sha256(f"attribution:{destination}".encode()).digest()
    key = int.from_bytes(digest[:8], "big", signed=True)
    with pooler_explained():
        connection = database.engine.connect()
    with connection:
        try:
            held = _try_lock(connection, key)
            yield partial(_is_alive, connection) if held else None
        finally:
            # A pooler logs clients that leave a transaction; a lost one has ended.
            with suppress(SQLAlchemyError):
                connection.rollback()
            connection.invalidate()


def _try_lock(connection: Connection, key: int) -> bool:
    # A snapshot would stop VACUUM for as long as the transaction is open. This level
    # keeps none, nor does a statement without parameters.
    connection.execution_options(isolation_level="READ COMMITTED")
    with pooler_explained():
        connection.execute(_UNLIMITED)
        statement = f"select pg_try_advisory_xact_lock({key})"
        return bool(connection.exec_driver_sql(statement).scalar())


_UNLIMITED = text(
    """
    select set_config(name, '0', true)
    from pg_settings
    where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')
    """
)
"""Lets this transaction last. Older servers know the first setting only."""

_WRITERS = text(
    """
    select distinct virtualtransaction
    from pg_locks
    where
        database = (select oid from pg_database where datname = current_database())
        and relation in (to_regclass('delivery'), to_regclass('export_run'))
        and mode in ('RowShareLock', 'RowExclusiveLock')
        and granted
    """
)


def _await_last_commit(
    database: Database, monotonic: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    """Wait for transactions that a killed run still has open at the server.

    The server releases the lock of a killed run at once, but still executes a COMMIT
    that was sent. Without this wait, this run could miss the claims in that commit and
    leave them to the next run. That is harmless, because rows are locked until the
    commit, so the wait is limited.
    """
    with pooler_explained():
        before, deadline = _writers(database), monotonic() + LAST_COMMIT_SECONDS
        while before & _writers(database) and monotonic() < deadline:
            sleep(POLL_SECONDS / 10)


def _writers(database: Database) -> set[str]:
    with database.engine.connect() as connection:
        return set(connection.execute(_WRITERS).scalars())


@contextmanager
def _on_file(database: Database, destination: str) -> Iterator[LockCheck | None]:
    folder = database.folder or Path()
    with (folder / f".{destination}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield lambda: True


def _is_alive(connection: Connection) -> bool:
    try:
        # `pg_stat_activity` shows the comment beside the open transaction.
        connection.execute(text("select 1 -- the lock of a destination"))
    except SQLAlchemyError:
        return False
    return True
