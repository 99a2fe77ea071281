"""No change between two runs makes an order reported twice, or lost."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from assets.ledger.database import Database
from assets.ledger.tables import delivery
from assets.providers.base import Request, ResendPolicy
from assets.providers.eligibility import Ineligible
from support.engine import (
    DAY,
    DEDUPE,
    LOST,
    NEVER,
    REFUSED,
    Bench,
    Chunk,
    FakeTransport,
    answer,
    many,
    order,
    orders_of,
    words,
)

LONG = {"postgresql"}

NEXT_DAY = "2026-11-21"
ASKING = replace(DEDUPE, supports_lookup=True)
NO_CONSENT = Ineligible("suppressed", "consent_refused", "tracking_consent is false")
QUARANTINED = {
    "order_id": "O1",
    "reasons": ["no_items"],
    "order_at": None,
    "amount_minor": None,
    "currency": None,
    "currency_digits": None,
    "source_row_hash": "h",
}


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database)


def deliveries(bench: Bench) -> dict[str, tuple[str, str | None]]:
    """Conversion key -> state and reason."""
    with bench.database.read() as connection:
        found = connection.execute(select(delivery)).all()
    return {row.conversion_key: (row.state, row.state_reason) for row in found}


def needing_a_person(bench: Bench) -> list[tuple[Any, ...]]:
    with bench.database.read() as connection:
        view = "select order_id, reason from v_needs_human order by order_id"
        return [tuple(row) for row in connection.exec_driver_sql(view)]


def daily(bench: Bench) -> list[tuple[Any, ...]]:
    with bench.database.read() as connection:
        view = "select orders, delivered, amount from v_delivery_daily"
        found = connection.exec_driver_sql(view)
        return [(*row[:2], float(row[2])) for row in found]


def fail_once(bench: Bench, reply: Any = REFUSED) -> None:
    """One attempt; the next run is an hour later and reaches the provider."""
    bench.transport = FakeTransport({"O1": reply})
    bench.run([order()], limit=1)
    bench.clock.pass_by(hours=1)
    bench.transport = FakeTransport()


def test_an_order_stays_reported_once_however_often_the_event_changes(
    bench: Bench,
) -> None:
    bench.run([order()])
    for event in ("sale2", "sale2", "sale3", "sale2", "sale", "sale2"):
        bench.provider.event = event
        bench.run([order()])
    assert bench.transport.orders == ["O1"]
    found = deliveries(bench)
    assert found.pop("sale:O1") == ("accepted", None)
    assert set(found.values()) == {("suppressed", "reported_before")}
    assert daily(bench) == [(1, 1, 12.34)]


@pytest.mark.parametrize("reply", [REFUSED, None, words(O1="rejected")])
def test_an_order_that_was_never_reported_is_reported_as_the_new_event(
    bench: Bench, reply: Any
) -> None:
    if reply is None:
        bench.run([*many(1), order()], limit=1)
    else:
        fail_once(bench, reply)
    bench.transport = FakeTransport()
    bench.provider.event = "sale2"
    summary = bench.run([order()])
    assert bench.transport.orders == ["O1"]
    assert deliveries(bench)["sale:O1"] == ("suppressed", "event_changed")
    assert deliveries(bench)["sale2:O1"] == ("accepted", None)
    assert summary.unfinished == 0
    assert needing_a_person(bench) == []


@pytest.mark.parametrize("policy", [DEDUPE, ASKING])
def test_an_order_without_a_reply_of_an_earlier_event_waits_for_a_person(
    bench: Bench, policy: ResendPolicy
) -> None:
    bench.provider.resend = replace(policy, settle_delay=timedelta(minutes=45))
    fail_once(bench, words(O1="uncertain"))
    bench.provider.event = "sale2"
    bench.clock.pass_by(hours=30)
    summary = bench.run([order()])
    assert bench.transport.orders == []
    assert summary.unfinished == 0
    assert needing_a_person(bench) == [("O1", "event_changed")]


def test_a_reported_order_is_found_in_the_day_to_which_it_moved(bench: Bench) -> None:
    bench.run([order()])
    bench.provider.event = "sale2"
    moved = order(completed_at=order().completed_at + timedelta(days=1))
    bench.run([moved], partition_key=NEXT_DAY)
    with bench.database.read() as connection:
        keys = connection.execute(select(delivery.c.partition_key)).scalars()
        assert set(keys) == {NEXT_DAY}
    assert bench.transport.orders == ["O1"]


@pytest.mark.parametrize("reply", [LOST, words(O1="uncertain")])
def test_a_policy_changed_to_never_applies_to_unknown_outcomes(
    bench: Bench, reply: Any
) -> None:
    fail_once(bench, reply)
    bench.provider.resend = NEVER
    summary = bench.run([order()])
    assert bench.transport.orders == []
    assert bench.states() == {"O1": "uncertain"}
    assert summary.unfinished == 0
    assert [order_id for order_id, _ in needing_a_person(bench)] == ["O1"]


def test_unavailable_for_a_time_is_no_send_where_nothing_is_repeated(
    bench: Bench,
) -> None:
    bench.provider.resend = NEVER
    fail_once(bench, answer(503, retry_after="40"))
    bench.run([order()])
    assert bench.transport.orders == ["O1"]
    assert bench.states() == {"O1": "accepted"}


def test_no_repeat_leaves_after_the_window_however_long_the_run(bench: Bench) -> None:
    orders = many(60)
    last = orders[-1]
    bench.transport = FakeTransport({last.order_id: LOST})
    bench.run([last], limit=1)
    bench.clock.pass_by(hours=23)

    def slow(_request: Request) -> None:
        bench.clock.pass_by(minutes=3)

    bench.transport = FakeTransport(witness=slow)
    bench.run(orders)
    assert last.order_id not in bench.transport.orders
    assert len(bench.transport.orders) == 59


def test_an_order_that_moved_to_another_day_is_not_lost(bench: Bench) -> None:
    fail_once(bench)
    bench.run([], partition_key=DAY)
    assert bench.row()["state_reason"] == "order_gone"
    moved = order(completed_at=order().completed_at + timedelta(days=1))
    bench.run([moved], partition_key=NEXT_DAY)
    assert bench.transport.orders == ["O1"]
    assert bench.row()["partition_key"] == NEXT_DAY


def test_an_order_without_a_reply_that_moved_is_sent_again_on_its_new_day(
    bench: Bench,
) -> None:
    fail_once(bench, LOST)
    bench.run([], partition_key=DAY)
    assert bench.states() == {"O1": "exhausted"}
    moved = order(completed_at=order().completed_at + timedelta(days=1))
    bench.run([moved], partition_key=NEXT_DAY)
    assert bench.transport.orders == ["O1"]


def test_an_order_without_a_reply_that_moved_too_late_waits_for_a_person(
    bench: Bench,
) -> None:
    fail_once(bench, LOST)
    bench.run([], partition_key=DAY)
    bench.clock.pass_by(hours=30)
    bench.run([order()])
    assert bench.transport.orders == []
    assert needing_a_person(bench) == [("O1", "dedup_window_over")]


def test_an_order_that_can_be_looked_up_is_not_exhausted_with_its_row(
    bench: Bench,
) -> None:
    bench.provider.resend = ASKING
    fail_once(bench, answer(500))
    bench.run([])
    assert bench.states() == {"O1": "uncertain"}


def test_an_order_without_a_reply_until_the_window_is_over_is_looked_up(
    bench: Bench,
) -> None:
    bench.provider.resend = ASKING
    fail_once(bench, answer(500))
    bench.clock.pass_by(hours=24)
    summary = bench.run([order()])
    assert bench.transport.orders == []
    assert bench.states() == {"O1": "uncertain"}
    assert summary.unfinished == 0


def quarantine(bench: Bench) -> None:
    bench.run([], quarantined=[QUARANTINED])


def break_mapping(bench: Bench) -> None:
    bench.provider.unbuildable = {"O1"}
    bench.run([order()])
    bench.provider.unbuildable = set()


@pytest.mark.parametrize("fault", [quarantine, break_mapping])
@pytest.mark.parametrize(
    ("reply", "meanwhile"), [(REFUSED, "quarantined"), (LOST, "exhausted")]
)
def test_a_corrected_source_error_ends_no_delivery(
    bench: Bench, fault: Callable[[Bench], None], reply: Any, meanwhile: str
) -> None:
    fail_once(bench, reply)
    fault(bench)
    assert bench.states() == {"O1": meanwhile}
    assert bench.transport.orders == []
    bench.run([order()])
    assert bench.transport.orders == ["O1"]
    assert bench.states() == {"O1": "accepted"}


def test_consent_withdrawn_while_an_order_waited_suppresses_it(bench: Bench) -> None:
    bench.transport = FakeTransport({"O1": answer(429, retry_after="40")})
    bench.run([order()])
    bench.clock.pass_by(seconds=15)
    bench.transport = FakeTransport()
    bench.provider.ineligible["O1"] = NO_CONSENT
    bench.run([order(), order("O2")])
    assert bench.transport.orders == ["O2"]


def test_a_day_that_is_extracted_again_meanwhile_is_assessed_again(
    bench: Bench,
) -> None:
    reads: list[list[Chunk]] = []

    def chunks() -> list[Chunk]:
        reads.append([Chunk([order()])])
        if len(reads) > 1:
            bench.provider.ineligible["O1"] = NO_CONSENT
        return reads[-1]

    bench.dispatch().run(chunks)
    assert bench.transport.orders == []
    bench.run([order()])
    assert bench.states() == {"O1": "suppressed"}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("reply", [answer(429), words(O1="retryable")])
def test_a_try_that_was_not_processed_uses_no_attempt(bench: Bench, reply: Any) -> None:
    bench.provider.outcome_fields = {"reason": "link_failed"}
    for _ in range(31):
        fail_once(bench, reply)
    bench.provider.outcome_fields = {}
    fail_once(bench, answer(500))
    bench.run([order()])
    assert bench.transport.orders == ["O1"]
    assert bench.row()["attempts"] == 33


@pytest.mark.sampled(1)
def test_thirty_attempts_are_the_maximum_however_often_it_had_to_wait(
    bench: Bench,
) -> None:
    bench.provider.resend = replace(DEDUPE, window=None)
    for reply in (answer(429), *[answer(500)] * 30):
        fail_once(bench, reply)
    bench.run([order()])
    assert bench.transport.orders == []
    assert needing_a_person(bench) == [("O1", "attempts_used_up")]


def test_orders_of_a_killed_run_wait_for_a_person_where_nothing_is_repeated(
    bench: Bench,
) -> None:
    bench.provider.resend = NEVER

    def die(request: Request) -> None:
        raise KeyboardInterrupt(orders_of(request))

    bench.transport = FakeTransport(witness=die)
    with pytest.raises(KeyboardInterrupt):
        bench.run([order()])
    bench.clock.pass_by(hours=1)
    bench.transport = FakeTransport()
    bench.run([order()])
    assert bench.transport.orders == []
    assert needing_a_person(bench) == [("O1", "owner_died")]
