"""A pooler before PostgreSQL may hand each transaction to another session."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import event, text

from assets.ledger.database import Database, LedgerError
from assets.ledger.lock import DestinationBusyError, destination_lock
from support.engine import Bench, many
from support.pooler import Mode, pooled
from support.waiting import wait_until

LOCKS = text(
    "select count(*) from pg_locks where locktype = 'advisory' and database = "
    "(select oid from pg_database where datname = current_database())"
)
HOLDERS = text(
    "select backend_xmin, backend_xid from pg_stat_activity join pg_locks using (pid) "
    "where locktype = 'advisory' and datname = current_database()"
)
SESSION = text("select pg_backend_pid()")


@pytest.fixture(params=["transaction", "session"])
def ledger(
    request: pytest.FixtureRequest, postgres_tables: Database
) -> Iterator[Database]:
    """Empty delivery tables behind a pooler in each mode that has transactions."""
    with through(postgres_tables, request.param) as database:
        yield database


@contextmanager
def through(direct: Database, mode: Mode = "transaction") -> Iterator[Database]:
    """The same tables behind a pooler."""
    with pooled(direct.engine.url.render_as_string(hide_password=False), mode) as url:
        database = Database(url)
        yield database
        database.dispose()


def locks(direct: Database) -> int:
    with direct.read() as connection:
        return int(connection.execute(LOCKS).scalar_one())


def session_of_a_transaction(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(SESSION).scalar_one())


def test_transactions_have_other_sessions_behind_a_pooler(
    postgres_tables: Database,
) -> None:
    with through(postgres_tables) as database:
        sessions = {session_of_a_transaction(database) for _ in range(6)}
        assert len(sessions) > 1


def test_runs_behind_a_pooler_send_everything_and_leave_no_lock(
    ledger: Database, postgres_tables: Database
) -> None:
    bench = Bench(ledger)
    # More statements than make the driver prepare one, in several runs.
    for count in (20, 40, 60):
        with destination_lock(ledger, "shop", max_wait=0) as still_held:
            bench.run(many(count), chunk_rows=10)
            assert still_held()
    assert Counter(bench.states().values()) == {"accepted": 60}
    assert locks(postgres_tables) == 0


def test_one_run_at_a_time_sends_behind_a_pooler(
    ledger: Database, postgres_tables: Database
) -> None:
    other = Database(ledger.engine.url.render_as_string(hide_password=False))
    with destination_lock(ledger, "shop"):
        for _ in range(6):
            with (
                pytest.raises(DestinationBusyError, match="Sending failed for shop"),
                destination_lock(other, "shop", max_wait=0),
            ):
                pass
        assert locks(postgres_tables) == 1
    with destination_lock(other, "shop", max_wait=0):
        pass
    assert locks(postgres_tables) == 0
    other.dispose()


def test_the_lock_of_a_lost_client_ends_behind_a_pooler(
    postgres_tables: Database,
) -> None:
    opened: list[psycopg.Connection] = []
    with through(postgres_tables) as database:
        event.listen(database.engine, "connect", lambda raw, _: opened.append(raw))
        with destination_lock(database, "shop", max_wait=0) as still_held:
            assert locks(postgres_tables) == 1
            for connection in opened:
                connection.close()
            wait_until(lambda: locks(postgres_tables) == 0, "the end of the lock")
            assert not still_held()


def set_for_all(database: Database, setting: str) -> None:
    with database.write() as connection:
        name = database.engine.url.database
        connection.execute(text(f"alter database {name} set {setting}"))
    database.dispose()  # new connections have the setting


def test_the_lock_outlasts_the_timeouts_of_the_server(
    postgres_tables: Database,
) -> None:
    set_for_all(postgres_tables, "idle_in_transaction_session_timeout = 50")
    with destination_lock(postgres_tables, "shop", max_wait=0) as still_held:
        time.sleep(0.3)  # the server's own clock ends an idle transaction
        assert still_held()


def test_the_lock_does_not_keep_vacuum_from_old_rows(
    postgres_tables: Database,
) -> None:
    set_for_all(postgres_tables, "default_transaction_isolation = 'repeatable read'")
    with (
        destination_lock(postgres_tables, "shop", max_wait=0) as still_held,
        postgres_tables.read() as connection,
    ):
        assert connection.execute(HOLDERS).all() == [(None, None)]
        assert still_held()
        assert connection.execute(HOLDERS).all() == [(None, None)]


def test_a_pooler_in_statement_mode_is_refused(postgres_tables: Database) -> None:
    with through(postgres_tables, "statement") as database:
        with pytest.raises(LedgerError, match=r"pooler .* session or transaction mode"):
            database.ensure_version()
        refuses_the_lock(database)


def test_a_pooler_with_one_connection_is_refused(postgres_tables: Database) -> None:
    with through(postgres_tables, "one transaction") as database:
        with pytest.raises(LedgerError, match="with more connections to the server"):
            database.check_connections()
        refuses_the_lock(database)
    assert locks(postgres_tables) == 0


def refuses_the_lock(database: Database) -> None:
    with (
        pytest.raises(LedgerError, match="direct address"),
        destination_lock(database, "shop", max_wait=0),
    ):
        pass
