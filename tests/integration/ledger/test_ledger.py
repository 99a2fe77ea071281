"""Planning, claiming and recording deliveries, on both databases."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy.exc

from assets.ledger.abandoned import release_abandoned
from assets.ledger.database import Database
from assets.ledger.delivery_plan import DeliveryPlan
from assets.ledger.delivery_rows import rows_of_orders
from assets.ledger.ledger import Ledger
from assets.ledger.rows import (
    Claimed,
    Decision,
    Result,
    Row,
    delivery_id,
    new_attempt_id,
)
from assets.ledger.states import IllegalTransitionError, State
from support.engine import DAY, NOW, Bench, Clock

SENDABLE = frozenset({State.PENDING, State.RETRYABLE})
LEASE = timedelta(seconds=120)


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database)


@pytest.fixture
def ledger(bench: Bench) -> Ledger:
    return bench.ledger()


def decision(order_id: str = "O1", **changes: Any) -> Decision:
    plain = Decision(
        conversion_key=f"sale:{order_id}",
        order_id=order_id,
        state=State.PENDING,
        order_at=NOW,
        order_date=NOW.date(),
        amount_minor=1234,
        currency="USD",
        currency_digits=2,
        source_hash="s1",
        mapping_version="m1",
    )
    return replace(plain, **changes)


def plan(ledger: Ledger, *decisions: Decision) -> None:
    ids = [one.order_id for one in decisions]
    known = rows_of_orders(ledger, ids)
    DeliveryPlan(ledger).write(
        DAY, [(known.get(one.conversion_key), one) for one in decisions]
    )


def key(order_id: str = "O1") -> str:
    return delivery_id("fake", "shop", f"sale:{order_id}")


def claim(ledger: Ledger, *orders: str) -> dict[str, Claimed]:
    with ledger.database.write() as connection:
        wanted = [key(one) for one in orders or ("O1",)]
        now = ledger.clock()
        recently = now - timedelta(hours=24)
        return ledger.claim(connection, wanted, SENDABLE, now + LEASE, recently)


def attempt(one: Claimed, event: str = "outcome", **changes: Any) -> dict[str, Any]:
    plain = {
        "attempt_id": new_attempt_id(),
        "event": event,
        "delivery_id": one.delivery_id,
        "attempt_no": one.attempt_no,
        "step_no": 0,
        "happened_at": NOW,
        "decided_by": "auto",
    }
    return plain | changes


def result(
    one: Claimed,
    state: State = State.ACCEPTED,
    changes: Mapping[str, Any] | None = None,
) -> Result:
    return Result(
        delivery_id=one.delivery_id,
        attempt_no=one.attempt_no,
        state=state,
        changes=changes or {"state_reason": None},
        attempts=[attempt(one)],
    )


def row_of(ledger: Ledger, order_id: str = "O1") -> Row:
    (row,) = rows_of_orders(ledger, [order_id]).values()
    return row


def test_a_delivery_is_created_once_with_the_same_id_in_every_run(bench: Bench) -> None:
    first, second = bench.ledger(), bench.ledger()
    DeliveryPlan(first).write(DAY, [(None, decision())])
    DeliveryPlan(second).write(DAY, [(None, decision(amount_minor=1))])
    row = bench.row()
    assert row["delivery_id"] == key()
    assert (row["amount_minor"], row["row_version"]) == (1234, 1)


def test_planning_the_same_again_changes_nothing(bench: Bench, ledger: Ledger) -> None:
    known = [
        decision("O1"),
        decision("O2", state=State.SUPPRESSED, reason="no_click_id"),
        decision("O3", state=State.QUARANTINED, reason="no_items"),
    ]
    plan(ledger, *known)
    before = bench.rows()
    bench.clock.pass_by(days=1)
    plan(bench.ledger(), *known)
    assert bench.rows() == before


def test_a_suppressed_delivery_is_sent_once_its_reason_no_longer_applies(
    bench: Bench, ledger: Ledger
) -> None:
    plan(ledger, decision(state=State.SUPPRESSED, reason="no_click_id"))
    assert claim(ledger) == {}
    plan(ledger, decision())
    row = bench.row()
    assert (row["state"], row["state_reason"]) == ("pending", None)
    assert set(claim(ledger)) == {key()}


@pytest.mark.parametrize("state", [State.SUPPRESSED, State.QUARANTINED])
def test_planning_never_changes_a_sent_delivery(
    bench: Bench, ledger: Ledger, state: State
) -> None:
    plan(ledger, decision())
    stale = row_of(ledger)
    (one,) = claim(ledger).values()
    changed = decision(state=state, reason="late", source_hash="s2", amount_minor=1)
    while_sending = bench.row()
    plan(ledger, changed)
    DeliveryPlan(ledger).write(DAY, [(stale, changed)])
    assert bench.row() == while_sending
    ledger.record([result(one)])
    accepted = bench.row()
    plan(ledger, changed)
    assert bench.row() == accepted


def test_no_delivery_is_created_as_sent(ledger: Ledger) -> None:
    with pytest.raises(IllegalTransitionError):
        DeliveryPlan(ledger).write(DAY, [(None, decision(state=State.ACCEPTED))])


def test_only_one_of_two_runs_claims_a_delivery(bench: Bench) -> None:
    first, second = bench.ledger(), bench.ledger()
    plan(first, decision("O1"), decision("O2"), decision("O3"))
    assert set(claim(first, "O1", "O2")) == {key("O1"), key("O2")}
    assert set(claim(second, "O1", "O2", "O3")) == {key("O3")}
    assert claim(second) == {}


def test_a_delivery_that_is_not_due_is_not_claimed(
    bench: Bench, ledger: Ledger
) -> None:
    plan(ledger, decision())
    (one,) = claim(ledger).values()
    due = {"next_attempt_at": NOW + timedelta(seconds=5)}
    ledger.record([result(one, State.RETRYABLE, due)])
    assert claim(ledger) == {}
    bench.clock.pass_by(hours=-1)
    assert claim(ledger) == {}
    bench.clock.pass_by(hours=1, seconds=5)
    (again,) = claim(ledger).values()
    assert (again.attempt_no, again.from_state) == (2, State.RETRYABLE)


def test_a_claim_without_its_intent_is_rolled_back(
    bench: Bench, ledger: Ledger
) -> None:
    plan(ledger, decision())
    before = bench.rows()

    def claim_with_a_broken_intent() -> None:
        with bench.database.write() as connection:
            (one,) = ledger.claim(connection, [key()], SENDABLE, NOW + LEASE).values()
            ledger.write_intents(connection, [attempt(one, "intent")] * 2)

    with pytest.raises(sqlalchemy.exc.IntegrityError):
        claim_with_a_broken_intent()
    assert bench.rows() == before
    assert bench.attempts() == []


def test_a_result_of_a_lost_claim_is_fenced_and_changes_no_state(bench: Bench) -> None:
    slow, quick = bench.ledger(), bench.ledger()
    plan(slow, decision("O1"), decision("O2"))
    lost, kept = claim(slow, "O1", "O2").values()
    if lost.delivery_id != key("O1"):
        lost, kept = kept, lost
    bench.clock.pass_by(seconds=121)
    with bench.database.write() as connection:
        assert slow.renew(connection, [kept], bench.clock() + LEASE)
    assert release_abandoned(quick, State.RETRYABLE, "owner_died") == 1
    (taken,) = claim(quick, "O1").values()
    before = bench.row("O1")

    assert slow.record([result(lost), result(kept)]) == 1
    assert bench.row("O1") == before
    assert bench.row("O2")["state"] == "accepted"
    assert [one["delivery_id"] for one in bench.attempts("fenced")] == [key("O1")]

    assert quick.record([result(taken)]) == 0
    assert bench.row("O1")["state"] == "accepted"


def test_a_lost_lease_is_not_renewed(bench: Bench) -> None:
    slow, quick = bench.ledger(), bench.ledger()
    plan(slow, decision())
    (one,) = claim(slow).values()
    bench.clock.pass_by(seconds=121)
    release_abandoned(quick, State.UNCERTAIN, "owner_died")
    with bench.database.write() as connection:
        assert not slow.renew(connection, [one], bench.clock() + LEASE)


def test_only_expired_claims_are_released(bench: Bench, ledger: Ledger) -> None:
    plan(ledger, decision("O1"), decision("O2"))
    claim(ledger, "O1", "O2")
    successor = bench.ledger()
    for seconds in (119, -3600):
        bench.clock.pass_by(seconds=seconds)
        assert release_abandoned(successor, State.UNCERTAIN, "owner_died") == 0
    bench.clock.pass_by(seconds=3601)
    assert release_abandoned(successor, State.UNCERTAIN, "owner_died") == 2
    assert release_abandoned(successor, State.UNCERTAIN, "owner_died") == 0
    assert set(bench.states().values()) == {"uncertain"}
    assert bench.row()["owner"] is None
    assert [one["reason"] for one in bench.attempts("outcome")] == ["owner_died"] * 2


def test_an_abandoned_claim_counts_as_a_send_from_its_start(bench: Bench) -> None:
    ledger = bench.ledger()
    plan(ledger, decision())
    claim(ledger)
    bench.clock.pass_by(days=2)
    wait = timedelta(minutes=45)
    release_abandoned(bench.ledger(), State.RETRYABLE, "owner_died", wait)
    row = bench.row()
    assert (row["first_sent_at"], row["last_sent_at"]) == (NOW, NOW)
    assert row["next_attempt_at"] == NOW + timedelta(days=2) + wait


def test_a_destination_does_not_release_claims_of_another(database: Database) -> None:
    clock = Clock()
    ours, theirs = (
        Ledger(database, destination=one, provider="fake", run_id="r", clock=clock)
        for one in ("ours", "theirs")
    )
    for ledger in (ours, theirs):
        plan(ledger, decision())
    with database.write() as connection:
        wanted = [delivery_id("fake", "theirs", "sale:O1")]
        theirs.claim(connection, wanted, SENDABLE, NOW + LEASE)
    clock.pass_by(days=1)
    assert release_abandoned(ours, State.UNCERTAIN, "owner_died") == 0
    assert set(rows_of_orders(ours, ["O1"])) == {"sale:O1"}


def test_giving_up_is_recorded_with_its_reason(bench: Bench, ledger: Ledger) -> None:
    plan(ledger, decision("O1"), decision("O2"))
    first, second = claim(ledger, "O1", "O2").values()
    ledger.record([result(first, State.RETRYABLE), result(second, State.UNCERTAIN)])
    rows = rows_of_orders(ledger, ["O1", "O2"]).values()
    DeliveryPlan(ledger).exhaust([(row, "dedup_window_over", None) for row in rows])
    assert set(bench.states().values()) == {"exhausted"}
    assert bench.row()["state_reason"] == "dedup_window_over"


def test_a_delivery_claimed_meanwhile_is_not_given_up(
    bench: Bench, ledger: Ledger
) -> None:
    plan(ledger, decision())
    (one,) = claim(ledger).values()
    ledger.record([result(one, State.RETRYABLE)])
    stale = row_of(ledger)
    claim(bench.ledger())
    DeliveryPlan(ledger).exhaust([(stale, "attempts_used_up", None)])
    assert bench.row()["state"] == "sending"
