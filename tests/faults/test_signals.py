"""A run that gets a stop signal, that is frozen, or that meets another run."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select

from assets.ledger.database import Database
from assets.ledger.tables import delivery_attempt
from faults.kill.campaign import Shop, open_shop
from faults.kill.harness import Exporter, wait_until_frozen
from faults.kill.job import Kind, Point

LONG = {"postgresql"}
ORDERS = 60
LEASE = 1.5


@pytest.fixture(scope="module")
def other() -> Iterator[Exporter]:
    with Exporter() as exporter:
        yield exporter


@pytest.fixture(params=["dedupe", "never"])
def shop(request: pytest.FixtureRequest, database: Database) -> Iterator[Shop]:
    kind: Kind = request.param
    with open_shop(kind, database, orders=ORDERS) as shop:
        yield shop


def times_sent(shop: Shop) -> Counter[str]:
    return Counter(one for seen in shop.server.journal for one in seen.orders)


def fenced(shop: Shop) -> int:
    statement = select(delivery_attempt).where(delivery_attempt.c.event == "fenced")
    with shop.database.read() as connection:
        return len(connection.execute(statement).all())


def beside_the_lock(shop: Shop, tmp_path: Path) -> str:
    """URL of the same delivery tables, whose lock another run cannot hold."""
    url = shop.database.engine.url
    if shop.database.folder is not None:
        # The lock lies beside the file by which SQLite is opened.
        (tmp_path / "aside").mkdir()
        aside = tmp_path / "aside" / "ledger.db"
        aside.symlink_to(str(url.database))
        return f"sqlite:///{aside}"
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
        )
    return url.render_as_string(hide_password=False)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_gets_a_stop_signal_records_the_requests_in_flight(
    shop: Shop, exporter: Exporter, number: signal.Signals
) -> None:
    ended = shop.signal_at(exporter, 9, number)
    stopped_by = ended.signal or ended.output.get("error")
    assert stopped_by in {signal.SIGTERM, "KeyboardInterrupt"}
    sent = shop.orders_in("accepted")
    assert sent == set(times_sent(shop))
    assert 9 <= len(sent) < ORDERS
    assert shop.states() == {"accepted": len(sent), "pending": ORDERS - len(sent)}
    assert shop.run_outcomes() == {"stopped_interrupted": 1}
    shop.check()
    shop.finish(exporter)
    shop.check(rerun=lambda: exporter.run(shop.job()))
    assert shop.states() == {"accepted": ORDERS}
    assert set(times_sent(shop).values()) == {1}


@pytest.mark.long
@pytest.mark.parametrize("point", [Point.AFTER_CLAIM, Point.AFTER_ANSWER])
def test_a_run_that_was_frozen_beyond_its_lease_changes_nothing_when_it_wakes(
    shop: Shop, exporter: Exporter, other: Exporter, tmp_path: Path, point: Point
) -> None:
    exporter.start(shop.job(point=point, window=4, freezes=True, lease=LEASE))
    wait_until_frozen(exporter.pid)
    try:
        window = shop.orders_in("sending")
        time.sleep(LEASE)
        taking_over = shop.job(database=beside_the_lock(shop, tmp_path))
        assert other.run(taking_over).output["stop_reason"] is None
        assert shop.orders_in("sending") == set()
        before = shop.states()
    finally:
        exporter.signal(signal.SIGCONT)
    assert exporter.wait().output["error"] == "LeaseLostError"
    shop.check()
    assert fenced(shop) == len(window) > 0
    assert shop.states() == before
    assert set(shop.server.effects.values()) == {1}
    if shop.kind == "never":
        assert shop.orders_in("uncertain") == window
        assert set(times_sent(shop).values()) == {1}
    shop.finish(other)
    shop.check(rerun=lambda: other.run(shop.job()))
    assert shop.run_outcomes()["crashed"] == 1


@pytest.mark.sampled(1)
@pytest.mark.parametrize("lock_timeout", [0.0, 30.0])
def test_of_two_runs_at_the_same_moment_one_waits(
    shop: Shop, exporter: Exporter, other: Exporter, lock_timeout: float
) -> None:
    shop.server.may_answer.clear()
    exporter.start(shop.job())
    shop.server.wait_for(1)
    other.start(shop.job(lock_timeout=lock_timeout))
    if not lock_timeout:
        output = other.wait().output
        assert output["error"] == "DestinationBusyError"
        assert "Wait for it to end" in output["message"]
    shop.server.may_answer.set()
    assert exporter.wait().output["requests"] == ORDERS
    if lock_timeout:
        assert other.wait().output["requests"] == 0
    shop.check(rerun=lambda: exporter.run(shop.job()))
    assert set(times_sent(shop).values()) == {1}
    assert shop.run_outcomes().keys() == {"complete"}


@pytest.mark.sampled(1)
def test_a_signal_while_nothing_is_sent_ends_the_process_at_once(
    shop: Shop, exporter: Exporter, other: Exporter
) -> None:
    shop.server.may_answer.clear()
    exporter.start(shop.job())
    shop.server.wait_for(1)
    other.start(shop.job())
    time.sleep(0.1)
    other.signal(signal.SIGTERM)
    assert other.wait().signal == signal.SIGTERM
    shop.server.may_answer.set()
    assert exporter.wait().output["requests"] == ORDERS
    shop.check()
