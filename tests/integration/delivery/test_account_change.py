"""An order without a reply is not reported again in a file or to another account."""

from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from assets.delivery.destination import Destination
from assets.delivery.run import deliver
from assets.ledger.database import Database
from assets.ledger.totals import count_needs_human
from assets.providers.base import Request, ResendPolicy
from assets.providers.conversion import Conversion
from assets.providers.idme.provider import IdMe, IdMeSettings
from assets.providers.replies import Reply
from assets.resolution.resolve import resolve
from assets.transport.csv_outbox import CsvOutbox
from assets.transport.outbox import Outbox
from support import engine
from support.engine import DAY, LOST, REFUSED, Bench, Chunk, FakeTransport, answer
from support.trackdesk_account import trackdesk

LONG = {"postgresql"}

URL = "https://events.id.example/orders"


class Always:
    """A transport that gives one reply."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def send(self, request: Request) -> Reply:
        return self.reply

    def close(self) -> None: ...


def idme(**settings: Any) -> Any:
    return IdMe(IdMeSettings(provider="idme", app_id="demo-app", **settings))


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database)


@pytest.fixture
def order(conversion: Callable[..., Conversion]) -> Conversion:
    return conversion(
        order_id="O1",
        identifiers={
            "idme_conversion_tracking_id": "c0ffee",
            "trackdesk_cid": "2d2ce3d8-7c58-4f7f-9e07-0e1b2c3d4e5f",
        },
        tracking_consent=True,
    )


def post(bench: Bench, order: Conversion, reply: Reply, policy: str) -> None:
    bench.provider = idme(endpoint_url=URL, resend_policy=policy)
    bench.transport = Always(reply)
    bench.run([order], limit=1)
    bench.clock.pass_by(hours=1)


def write(bench: Bench, order: Conversion, file: Path) -> int:
    """Run once more, into a file; return what a further run would finish."""
    bench.provider = idme()
    bench.transport = Outbox(file)
    summary = bench.run([order])
    bench.transport.close()
    return summary.unfinished


@pytest.mark.parametrize(
    ("policy", "reply"), [("never", LOST), ("dedupe", LOST), ("dedupe", answer(503))]
)
def test_a_queued_delivery_without_an_address_waits_for_a_person(
    bench: Bench, order: Conversion, tmp_path: Path, policy: str, reply: Reply
) -> None:
    post(bench, order, reply, policy)
    assert bench.row()["first_sent_at"] is not None
    state = {"uncertain": "uncertain", "retryable": "exhausted"}[bench.row()["state"]]
    file = tmp_path / "day.jsonl"
    for _ in range(2):
        assert write(bench, order, file) == 0
        row = bench.row()
        assert (row["state"], row["state_reason"]) == (state, "told_elsewhere")
    assert not file.exists()
    assert count_needs_human(bench.database, first=DAY, last=DAY) == 1


def test_an_order_is_written_after_a_person_declared_it_not_delivered(
    bench: Bench, order: Conversion, tmp_path: Path
) -> None:
    post(bench, order, LOST, "never")
    write(bench, order, tmp_path / "day.jsonl")
    resolve(
        bench.database,
        bench.row()["delivery_id"],
        is_delivered=False,
        by="ada",
        why="ID.me looked",
    )
    write(bench, order, tmp_path / "day.jsonl")
    assert bench.row()["state"] == "staged"


def test_an_order_that_provably_never_left_is_written(
    bench: Bench, order: Conversion, tmp_path: Path
) -> None:
    post(bench, order, REFUSED, "dedupe")
    write(bench, order, tmp_path / "day.jsonl")
    assert bench.row()["state"] == "staged"


def test_orders_that_the_file_could_not_store_are_written_by_the_next_run(
    bench: Bench, order: Conversion, tmp_path: Path
) -> None:
    class Killed(BaseException):
        """The run dies, its line is written."""

    class Dying(Outbox):
        def send(self, request: Request) -> Reply:
            super().send(request)
            raise Killed

    bench.provider = idme()
    bench.transport = Dying(tmp_path / "day.jsonl")
    with pytest.raises(Killed):
        bench.run([order])
    assert bench.row()["state"] == "sending"
    bench.clock.pass_by(hours=1)
    write(bench, order, tmp_path / "day.jsonl")
    assert bench.row()["state"] == "staged"


def test_a_trackdesk_order_is_not_imported_after_it_was_sent(
    bench: Bench, order: Conversion, tmp_path: Path
) -> None:
    bench.provider = trackdesk()  # type: ignore[assignment]
    bench.transport = Always(LOST)
    bench.run([order], limit=1)
    bench.clock.pass_by(hours=1)
    bench.provider = trackdesk(channel="csv")  # type: ignore[assignment]
    bench.transport = CsvOutbox(tmp_path / "day.csv")
    assert bench.run([order]).unfinished == 0
    assert bench.row()["state_reason"] == "told_elsewhere"


class Account:
    """A destination that is pointed at one account or another."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.runs = 0

    def report(self, account: str, reply: Reply | None = None) -> list[str]:
        """Run; return the orders that were reported to the account."""
        self.runs += 1
        told = FakeTransport({"O1": reply} if reply else None)
        deliver(
            Destination(
                name="shop",
                provider_name="fake",
                provider=self.bench.provider,
                mapping_version=f"m {account}",
                account=account,
            ),
            self.bench.database,
            told,
            lambda: [Chunk([engine.order()])],
            partition_key=DAY,
            run_id=f"run {self.runs}",
            zone=UTC,
            limit=1,
            clock=self.bench.clock,
            sleep=self.bench.clock.sleep,
        )
        self.bench.clock.pass_by(hours=1)
        return told.orders


@pytest.mark.sampled(4)
@pytest.mark.parametrize("reply", [LOST, answer(500), engine.words(O1="uncertain")])
@pytest.mark.parametrize("policy", [engine.DEDUPE, engine.NEVER])
def test_nothing_is_reported_to_another_account_that_the_first_may_have(
    bench: Bench, policy: ResendPolicy, reply: Reply
) -> None:
    bench.provider.resend = policy
    destination = Account(bench)
    destination.report("acme", reply)
    for account in ("other", "other", "acme"):
        assert destination.report(account) == []
        assert bench.row()["state_reason"] == "told_elsewhere"
    assert count_needs_human(bench.database, first=DAY, last=DAY) == 1


@pytest.mark.parametrize("reply", [REFUSED, answer(429)])
def test_an_order_that_the_first_account_never_got_is_reported_to_another(
    bench: Bench, reply: Reply
) -> None:
    destination = Account(bench)
    destination.report("acme", reply)
    assert destination.report("other") == ["O1"]


def test_an_order_is_sent_to_the_same_account_again(bench: Bench) -> None:
    destination = Account(bench)
    destination.report("acme", LOST)
    assert destination.report("acme") == ["O1"]


def test_an_order_that_the_first_account_never_accepted_is_sent_to_the_other(
    bench: Bench,
) -> None:
    destination = Account(bench)
    destination.report("acme", LOST)
    destination.report("other")
    resolve(
        bench.database,
        bench.row()["delivery_id"],
        is_delivered=False,
        by="ada",
        why="acme has no such order",
        clock=bench.clock,
    )
    assert destination.report("other", LOST) == ["O1"]
    assert destination.report("other") == ["O1"]
    assert bench.states() == {"O1": "accepted"}
