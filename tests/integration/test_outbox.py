"""The outbox: prepared, durable, handed to nobody."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from engine import NEVER, Bench, FakeProvider, many, order

from assets.delivery.database import Database
from assets.delivery.outbox import Outbox
from assets.delivery.states import DELIVERED, State
from assets.providers.base import Request
from assets.providers.conversion import Conversion
from assets.providers.replies import Outcome, Phase, Reply, Verdict, classify


class StagingProvider(FakeProvider):
    """A provider without an address."""

    def _read(self, reply: Reply, order_id: str) -> Outcome:
        if reply.phase is not Phase.DONE:
            return classify(reply, resend_is_safe=False)
        return Outcome(verdict=Verdict.STAGED)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "idme" / "2026-11-20.jsonl"


@pytest.fixture
def bench(database: Database, file: Path) -> Bench:
    provider = StagingProvider(resend=NEVER, channel="outbox")
    return Bench(database, provider, Outbox(file))


def request(body: bytes) -> Request:
    return Request(method="POST", url="", headers={}, body=body, path_template="")


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def staged(file: Path) -> list[str]:
    return sorted(one for line in lines(file) for one in json.loads(line)["orders"])


def ids(orders: list[Conversion]) -> list[str]:
    return [one.order_id for one in orders]


def test_a_line_is_durable_before_the_answer(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _file: synced.append(file.read_text()))
    reply = Outbox(file).send(request(b'{"a":1}'))
    assert synced == ['{"a":1}\n']
    assert (reply.phase, reply.status, reply.body) == (Phase.DONE, None, b"")


def test_every_order_is_staged_once_and_none_counts_as_delivered(
    bench: Bench, file: Path
) -> None:
    for _ in range(2):
        summary = bench.run(many(9), chunk_rows=4)
        assert staged(file) == ids(many(9))
        assert {one.state for one in summary.totals} == {State.STAGED}
        assert not {one.state for one in summary.totals} & DELIVERED
    assert {row["accepted_at"] for row in bench.rows().values()} == {None}
    with bench.database.read() as connection:
        (row,) = connection.exec_driver_sql(
            "select staged, delivered, amount_delivered from v_delivery_daily"
        ).all()
    assert tuple(row) == (9, 0, 0)


def test_a_line_left_by_a_dead_run_is_not_written_again(file: Path) -> None:
    Outbox(file).send(request(b"one"))
    heir = Outbox(file)
    for body in (b"one", b"two", b"two"):
        heir.send(request(body))
    assert lines(file) == ["one", "two"]


@pytest.mark.parametrize("torn", ["two", "t", "two\nthr"])
def test_a_torn_last_line_is_removed_and_written_whole(file: Path, torn: str) -> None:
    file.parent.mkdir()
    file.write_text(f"one\n{torn}")
    outbox = Outbox(file)
    for body in (b"one", b"two", b"three"):
        outbox.send(request(body))
    assert lines(file) == ["one", "two", "three"]


def test_after_a_full_disk_no_line_is_glued_to_half_of_another(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(file)
    outbox.send(request(b"one"))

    def fill_up(_file: int) -> None:
        os.truncate(file, len("one\ntw"))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fill_up)
        with pytest.raises(OSError, match="No space"):
            outbox.send(request(b"two"))
    for body in (b"three", b"two"):
        outbox.send(request(body))
    assert lines(file) == ["one", "three", "two"]


def test_a_full_disk_leaves_nothing_staged(
    bench: Bench, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            bench.run([order()])
    assert bench.states()["O1"] != "staged"
    assert bench.row()["accepted_at"] is None


def test_threads_write_whole_lines(file: Path) -> None:
    outbox = Outbox(file)
    bodies = [bytes([65 + number % 26]) * (number * 100 + 1) for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda body: outbox.send(request(body)), bodies * 2))
    assert sorted(lines(file)) == sorted(body.decode() for body in bodies)
