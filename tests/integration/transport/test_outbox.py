"""The outbox file is durable and complete, and its orders never count as delivered."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from assets.ledger.database import Database
from assets.ledger.states import DELIVERED, State
from assets.providers.base import Request
from assets.providers.conversion import Conversion
from assets.providers.idme.provider import IdMe, IdMeSettings
from assets.providers.replies import Outcome, Phase, Reply, Verdict, classify
from assets.resolution.resolve import Selection, resolve_all
from assets.transport.outbox import Outbox
from support.engine import DAY, NEVER, Bench, FakeProvider, many, order


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


def request(body: bytes, order_id: str | None = None) -> Request:
    """What is prepared of an order; of one of its own where none is named."""
    return Request(
        method="POST",
        url="",
        headers={},
        body=body,
        path_template="",
        order_id=order_id or body.decode(),
    )


def write(file: Path, *requests: Request) -> None:
    outbox = Outbox(file)
    for one in requests:
        outbox.send(one)
    outbox.close()


def journal_of(file: Path) -> Path:
    return file.with_name(f".{file.name}.journal")


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def staged(bench: Bench, file: Path) -> list[str]:
    bench.transport.close()
    return sorted(one for line in lines(file) for one in json.loads(line)["orders"])


def ids(orders: list[Conversion]) -> list[str]:
    return [one.order_id for one in orders]


def test_a_line_is_durable_before_the_answer(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    journal = journal_of(file)
    monkeypatch.setattr(os, "fsync", lambda _file: synced.append(journal.read_text()))
    reply = Outbox(file).send(request(b'{"a":1}', "O1"))
    assert synced == ['"O1"\t{"a":1}\n']
    assert (reply.phase, reply.status, reply.body) == (Phase.DONE, None, b"")


def test_a_request_that_names_no_order_is_not_written(file: Path) -> None:
    nameless = replace(request(b"one"), order_id=None)
    with pytest.raises(ValueError, match="to name its order"):
        Outbox(file).send(nameless)
    assert not file.parent.exists()


def test_a_line_is_byte_for_byte_what_was_prepared(file: Path) -> None:
    body = '{"a": 12.50,"b":"\\té \u2028","c":1E400}'.encode()
    write(file, request(body, 'O"1\t\n'))
    assert file.read_bytes() == body + b"\n"


def test_the_file_has_an_order_once_as_it_was_prepared_last(file: Path) -> None:
    write(file, request(b"12.34", "O1"), request(b"1.00", "O2"))
    write(file, request(b"10.00", "O1"))
    assert lines(file) == ["1.00", "10.00"]
    write(file, request(b"12.34", "O1"))
    assert lines(file) == ["1.00", "12.34"]


def test_the_file_is_never_partly_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, request(b"one"))
    outbox = Outbox(file)
    outbox.send(request(b"two"))
    assert lines(file) == ["one"]

    def fill_up(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fill_up)
        with pytest.raises(OSError, match="No space"):
            outbox.close()
    assert lines(file) == ["one"]
    Outbox(file).close()
    assert lines(file) == ["one", "two"]


def test_a_changed_event_replaces_an_unreported_one(
    database: Database, file: Path, conversion: Callable[..., Conversion]
) -> None:
    account = IdMe(IdMeSettings(provider="idme", app_id="demo-app"))
    bench = Bench(database, account)  # type: ignore[arg-type]
    reported = {
        "identifiers": {"idme_conversion_tracking_id": "c0ffee"},
        "tracking_consent": True,
    }
    for code in ("old", "new"):
        bench.transport = Outbox(file)
        bench.run([conversion(order_id="O1", promo_code=code, **reported)])
        bench.transport.close()
        assert bench.states() == {"O1": "staged"}
        chosen = Selection(destination="shop", first=DAY, last=DAY, state=State.STAGED)
        resolve_all(database, chosen, is_delivered=False, by="ada", why="not taken")
    (line,) = lines(file)
    assert '"new"' in line


def test_every_order_is_staged_once_and_none_counts_as_delivered(
    bench: Bench, file: Path
) -> None:
    for _ in range(2):
        summary = bench.run(many(9), chunk_rows=4)
        assert staged(bench, file) == ids(many(9))
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
    write(file, *map(request, (b"one", b"two", b"two")))
    assert lines(file) == ["one", "two"]
    assert len(lines(journal_of(file))) == 2


@pytest.mark.parametrize("torn", ['"two"\ttwo', '"t', '"two"\ttwo\n"three"\tthr'])
def test_a_torn_last_line_is_removed_and_written_whole(file: Path, torn: str) -> None:
    file.parent.mkdir()
    journal_of(file).write_text(f'"one"\tone\n{torn}')
    write(file, *map(request, (b"one", b"two", b"three")))
    assert lines(file) == ["one", "two", "three"]


def test_after_a_full_disk_no_line_continues_a_partial_one(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(file)
    outbox.send(request(b"one"))

    def fill_up(_file: int) -> None:
        os.truncate(journal_of(file), len('"one"\tone\n"two"\tt'))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fill_up)
        with pytest.raises(OSError, match="No space"):
            outbox.send(request(b"two"))
    for body in (b"three", b"two"):
        outbox.send(request(body))
    outbox.close()
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
    outbox.close()
    assert sorted(lines(file)) == sorted(body.decode() for body in bodies)
