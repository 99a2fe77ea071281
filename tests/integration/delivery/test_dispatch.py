"""One partition delivered to one destination: money-safe, whatever happens."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from assets.ledger.database import Database
from assets.providers.base import Limits, Request
from assets.providers.eligibility import Ineligible
from support.engine import (
    DEDUPE,
    LOST,
    NEVER,
    NOW,
    SECRET,
    Bench,
    Chunk,
    FakeProvider,
    FakeTransport,
    answer,
    many,
    order,
    orders_of,
    words,
)

BATCHED = Limits(conversions_per_request=5, in_flight=2)


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database)


def test_every_order_ends_in_exactly_one_state(bench: Bench) -> None:
    orders = many(10)
    bench.provider.ineligible = {
        "O00001": Ineligible("suppressed", "no_click_id", "d" * 9)
    }
    bench.provider.unbuildable = {"O00002"}
    bench.transport = FakeTransport(
        {
            "O00003": words(O00003="rejected"),
            "O00004": LOST,
            "O00005": words(O00005="queued"),
            "O00006": answer(409),
            "O00007": answer(400),
        }
    )
    summary = bench.run(orders)
    assert bench.states() == {
        "O00000": "accepted",
        "O00001": "suppressed",
        "O00002": "quarantined",
        "O00003": "rejected",
        "O00004": "retryable",
        "O00005": "queued",
        "O00006": "duplicate",
        "O00007": "rejected",
        "O00008": "accepted",
        "O00009": "accepted",
    }
    assert sum(one.orders for one in summary.totals) == 10
    assert sum(one.amount_minor for one in summary.totals) == 12340
    assert summary.unfinished == 1


@pytest.mark.sampled(3)
@pytest.mark.parametrize("limits", [Limits(in_flight=4), BATCHED])
@pytest.mark.parametrize("steps", [1, 3])
def test_an_intent_stands_before_a_byte_leaves(
    bench: Bench, database: Database, limits: Limits, steps: int
) -> None:
    seen: list[str] = []

    def witness(request: Request) -> None:
        step = json.loads(request.body)["step"]
        intents = {
            one["request_json"]["order_id"]
            for one in bench.attempts("intent")
            if (one["request_hash"], one["step_no"]) == (request.hash, step)
        }
        assert intents == set(orders_of(request))
        rows = bench.rows()
        assert {rows[one]["state"] for one in intents} == {"sending"}
        seen.extend(intents)

    bench.provider = FakeProvider(limits=limits, steps=steps)
    bench.transport = FakeTransport(witness=witness)
    summary = bench.run(many(12))
    assert set(bench.states().values()) == {"accepted"}
    assert len(seen) == 12 * steps
    assert len(bench.attempts("intent")) == len(bench.attempts("outcome")) == 12 * steps
    assert summary.requests == len(bench.transport.sent)


def test_a_rerun_of_a_finished_day_sends_nothing_and_changes_nothing(
    bench: Bench,
) -> None:
    bench.provider.ineligible = {
        "O00003": Ineligible("suppressed", "no_click_id", "none stored")
    }
    bench.run(many(8), chunk_rows=3)
    rows, attempts = bench.rows(), bench.attempts()
    bench.clock.pass_by(days=1)
    bench.transport = FakeTransport()
    summary = bench.run(many(8), chunk_rows=3)
    assert (summary.requests, bench.transport.sent) == (0, [])
    assert (bench.rows(), bench.attempts()) == (rows, attempts)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("policy", [DEDUPE, NEVER])
def test_the_next_run_sends_exactly_what_failed(bench: Bench, policy: Any) -> None:
    orders = many(20)
    failing = {one.order_id for one in orders[::3]}
    bench.provider = FakeProvider(resend=policy)
    bench.transport = FakeTransport(dict.fromkeys(failing, answer(429)))
    assert bench.run(orders).unfinished == len(failing)
    bench.clock.pass_by(hours=1)
    bench.transport = FakeTransport()
    assert bench.run(orders).unfinished == 0
    assert sorted(bench.transport.orders) == sorted(failing)
    assert set(bench.states().values()) == {"accepted"}


def test_a_lost_reply_is_asked_again_where_the_provider_dedupes(bench: Bench) -> None:
    bench.transport = FakeTransport({"O1": [LOST, answer(409)]})
    bench.run([order()])
    row = bench.row()
    assert (row["state"], row["state_reason"]) == ("duplicate", "own")
    assert bench.transport.orders == ["O1", "O1"]


def test_no_repeat_leaves_after_the_dedup_window(bench: Bench) -> None:
    orders = [order("O2"), order("O1")]  # not sorted, as they ought to be
    bench.transport = FakeTransport({"O1": LOST})
    bench.run(orders)
    bench.transport = FakeTransport({"O1": answer(401)})
    bench.clock.pass_by(hours=23)
    bench.run(orders)
    assert bench.row()["state"] == "retryable"
    bench.clock.pass_by(hours=2)
    bench.transport = FakeTransport()
    bench.run(orders)
    row = bench.row()
    assert (row["state"], row["state_reason"]) == ("exhausted", "dedup_window_over")
    assert bench.transport.sent == []


def test_a_lost_reply_is_never_followed_by_a_second_request(bench: Bench) -> None:
    bench.provider = FakeProvider(resend=NEVER)
    bench.transport = FakeTransport({"O1": LOST})
    for _ in range(3):
        bench.run([order()])
        bench.clock.pass_by(days=1)
    assert bench.states() == {"O1": "uncertain"}
    assert bench.transport.orders == ["O1"]


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_wrong_settings_cost_one_request_and_no_order(
    bench: Bench, status: int
) -> None:
    orders = many(20)
    script = dict.fromkeys([one.order_id for one in orders], answer(status))
    bench.transport = FakeTransport(script)
    summary = bench.run(orders)
    assert len(bench.transport.sent) == summary.requests == 1
    assert summary.stop_reason == f"configuration: http_{status}"
    assert set(bench.states().values()) == {"pending"}
    bench.transport = FakeTransport()
    assert bench.run(orders).unfinished == 0


def test_credentials_revoked_on_the_way_cost_one_window(bench: Bench) -> None:
    orders = many(40)
    late = [one.order_id for one in orders[20:]]
    bench.transport = FakeTransport(dict.fromkeys(late, answer(401)))
    assert bench.run(orders).unfinished == 20
    assert len(bench.transport.sent) <= 20 + 4
    assert set(bench.states().values()) == {"accepted", "pending"}


@pytest.mark.parametrize("limits", [Limits(in_flight=4), BATCHED])
def test_an_order_that_cannot_be_built_does_not_hold_up_the_others(
    bench: Bench, limits: Limits
) -> None:
    bench.provider = FakeProvider(limits=limits, unbuildable={"O00001"})
    bench.run(many(7))
    states = bench.states()
    assert states.pop("O00001") == "quarantined"
    assert set(states.values()) == {"accepted"}
    row = bench.row("O00001")
    assert (row["state_reason"], row["attempts"]) == ("payload_error", 0)
    assert "mapping" not in row["state_detail"]


@pytest.mark.parametrize("limits", [Limits(in_flight=4), BATCHED])
def test_an_order_that_would_reveal_a_customer_s_address_is_not_sent(
    bench: Bench, limits: Limits
) -> None:
    bench.provider = FakeProvider(limits=limits)
    bench.run(
        [order("O1"), order("O2", promo_code="for jane@example.org"), order("O3")]
    )
    assert bench.states() == {"O1": "accepted", "O2": "quarantined", "O3": "accepted"}
    row = bench.row("O2")
    assert (row["state_reason"], row["attempts"]) == ("pii_in_payload", 0)
    assert "jane" not in row["state_detail"]
    assert "O2" not in bench.transport.orders


@pytest.mark.parametrize("fault", ["unreadable", "incomplete"])
@pytest.mark.parametrize(("policy", "again"), [(DEDUPE, True), (NEVER, False)])
def test_a_broken_module_is_recorded_then_raised(
    bench: Bench, fault: str, policy: Any, again: bool
) -> None:
    bench.provider = FakeProvider(resend=policy, **{fault: {"O1"}})
    with pytest.raises((RuntimeError, ValueError)):
        bench.run([order()])
    row = bench.row()
    assert (row["state"], row["state_reason"]) == ("uncertain", "internal_error")
    assert bench.attempts("outcome")[0]["http_status"] == 200
    bench.provider = FakeProvider(resend=policy)
    bench.run([order()])
    assert bench.transport.orders == ["O1"] * (2 if again else 1)


def test_quarantined_orders_have_their_delivery(bench: Bench) -> None:
    row = {
        "order_id": "O2",
        "order_at": NOW,
        "amount_minor": 10**12,
        "currency": "KWD",
        "currency_digits": 3,
        "reasons": ["money_mismatch", "x" * 600],
        "source_row_hash": "h",
    }
    unread = row | {"order_id": "O3", "order_at": None, "amount_minor": None}
    bench.run([order("O1")], quarantined=[row, unread])
    assert bench.states() == {
        "O1": "accepted",
        "O2": "quarantined",
        "O3": "quarantined",
    }
    assert bench.row("O2")["state_reason"] == "money_mismatch"
    bench.run([order("O1"), order("O2")], quarantined=[unread])
    assert bench.states()["O2"] == "accepted"


def test_a_limited_run_sends_so_many_and_the_next_one_the_rest(bench: Bench) -> None:
    assert bench.run(many(10), limit=3, chunk_rows=4).conversions_sent == 3
    assert len(bench.transport.sent) == 3
    bench.run(many(10), chunk_rows=4)
    assert sorted(bench.transport.orders) == [one.order_id for one in many(10)]


def test_a_retry_waits_for_its_moment_inside_the_run(bench: Bench) -> None:
    bench.transport = FakeTransport({"O1": [answer(429, retry_after="7"), answer()]})
    bench.run([order()])
    assert bench.states() == {"O1": "accepted"}
    assert bench.clock.naps == [7.0]


def test_a_far_retry_is_left_to_the_next_run(bench: Bench) -> None:
    bench.transport = FakeTransport({"O1": answer(429, retry_after="1000000000000")})
    assert bench.run([order()]).unfinished == 1
    assert bench.clock.naps == []
    assert bench.row()["next_attempt_at"] == NOW + timedelta(days=1)


def test_a_provider_s_text_is_stored_without_secrets_and_fits(bench: Bench) -> None:
    body = b"\x00" * 8185 + SECRET.encode() + b"\xff" * 9000
    bench.provider.outcome_fields = {
        "detail": f"{SECRET}\x00\ud800" + "d" * 600,
        "provider_status": f"\ud800{SECRET}\x00" + "s" * 99,
        "reason": "r" * 99,
        "provider_ref": "f" * 300,
    }
    rejected = replace(words(O1="rejected"), headers={})
    bench.transport = FakeTransport({"O1": rejected, "O2": answer(400, body)})
    bench.run([order("O1"), order("O2")])
    assert set(bench.states().values()) == {"rejected"}
    stored = repr((bench.rows(), bench.attempts()))
    assert SECRET not in stored
    assert SECRET[:4] not in stored
    assert bench.row("O1")["provider_ref"] is None


ODD = [
    "a b",
    "%s",
    "'; drop table delivery; --",
    "é",
    "e\u0301",
    "\u202eO",
    "🛒",
    "Z" * 120,
]


def test_odd_order_ids_are_kept_apart_and_sent_once(bench: Bench) -> None:
    orders = [order(one) for one in sorted(ODD)]
    for size in (1, 3, 8):
        bench.run(orders, chunk_rows=size)
    assert sorted(bench.transport.orders) == sorted(ODD)
    assert bench.states() == dict.fromkeys(ODD, "accepted")


def test_the_order_and_size_of_chunks_change_nothing(bench: Bench) -> None:
    bench.run(many(6)[::-1], chunk_rows=4)
    bench.run(many(6)[3:] + many(6)[:3])
    assert bench.run([]).requests == 0
    assert bench.dispatch().run(lambda: [Chunk([]), Chunk(many(6))]).requests == 0
    assert sorted(bench.transport.orders) == [one.order_id for one in many(6)]


def test_a_refused_plan_sends_nothing_and_stays_planned(bench: Bench) -> None:
    summary = bench.run([order("O1"), order("O2")], refusal=lambda: "guard: refused")
    assert (summary.requests, summary.stop_reason) == (0, "guard: refused")
    assert bench.states() == {"O1": "pending", "O2": "pending"}
