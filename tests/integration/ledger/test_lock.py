"""Who holds a destination knows that the run before it is gone, to its last commit."""

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


def test_one_run_holds_a_destination_and_the_next_one_is_told(
    database: Database,
) -> None:
    with (
        destination_lock(database, "shop"),
        pytest.raises(DestinationBusyError, match="Sending failed for shop"),
        destination_lock(database, "shop", patience=0),
    ):
        pass
    with destination_lock(database, "shop", patience=0) as still_held:
        assert still_held()


def test_a_commit_that_a_killed_run_had_sent_is_waited_for(ledger: Database) -> None:
    naps: list[float] = []
    with ledger.engine.connect() as dead:
        write(dead)

        def commit_late(seconds: float) -> None:
            naps.append(seconds)
            if len(naps) == 3:
                dead.commit()

        with destination_lock(ledger, "shop", sleep=commit_late):
            assert len(naps) == 3


def test_a_writer_that_never_ends_is_not_waited_for_for_ever(ledger: Database) -> None:
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


def test_who_only_reads_is_not_waited_for(ledger: Database) -> None:
    with ledger.engine.connect() as analyst:
        analyst.execute(text("select * from delivery"))
        clock = Clock()
        with destination_lock(ledger, "shop", sleep=clock.sleep):
            assert clock.naps == []
