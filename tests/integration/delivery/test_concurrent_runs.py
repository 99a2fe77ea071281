"""Several runs on the same deliveries: exactly one of them sends each conversion."""

import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from assets.delivery.lease import LeaseLostError
from assets.ledger.abandoned import release_abandoned
from assets.ledger.database import Database
from assets.ledger.states import State
from assets.providers.base import Limits, Request
from assets.providers.replies import Reply
from support.engine import (
    DEDUPE,
    LOST,
    NEVER,
    Bench,
    Chunk,
    FakeProvider,
    FakeTransport,
    answer,
    many,
    order,
    orders_of,
)

SIZES = (1, 7, 1, 10)
ORDERS = 400


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database)


class SharedJournal:
    """A provider for many processes: it writes one whole line per request.

    Some orders are applied and their reply is lost.
    """

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def send(self, request: Request) -> Reply:
        orders = orders_of(request)
        os.write(self._file, json.dumps(orders).encode() + b"\n")
        return LOST if is_lost(orders) else answer()

    def close(self) -> None:
        os.close(self._file)


def is_lost(orders: Sequence[str]) -> bool:
    return any(one.endswith("77") for one in orders)


def run_alongside(url: str, journal: Path, size: int, start: Barrier) -> None:
    """What each process does."""
    database, transport = Database(url), SharedJournal(journal)
    limits = Limits(conversions_per_request=size, in_flight=8)
    provider = FakeProvider(resend=NEVER, limits=limits)
    start.wait()
    Bench(database, provider, transport).run(many(ORDERS), chunk_rows=100)
    transport.close()
    database.dispose()


@pytest.mark.long
def test_runs_at_the_same_moment_send_each_order_once(
    bench: Bench, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    url = bench.database.engine.url.render_as_string(hide_password=False)
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(len(SIZES))
    runs = [
        context.Process(target=run_alongside, args=(url, journal, size, start))
        for size in SIZES
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    assert [run.exitcode for run in runs] == [0] * len(SIZES)
    sent = [json.loads(line) for line in journal.read_text().splitlines()]
    times = Counter(one for orders in sent for one in orders)
    assert times == dict.fromkeys([one.order_id for one in many(ORDERS)], 1)
    lost = {one for orders in sent if is_lost(orders) for one in orders}
    states = bench.states()
    assert {one for one, state in states.items() if state == "uncertain"} == lost
    assert {state for one, state in states.items() if one not in lost} <= {"accepted"}
    owners = {one["run_id"] for one in bench.attempts("intent")}
    assert owners == {"run-1"}


def test_a_batch_contains_only_claimed_conversions(bench: Bench) -> None:
    orders = many(5)
    limits = Limits(conversions_per_request=5)
    bench.provider = FakeProvider(limits=limits, resend=NEVER)
    sender, other = bench.dispatch()._sender, bench.dispatch()._sender
    other._planner.plan(Chunk(orders), bench.clock())
    exchanges = sender._build([orders])
    (theirs,) = other._claim(other._build([orders[1:3]]))
    (mine,) = sender._claim(exchanges)
    first_of_mine, first_of_theirs = mine.exchange.steps[0], theirs.exchange.steps[0]
    assert orders_of(first_of_mine.request) == ["O00000", "O00003", "O00004"]
    assert orders_of(first_of_theirs.request) == ["O00001", "O00002"]
    assert len(bench.attempts("intent")) == 5
    assert sender._claim(sender._build([orders])) == []


def test_orders_of_a_dead_run_are_sent_by_the_next_one(bench: Bench) -> None:
    def die(_request: Request) -> None:
        raise SystemExit

    delay = timedelta(minutes=45)
    bench.provider.resend = replace(DEDUPE, settle_delay=delay)
    bench.transport = FakeTransport(witness=die)
    with pytest.raises(SystemExit):
        bench.run([order()])
    bench.transport = FakeTransport()
    assert bench.run([order()]).unfinished == 1
    for wait in (timedelta(seconds=121), delay):
        assert bench.transport.sent == []
        bench.clock.now += wait
        bench.run([order()])
    assert bench.states() == {"O1": "accepted"}


def test_a_run_that_was_overtaken_stops(bench: Bench) -> None:
    def overtake(_request: Request) -> None:
        bench.clock.pass_by(seconds=121)
        release_abandoned(bench.ledger(), State.RETRYABLE, "owner_died")

    bench.provider.steps = 2
    bench.transport = FakeTransport(witness=overtake)
    with pytest.raises(LeaseLostError):
        bench.run([order()])
    assert len(bench.transport.sent) == 1
    assert bench.states() == {"O1": "retryable"}
    assert len(bench.attempts("fenced")) == 1


@pytest.mark.parametrize("size", [1, 5])
def test_an_order_that_comes_twice_is_never_sent_twice(bench: Bench, size: int) -> None:
    limits = Limits(conversions_per_request=size, in_flight=4)
    bench.provider = FakeProvider(limits=limits, resend=NEVER)
    # The ledger refuses two intents for one order in one window.
    with suppress(IntegrityError):
        bench.run([order("O1"), order("O2"), *[order("O3")] * 4])
    assert Counter(bench.transport.orders)["O3"] <= 1


@pytest.mark.sampled(1)
def test_a_wide_window_is_claimed_at_once(bench: Bench) -> None:
    wide = Limits(conversions_per_request=50, in_flight=64)
    bench.provider = FakeProvider(limits=wide)
    orders = [order(f"O{n:05}", revenue=Decimal(2**33)) for n in range(2000)]
    (total,) = bench.run(orders, chunk_rows=2000).totals
    assert (total.state, total.orders) == ("accepted", 2000)
    assert total.amount_minor == 2000 * 2**33 * 100
