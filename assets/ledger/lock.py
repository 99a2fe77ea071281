"""One run per destination at a time.

A throttle and a comfort: correctness rests on the claims of the ledger. But who holds
this lock knows that the run that held it before is gone, so that nobody has to wait for
the leases of a run that died. The lock goes with its process, killed or not.
"""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from assets.ledger.database import Database

POLL_SECONDS = 0.5
LAST_COMMIT_SECONDS = 10.0
LOCK_WAIT_SECONDS = 3600.0
"""The days of a nightly run take turns at a destination."""

LockCheck = Callable[[], bool]


class DestinationBusyError(Exception):
    """Another run is sending to the same destination; run again when it has ended."""


@contextmanager
def destination_lock(
    database: Database,
    destination: str,
    *,
    max_wait: float = LOCK_WAIT_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[LockCheck]:
    """Hold a destination; wait for whoever holds it.

    Args:
        database: The delivery tables; the lock lies beside them.
        destination: Configured name.
        max_wait: Seconds to wait; 0: not at all.
        monotonic: Seconds of a clock that never jumps.
        sleep: Waits for seconds.

    Yields:
        Tells whether the lock is still ours: a connection may be lost.

    Raises:
        DestinationBusyError: Another run held it all the time.
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
    digest = sha256(f"attribution:{destination}".encode()).digest()
    key = int.from_bytes(digest[:8], "big", signed=True)
    # A session lock on a connection of its own: the server frees it when we die.
    with database.engine.connect() as connection:
        statement = text("select pg_try_advisory_lock(:key)")
        held = bool(connection.execute(statement, {"key": key}).scalar())
        connection.commit()
        try:
            yield partial(_is_alive, connection) if held else None
        finally:
            connection.invalidate()


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
    """Wait for what a killed run still has in work at the server.

    Its lock goes at once, but a COMMIT that was sent is carried out all the same, maybe
    after we looked: what it claimed would be left to the run after ours. No harm is
    done then, for rows are locked until that commit, so nobody waits for ever.
    """
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
        connection.execute(text("select 1"))
        connection.commit()
    except SQLAlchemyError:
        return False
    return True
