"""The holder of the lock knows that the previous run and its commits have ended."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from assets.ledger.database import Database
from assets.ledger.lock import (
    LAST_COMMIT_SECONDS,
    DestinationBusyError,
    destination_lock,
)
from support.engine import Bench, Clock, many


@pytest.fixture
def ledger(postgres_url: str) -> Iterator[Database]:
    """Delivery tables on PostgreSQL with two deliveries in them."""
    database = Database(postgres_url)
    Bench(database).run(many(2))
    yield database
    database.dispose()


def write(connection: Connection) -> None:
    connection.execute(text("update delivery set attempts = attempts + 1"))


def test_a_second_run_of_a_destination_is_refused(
    database: Database,
) -> None:
    with (
        destination_lock(database, "shop"),
        pytest.raises(DestinationBusyError, match="Sending failed for shop"),
        destination_lock(database, "shop", max_wait=0),
    ):
        pass
    with destination_lock(database, "shop", max_wait=0) as still_held:
        assert still_held()


def test_the_pending_commit_of_a_killed_run_is_awaited(ledger: Database) -> None:
    naps: list[float] = []
    with ledger.engine.connect() as dead:
        write(dead)

        def commit_late(seconds: float) -> None:
            naps.append(seconds)
            if len(naps) == 3:
                dead.commit()

        with destination_lock(ledger, "shop", sleep=commit_late):
            assert len(naps) == 3


def test_the_wait_for_a_writer_is_limited(ledger: Database) -> None:
    clock = Clock()

    def elapsed() -> float:
        return clock.now.timestamp()

    with ledger.engine.connect() as frozen:
        write(frozen)
        with destination_lock(
            ledger,
            "shop",
            monotonic=elapsed,
            sleep=clock.sleep,
        ):
            assert sum(clock.naps) == pytest.approx(LAST_COMMIT_SECONDS, abs=0.1)


def test_readers_are_not_awaited(ledger: Database) -> None:
    with ledger.engine.connect() as analyst:
        analyst.execute(text("select * from delivery"))
        clock = Clock()
        with destination_lock(ledger, "shop", sleep=clock.sleep):
            assert clock.naps == []
