"""The outcome of an attempt sets the new state and columns of its delivery."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from assets.delivery import outcomes
from assets.ledger.rows import Claimed
from assets.ledger.states import TRANSITIONS, State
from assets.providers.base import ResendPolicy
from assets.providers.replies import Outcome, Verdict
from support.engine import DEDUPE, NEVER, NOW, FakeProvider

EARLIER = NOW - timedelta(hours=3)
SENT_FROM = (State.PENDING, State.RETRYABLE, State.UNCERTAIN)


CONTENT = {
    "amount_minor": 1500,
    "currency": "USD",
    "currency_digits": 2,
    "source_hash": "row",
    "mapping_version": "m1",
    "payload_hash": "payload",
}


def claimed(
    from_state: State = State.PENDING,
    first_sent_at: datetime | None = None,
    **known: Any,
) -> Claimed:
    plain = {"source_hash": "row", "mapping_version": "m1"}
    return Claimed(
        delivery_id="d",
        attempt_no=1,
        from_state=from_state,
        first_sent_at=first_sent_at,
        **plain | known,
    )


def apply(
    verdict: Verdict,
    claim: Claimed | None = None,
    provider: FakeProvider | None = None,
    *,
    may_have_left: bool = True,
    **said: Any,
) -> tuple[State, dict[str, Any]]:
    state, changes = outcomes.apply(
        Outcome(verdict=verdict, **said),
        claim or claimed(),
        provider or FakeProvider(),
        now=NOW,
        may_have_left=may_have_left,
        content=CONTENT,
    )
    return state, dict(changes)


@pytest.mark.parametrize("before", SENT_FROM)
@pytest.mark.parametrize("verdict", [one for one in Verdict if one != "settled"])
def test_every_outcome_leads_to_a_legal_state(verdict: Verdict, before: State) -> None:
    state, _ = apply(verdict, claimed(before))
    assert state in TRANSITIONS[State.SENDING]


@pytest.mark.parametrize("before", SENT_FROM)
def test_a_configuration_error_keeps_the_state_of_the_order(before: State) -> None:
    state, changes = apply(Verdict.CONFIGURATION, claimed(before, EARLIER))
    assert state is before
    assert changes["first_sent_at"] == EARLIER


def test_refused_credentials_are_no_first_send() -> None:
    _, changes = apply(Verdict.CONFIGURATION)
    assert changes["first_sent_at"] is None
    assert changes["last_sent_at"] == NOW


def test_the_first_send_is_kept() -> None:
    assert apply(Verdict.RETRYABLE)[1]["first_sent_at"] == NOW
    again = claimed(State.RETRYABLE, EARLIER)
    assert apply(Verdict.RETRYABLE, again)[1]["first_sent_at"] == EARLIER


def test_an_attempt_whose_bytes_did_not_leave_is_not_sent() -> None:
    _, changes = apply(Verdict.RETRYABLE, may_have_left=False)
    assert changes["first_sent_at"] is None
    assert "last_sent_at" not in changes
    assert "payload_hash" not in changes


def test_a_duplicate_is_ours_only_where_we_sent_before() -> None:
    assert apply(Verdict.DUPLICATE)[1]["state_reason"] == "foreign"
    again = claimed(State.RETRYABLE, EARLIER)
    assert apply(Verdict.DUPLICATE, again)[1]["state_reason"] == "own"


TOLD = {"amount_minor": 1234, "currency": "USD", "currency_digits": 2}


def test_a_duplicate_is_ours_where_a_person_declared_it_not_delivered() -> None:
    before = claimed(previous_amount=TOLD, payload_hash="old")
    state, changes = apply(Verdict.DUPLICATE, before)
    assert (state, changes["state_reason"]) == (State.DUPLICATE, "own")
    assert changes["amount_minor"] == 1234
    assert outcomes.is_older_version_counted(
        Outcome(verdict=Verdict.DUPLICATE), before, CONTENT
    )


@pytest.mark.parametrize("verdict", [Verdict.ACCEPTED, Verdict.UNCERTAIN])
def test_a_declared_report_is_settled_once_the_provider_confirms_it(
    verdict: Verdict,
) -> None:
    before = claimed(previous_amount=TOLD, payload_hash="old", source_hash="old")
    assert apply(verdict, before)[1]["amount_minor"] == 1500


@pytest.mark.parametrize("before", [State.RETRYABLE, State.UNCERTAIN])
def test_a_rejection_that_leaves_an_earlier_copy_open_is_not_final(
    before: State,
) -> None:
    refused = {"reason": "limit_reached", "earlier_copy_unresolved": True}
    state, changes = apply(Verdict.REJECTED, claimed(before, EARLIER), **refused)
    assert (state, changes["state_reason"]) == (State.UNCERTAIN, "limit_reached")
    assert changes["first_sent_at"] == EARLIER
    # Without a date it is listed for a person.
    assert changes["next_attempt_at"] is None


def test_the_refusal_of_the_only_copy_is_an_end() -> None:
    assert apply(Verdict.REJECTED, earlier_copy_unresolved=True)[0] is State.REJECTED
    again = claimed(State.RETRYABLE, EARLIER)
    assert apply(Verdict.REJECTED, again)[0] is State.REJECTED


def test_a_retry_waits_as_long_as_the_provider_asked() -> None:
    _, changes = apply(Verdict.RETRYABLE, retry_after_s=600.0)
    assert changes["next_attempt_at"] >= NOW + timedelta(seconds=600)


def test_a_nonsensical_retry_after_is_survived() -> None:
    _, changes = apply(Verdict.RETRYABLE, retry_after_s=1e12)
    assert changes["next_attempt_at"] == NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("policy", "due"),
    [
        (DEDUPE, NOW),
        (ResendPolicy(kind="dedupe", settle_delay=timedelta(hours=1)), NOW),
        (NEVER, None),
    ],
)
def test_an_uncertain_one_waits_for_the_provider_to_settle(
    policy: ResendPolicy, due: datetime | None
) -> None:
    _, changes = apply(Verdict.UNCERTAIN, provider=FakeProvider(resend=policy))
    expected = due if due is None else due + policy.settle_delay
    assert changes["next_attempt_at"] == expected


def test_a_queued_delivery_is_due_after_settle_after() -> None:
    @dataclass
    class Queueing(FakeProvider):
        settle_after: timedelta = timedelta(minutes=30)

    state, changes = apply(Verdict.QUEUED, provider=Queueing(), provider_ref="r1")
    assert state is State.QUEUED
    assert changes["next_attempt_at"] == NOW + timedelta(minutes=30)
    assert (changes["provider_ref"], changes["accepted_at"]) == ("r1", NOW)


@pytest.mark.parametrize(
    "verdict",
    [Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.REJECTED, Verdict.STAGED],
)
def test_a_final_state_is_never_due(verdict: Verdict) -> None:
    assert apply(verdict)[1]["next_attempt_at"] is None


@pytest.mark.parametrize(
    ("verdict", "taken"),
    [
        (Verdict.ACCEPTED, True),
        (Verdict.QUEUED, True),
        (Verdict.DUPLICATE, True),
        (Verdict.STAGED, False),
        (Verdict.REJECTED, False),
        (Verdict.UNCERTAIN, False),
        (Verdict.CONFIGURATION, False),
    ],
)
def test_only_what_the_provider_took_has_a_date_of_acceptance(
    verdict: Verdict, taken: bool
) -> None:
    assert (apply(verdict)[1]["accepted_at"] == NOW) is taken


def test_a_definite_refusal_is_no_send_that_may_have_counted() -> None:
    assert apply(Verdict.REJECTED)[1]["first_sent_at"] is None
    again = claimed(State.RETRYABLE, EARLIER)
    assert apply(Verdict.REJECTED, again)[1]["first_sent_at"] == EARLIER


@pytest.mark.parametrize("known", [{"source_hash": "old"}, {"mapping_version": "m0"}])
@pytest.mark.parametrize(
    "verdict", [Verdict.ACCEPTED, Verdict.UNCERTAIN, Verdict.REJECTED]
)
def test_a_delivery_has_the_amount_that_was_sent_last(
    verdict: Verdict, known: dict[str, str]
) -> None:
    before = claimed(State.RETRYABLE, EARLIER, payload_hash="before", **known)
    _, changes = apply(verdict, before)
    assert CONTENT.items() <= changes.items()


def test_a_dropped_repeat_keeps_the_counted_amount() -> None:
    before = claimed(State.RETRYABLE, EARLIER, payload_hash="old", source_hash="old")
    _, changes = apply(Verdict.DUPLICATE, before)
    assert "amount_minor" not in changes
    assert "payload_hash" not in changes
    assert changes["source_hash"] == "row"


@pytest.mark.parametrize(
    ("verdict", "known", "expected"),
    [
        (Verdict.DUPLICATE, {"first_sent_at": EARLIER, "payload_hash": "old"}, True),
        (
            Verdict.DUPLICATE,
            {"first_sent_at": EARLIER, "payload_hash": "payload"},
            False,
        ),
        (Verdict.DUPLICATE, {"first_sent_at": EARLIER}, False),
        (Verdict.DUPLICATE, {"payload_hash": "old"}, False),
        (Verdict.ACCEPTED, {"first_sent_at": EARLIER, "payload_hash": "old"}, False),
    ],
)
def test_only_an_own_repeat_that_differs_is_drift(
    verdict: Verdict, known: dict[str, Any], expected: bool
) -> None:
    claim = claimed(State.RETRYABLE, **known)
    assert (
        outcomes.is_older_version_counted(Outcome(verdict=verdict), claim, CONTENT)
        is expected
    )
