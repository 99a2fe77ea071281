"""An order that changes after it was planned or sent is never sent twice."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from assets.delivery.lease import LeaseLostError
from assets.ledger.database import Database
from assets.ledger.tables import data_issue
from assets.providers.base import Request
from assets.providers.eligibility import Ineligible
from support.engine import (
    LOST,
    NEVER,
    REFUSED,
    Bench,
    FakeTransport,
    answer,
    many,
    order,
    words,
)

LONG = {"postgresql"}

NEXT_DAY = "2026-11-21"


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database)


def issues(bench: Bench) -> list[dict[str, Any]]:
    with bench.database.read() as connection:
        found = connection.execute(select(data_issue)).mappings()
        return [dict(row) for row in found]


def needing_a_person(bench: Bench) -> list[tuple[str, str]]:
    with bench.database.read() as connection:
        view = "select order_id, reason from v_needs_human order by order_id"
        return [tuple(row) for row in connection.exec_driver_sql(view)]


def test_every_order_has_its_delivery_before_the_first_request_leaves(
    bench: Bench,
) -> None:
    seen: list[int] = []

    def count(_request: Request) -> None:
        seen.append(len(bench.rows()))

    bench.transport = FakeTransport(witness=count)
    bench.run(many(20), chunk_rows=3)
    assert seen[0] == 20


def test_a_change_after_delivery_is_drift_and_not_sent(bench: Bench) -> None:
    bench.run([order()])
    bench.run([order(promo_code="LATER")])
    assert len(bench.transport.sent) == 1
    assert [(one["code"], one["destination"]) for one in issues(bench)] == [
        ("drift", "shop")
    ]
    assert needing_a_person(bench) == [("O1", "drift")]


def test_drift_is_reported_once_and_then_changes_nothing(bench: Bench) -> None:
    bench.run([order()])
    for _ in range(2):
        bench.run([order(promo_code="LATER")])
    before = bench.rows(), issues(bench)
    bench.run([order(promo_code="LATER")])
    assert (bench.rows(), issues(bench)) == before


def test_a_change_that_is_not_reported_is_no_drift(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.provider, "payload", lambda one: one.order_id.encode())
    bench.run([order()])
    bench.run([order(promo_code="LATER")])
    assert issues(bench) == []
    assert bench.states() == {"O1": "accepted"}


def test_a_rejected_order_that_was_corrected_is_sent_again(bench: Bench) -> None:
    bench.transport = FakeTransport({"O1": [words(O1="rejected"), answer()]})
    bench.run([order()])
    bench.run([order()])
    assert bench.states() == {"O1": "rejected"}
    bench.run([order(promo_code="MENDED")])
    assert bench.states() == {"O1": "accepted"}
    assert len(bench.transport.sent) == 2


def test_an_order_that_moved_to_another_day_is_sent_once(bench: Bench) -> None:
    bench.run([order()])
    moved = order(completed_at=order().completed_at + timedelta(days=1))
    bench.run([moved], partition_key=NEXT_DAY)
    assert len(bench.transport.sent) == 1
    assert bench.row()["partition_key"] == NEXT_DAY
    assert bench.row()["order_at"] == moved.completed_at
    assert bench.states() == {"O1": "accepted"}


def test_an_order_that_became_ineligible_is_not_sent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.transport = FakeTransport({"O1": REFUSED, "O2": LOST})
    bench.run([order("O1"), order("O2")], limit=2)
    assert set(bench.states().values()) == {"retryable"}
    bench.clock.pass_by(hours=1)
    bench.transport = FakeTransport()
    refused = Ineligible("suppressed", "consent_refused", "tracking_consent is false")
    monkeypatch.setattr(bench.provider, "eligibility", lambda _one, _now: refused)
    bench.run([order("O1"), order("O2")])
    assert bench.transport.sent == []
    assert bench.states() == {"O1": "suppressed", "O2": "exhausted"}


def test_an_order_without_a_reply_in_three_nights_waits_for_a_person(
    bench: Bench,
) -> None:
    bench.provider.resend = replace(bench.provider.resend, window=None)
    bench.transport = FakeTransport({"O1": LOST})
    bench.run([order()], limit=1)
    bench.clock.pass_by(hours=73)
    bench.run([order()])
    assert bench.row()["state_reason"] == "retry_horizon_over"
    assert needing_a_person(bench) == [("O1", "retry_horizon_over")]


def test_an_order_lost_in_the_queue_is_not_sent_again(bench: Bench) -> None:
    bench.provider.resend = NEVER
    bench.transport = FakeTransport({"O1": LOST})
    bench.run([order()])
    bench.clock.pass_by(days=30)
    bench.run([order()])
    assert len(bench.transport.sent) == 1
    assert needing_a_person(bench) == [("O1", "no_reply")]


def test_a_run_whose_time_is_over_leaves_the_rest_to_the_next(bench: Bench) -> None:
    limits = replace(bench.provider.limits, requests_per_second=1.0, time_budget_s=60.0)
    bench.provider.limits = limits
    warnings: list[str] = []

    def elapsed() -> float:
        return bench.clock.now.timestamp()

    summary = bench.run(many(200), monotonic=elapsed, on_warning=warnings.append)
    assert "200 conversions take at least 3 minutes" in warnings[0]
    assert str(summary.stop_reason).startswith("time:")
    assert 0 < summary.conversions_sent < 200
    assert summary.unfinished == 200 - summary.conversions_sent


def test_a_day_of_quota_refusals_uses_no_dedup_window(bench: Bench) -> None:
    bench.transport = FakeTransport({"O1": answer(429, retry_after="3600")})
    bench.run([order()])
    bench.clock.pass_by(hours=25)
    bench.transport = FakeTransport()
    bench.run([order()])
    assert bench.states() == {"O1": "accepted"}


@pytest.mark.parametrize(
    ("reply", "state"),
    [(LOST, "exhausted"), (REFUSED, "suppressed"), (None, "suppressed")],
)
def test_an_unfinished_order_that_is_missing_from_the_source_is_ended(
    bench: Bench, reply: Any, state: str
) -> None:
    if reply is None:
        bench.run([order("O1"), order("O2")], limit=1)
    else:
        bench.transport = FakeTransport({"O2": reply})
        bench.run([order("O1"), order("O2")])
    bench.clock.pass_by(hours=1)
    summary = bench.run([order("O1")])
    assert bench.row("O2")["state"] == state
    assert bench.row("O2")["state_reason"] == "order_gone"
    assert summary.unfinished == 0


def test_an_order_quarantined_after_a_failed_try_comes_to_an_end(bench: Bench) -> None:
    bench.transport = FakeTransport({"O1": REFUSED})
    bench.run([order()])
    row = {
        "order_id": "O1",
        "reasons": ["money_mismatch"],
        "order_at": None,
        "amount_minor": None,
        "currency": None,
        "currency_digits": None,
        "source_row_hash": "h",
    }
    assert bench.run([], quarantined=[row]).unfinished == 0
    assert bench.row()["state_reason"] == "money_mismatch"


def test_an_order_reported_as_another_event_is_not_reported_again(bench: Bench) -> None:
    bench.run([order()])
    bench.provider.event = "renamed"
    bench.run([order()])
    assert len(bench.transport.sent) == 1
    with bench.database.read() as connection:
        found = connection.exec_driver_sql(
            "select state, state_reason from delivery order by state"
        ).all()
    assert found == [("accepted", None), ("suppressed", "reported_before")]


def test_an_order_without_a_reply_keeps_the_partition_unfinished(
    bench: Bench,
) -> None:
    bench.provider.resend = replace(
        bench.provider.resend, settle_delay=timedelta(minutes=45)
    )
    bench.transport = FakeTransport({"O1": words(O1="uncertain")})
    summary = bench.run([order()])
    assert summary.unfinished == 1
    assert summary.next_due == bench.clock.now + timedelta(minutes=45)


def test_a_run_that_lost_its_lock_sends_no_more(bench: Bench) -> None:
    held = iter([True, True, False])
    with pytest.raises(LeaseLostError, match="Run this partition again"):
        bench.run(many(20), holds_lock=lambda: next(held))
    assert len(bench.transport.sent) == 3
    assert "sending" not in bench.states().values()


def test_a_changed_order_keeps_the_amount_that_was_sent(bench: Bench) -> None:
    bench.transport = FakeTransport({"O1": [answer(500), answer()]})
    bench.run([order()], limit=1)
    bench.clock.pass_by(hours=1)
    bench.run([order(revenue=Decimal("15.00"))])
    assert bench.states() == {"O1": "accepted"}
    assert bench.row()["amount_minor"] == 1500
    assert issues(bench) == []


def test_a_changed_order_that_was_counted_before_keeps_its_amount_and_is_drift(
    bench: Bench,
) -> None:
    bench.transport = FakeTransport({"O1": [answer(500), words(O1="duplicate")]})
    bench.run([order()], limit=1)
    bench.clock.pass_by(hours=1)
    changed = [order(revenue=Decimal("15.00"))]
    bench.run(changed)
    assert (bench.row()["state_reason"], bench.row()["amount_minor"]) == ("own", 1234)
    assert needing_a_person(bench) == [("O1", "drift")]
    before = bench.rows(), issues(bench)
    bench.run(changed)
    assert (bench.rows(), issues(bench)) == before


def test_an_unsent_order_that_changes_has_the_amount_of_the_source(
    bench: Bench,
) -> None:
    bench.transport = FakeTransport({"O1": REFUSED})
    bench.run([order()], limit=1)
    bench.run([order(revenue=Decimal("15.00"))], limit=1)
    assert bench.row()["amount_minor"] == 1500


def test_the_run_after_a_change_of_an_open_order_changes_nothing(bench: Bench) -> None:
    bench.transport = FakeTransport({"O1": [LOST, answer()]})
    bench.run([order()], limit=1)
    bench.clock.pass_by(hours=1)
    bench.run([order(promo_code="LATER")])
    before = bench.rows()
    bench.run([order(promo_code="LATER")])
    assert bench.rows() == before


class TestRefusedAfterADoubtfulAttempt:
    """A 500 may have counted; the refusal that followed does not undo it."""

    @pytest.fixture
    def refused(self, bench: Bench) -> Bench:
        bench.transport = FakeTransport({"O1": [answer(500), answer(400), answer()]})
        bench.run([order()], limit=1)
        bench.clock.pass_by(hours=1)
        bench.run([order()])
        assert bench.states() == {"O1": "rejected"}
        return bench

    def test_mended_in_time_it_is_sent_again(self, refused: Bench) -> None:
        refused.run([order(promo_code="MENDED")])
        assert refused.states() == {"O1": "accepted"}

    def test_mended_after_the_dedup_window_it_waits_for_a_person(
        self, refused: Bench
    ) -> None:
        refused.clock.pass_by(hours=25)
        refused.run([order(promo_code="MENDED")])
        assert len(refused.transport.sent) == 2
        assert needing_a_person(refused) == [("O1", "dedup_window_over")]

    def test_mended_but_not_sent_in_time_it_waits_for_a_person(
        self, refused: Bench
    ) -> None:
        mended = [order(promo_code="MENDED")]
        refused.run(mended, stop_requested=lambda: True, limit=0)
        refused.clock.pass_by(hours=25)
        refused.run(mended)
        assert len(refused.transport.sent) == 2
        assert needing_a_person(refused) == [("O1", "dedup_window_over")]


def test_a_rejected_order_is_sent_again_each_time_it_is_corrected(bench: Bench) -> None:
    bench.transport = FakeTransport({"O1": [answer(400), answer()]})
    bench.run([order()])
    bench.clock.pass_by(days=30)
    bench.run([order(promo_code="MENDED")])
    assert bench.states() == {"O1": "accepted"}


def reversals(bench: Bench) -> list[tuple[Any, ...]]:
    with bench.database.read() as connection:
        view = "select order_id, state, gone_since from v_needs_reversal order by 1"
        return [tuple(row)[:2] for row in connection.exec_driver_sql(view)]


@pytest.mark.sampled(1)
def test_a_reported_order_that_is_missing_from_the_source_is_recorded(
    bench: Bench,
) -> None:
    bench.transport = FakeTransport({"O00003": words(O00003="queued")})
    bench.run(many(600), chunk_rows=250)
    assert reversals(bench) == []
    before = bench.rows()
    left = [one for one in many(600) if one.order_id not in {"O00003", "O00007"}]
    bench.run(left, chunk_rows=250)
    assert reversals(bench) == [("O00003", "queued"), ("O00007", "accepted")]
    assert bench.rows() == before
    noted = issues(bench)
    bench.clock.pass_by(days=1)
    bench.run(left, chunk_rows=250)
    assert issues(bench) == noted
    bench.run(many(600))
    assert (reversals(bench), issues(bench)) == ([], [])


def test_a_run_that_did_not_see_the_whole_day_records_nothing_as_missing(
    bench: Bench,
) -> None:
    bench.run([order("O1"), order("O2")])
    bench.transport = FakeTransport({"O3": answer(401)})
    bench.run([order("O2"), order("O3")])
    assert reversals(bench) == []


def test_a_quarantined_order_is_not_missing_from_the_source(bench: Bench) -> None:
    bench.run([order("O1")])
    row = dict.fromkeys(("order_at", "amount_minor", "currency", "currency_digits"))
    named = {"order_id": "O1", "reasons": ["no_items"], "source_row_hash": "h"}
    bench.run([order("O2")], quarantined=[row | named])
    bench.run([], quarantined=[row | named])
    assert reversals(bench) == [("O2", "accepted")]
