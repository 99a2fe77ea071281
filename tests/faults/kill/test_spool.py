"""The delivery tables fail during a run: no outcome is lost, nothing is sent again."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from assets.ledger.database import Database
from faults.kill.campaign import Shop, open_shop
from faults.kill.harness import Exporter, JobResult
from faults.kill.job import BATCH, KINDS, Job, Kind, Point

LONG = {"postgresql"}
REQUEST = 5


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, database: Database) -> Iterator[Shop]:
    kind: Kind = request.param
    with open_shop(kind, database, orders=20 * BATCH[kind], latency=0.02) as shop:
        yield shop


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def outage(database: Database) -> Callable[[], None]:
    """Make the delivery tables unreachable; return a function that repairs them."""
    if database.folder is not None:
        writer = database.engine.execution_options(write=True).connect()
        writer.begin()
        return writer.close
    url = database.engine.url.set(drivername="postgresql")
    name, plain = url.database, url.set(database="postgres")
    connection = psycopg.connect(
        plain.render_as_string(hide_password=False), autocommit=True
    )
    allow = f"alter database {name} with allow_connections "
    connection.execute(f"{allow} false".encode())
    connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
        [name],
    )

    def repair() -> None:
        with closing(connection):
            connection.execute(f"{allow} true".encode())

    return repair


def run_into_outage(shop: Shop, exporter: Exporter, job: Job) -> JobResult:
    """Run; the tables go away while a request waits for its answer."""
    repair: list[Callable[[], None]] = []

    def on_request(number: int) -> bool:
        if number == REQUEST:
            repair.append(outage(shop.database))
        return False

    shop.server.on_request = on_request
    ended = exporter.run(job)
    shop.server.on_request = lambda _number: False
    for one in repair:
        one()
    return ended


def assert_nothing_was_sent_again(shop: Shop, exporter: Exporter) -> None:
    shop.finish(exporter)
    shop.check(rerun=lambda: exporter.run(shop.job()))
    times = Counter(one for seen in shop.server.journal for one in seen.orders)
    assert set(times.values()) == {1}
    assert shop.states() == {"accepted": shop.orders}


@pytest.mark.sampled(1)
def test_outcomes_survive_an_outage(
    shop: Shop, exporter: Exporter, spool: Path
) -> None:
    job = shop.job(spool=str(spool), busy_seconds=0.01)
    output = run_into_outage(shop, exporter, job).output
    assert output["error"] == "LedgerError"
    assert "kept on disk" in output["message"]
    left = shop.orders_in("sending")
    assert len((spool / "shop.jsonl").read_text().splitlines()) == len(left) > 0
    assert exporter.run(shop.job(spool=str(spool))).output["replayed"] == len(left)
    assert not (spool / "shop.jsonl").exists()
    assert_nothing_was_sent_again(shop, exporter)
    assert shop.run_outcomes()["crashed"] == 1


@pytest.mark.sampled(1)
def test_a_killed_run_leaves_its_spool(
    shop: Shop, exporter: Exporter, spool: Path
) -> None:
    job = shop.job(
        spool=str(spool), busy_seconds=0.01, point=Point.AFTER_SPOOL, window=3
    )
    assert run_into_outage(shop, exporter, job).was_killed
    for _ in range(3):
        again = shop.job(spool=str(spool), point=Point.IN_REPLAY, window=0)
        assert exporter.run(again).was_killed
    assert exporter.run(shop.job(spool=str(spool))).output["stop_reason"] is None
    assert_nothing_was_sent_again(shop, exporter)


@pytest.mark.sampled(1)
def test_half_a_line_in_the_spool_is_no_outcome(
    shop: Shop, exporter: Exporter, spool: Path
) -> None:
    job = shop.job(spool=str(spool), busy_seconds=0.01)
    run_into_outage(shop, exporter, job)
    file = spool / "shop.jsonl"
    file.write_text(file.read_text()[:40])
    left = shop.orders_in("sending")
    assert exporter.run(shop.job(spool=str(spool))).output["replayed"] == 0
    assert not file.exists()
    shop.finish(exporter)
    shop.check(rerun=lambda: exporter.run(shop.job()))
    assert shop.orders_in("uncertain") == (left if shop.kind != "dedupe" else set())


@pytest.mark.sampled(1)
def test_nothing_is_sent_whose_intent_cannot_be_written(
    shop: Shop, exporter: Exporter, spool: Path
) -> None:
    shop.kill(exporter, Point.BEFORE_CLAIM, 1)
    repair = outage(shop.database)
    output = exporter.run(shop.job(spool=str(spool), busy_seconds=0.01)).output
    repair()
    assert output["error"] == "LedgerError"
    assert shop.server.journal == []
    assert shop.states() == {"pending": shop.orders}
    assert_nothing_was_sent_again(shop, exporter)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("pages", [0, 2, 5, 8])
def test_a_full_disk_stops_the_run(
    tmp_path: Path, exporter: Exporter, spool: Path, pages: int
) -> None:
    database = Database(f"sqlite:///{tmp_path}/ledger.db")
    database.migrate()
    with open_shop("never", database, orders=100) as shop:
        shop.kill(exporter, Point.BEFORE_CLAIM, 1)
        full = exporter.run(shop.job(spool=str(spool), free_pages=pages))
        assert full.output["error"] == "LedgerError"
        sent = {one for seen in shop.server.journal for one in seen.orders}
        assert len(sent) < shop.orders
        shop.check()
        repaired = exporter.run(shop.job(spool=str(spool)))
        assert repaired.output["requests"] == shop.orders - len(sent)
        assert_nothing_was_sent_again(shop, exporter)
    database.dispose()
