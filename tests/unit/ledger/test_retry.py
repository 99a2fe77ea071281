"""When a delivery may be tried again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from assets.ledger.retry import (
    MAX_BACKOFF_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    RETRY_HORIZON,
    delay,
    exhaustion_reason,
    is_due,
    is_repeat_unsafe,
    resendable_since,
    sendable_states,
)
from assets.ledger.rows import MAX_ATTEMPTS, Row
from assets.ledger.states import State
from assets.providers.base import ResendPolicy
from support.engine import DEDUPE, NEVER, NOW

HOUR = timedelta(hours=1)
UNFINISHED = (State.RETRYABLE, State.UNCERTAIN)


def row(state: State, **changes: Any) -> Row:
    plain = {
        "delivery_id": "d",
        "conversion_key": "sale:O1",
        "order_id": "O1",
        "state_reason": None,
        "state_detail": None,
        "attempts": 1,
        "source_hash": None,
        "mapping_version": None,
        "first_sent_at": NOW,
        "next_attempt_at": None,
        "accepted_at": None,
        "partition_key": "2026-11-20",
        "payload_hash": None,
        "order_at": NOW,
        "order_date": NOW.date(),
        "amount_minor": 1234,
        "currency": "USD",
        "currency_digits": 2,
    }
    return Row(state=state, **(plain | changes))


def longest(_low: float, high: float) -> float:
    return high


def shortest(low: float, _high: float) -> float:
    return low


@pytest.mark.parametrize(
    ("attempt_no", "ceiling"), [(1, 2), (2, 4), (5, 32), (9, MAX_BACKOFF_SECONDS)]
)
def test_the_delay_is_drawn_below_a_doubling_ceiling(
    attempt_no: int, ceiling: float
) -> None:
    assert delay(attempt_no, None, shortest) == timedelta()
    assert delay(attempt_no, None, longest) == timedelta(seconds=ceiling)


def test_the_ceiling_holds_after_any_number_of_attempts() -> None:
    assert delay(10**6, None, longest) == timedelta(seconds=MAX_BACKOFF_SECONDS)


def test_delays_are_spread() -> None:
    assert len({delay(5, None) for _ in range(20)}) > 15


@pytest.mark.parametrize("retry_after", [0.5, 7, 900, 3600, MAX_RETRY_AFTER_SECONDS])
def test_the_delay_is_never_shorter_than_retry_after(retry_after: float) -> None:
    for _ in range(20):
        assert delay(1, retry_after) >= timedelta(seconds=retry_after)


def test_a_short_retry_after_does_not_shorten_the_delay() -> None:
    assert delay(5, 1.0, longest) == timedelta(seconds=32)


@pytest.mark.parametrize("nonsense", [10**12, 10**20, 1e300])
def test_a_nonsensical_retry_after_is_limited(nonsense: float) -> None:
    assert NOW + delay(1, nonsense) == NOW + timedelta(seconds=MAX_RETRY_AFTER_SECONDS)


@pytest.mark.parametrize("policy", [DEDUPE, NEVER])
@pytest.mark.parametrize("state", State)
def test_only_sendable_states_are_due(policy: ResendPolicy, state: State) -> None:
    sendable = {State.PENDING, State.RETRYABLE}
    if policy is DEDUPE:
        sendable.add(State.UNCERTAIN)
    assert sendable_states(policy) == sendable
    fresh = row(state, first_sent_at=None)
    assert is_due(fresh, policy, NOW) == (state in sendable)


def test_a_delivery_is_due_from_its_date_on() -> None:
    waiting = row(State.RETRYABLE, next_attempt_at=NOW)
    assert is_due(waiting, DEDUPE, NOW)
    assert not is_due(waiting, DEDUPE, NOW - timedelta(microseconds=1))


@pytest.mark.parametrize("state", UNFINISHED)
def test_no_repeat_is_due_after_the_dedup_window(state: State) -> None:
    sent = row(state, first_sent_at=NOW - 25 * HOUR)
    assert exhaustion_reason(sent, DEDUPE, NOW) == "dedup_window_over"
    assert not is_due(sent, DEDUPE, NOW)
    assert exhaustion_reason(sent, DEDUPE, NOW - 2 * HOUR) is None


def test_an_unsent_delivery_has_no_dedup_window() -> None:
    unsent = row(State.RETRYABLE, first_sent_at=None)
    assert is_due(unsent, DEDUPE, NOW + 100 * HOUR)


@pytest.mark.parametrize("policy", [DEDUPE, NEVER])
def test_attempts_are_used_up(policy: ResendPolicy) -> None:
    at_limit = row(State.RETRYABLE, attempts=MAX_ATTEMPTS, first_sent_at=None)
    assert exhaustion_reason(at_limit, policy, NOW) == "attempts_used_up"
    assert not is_due(at_limit, policy, NOW)
    assert is_due(replace(at_limit, attempts=MAX_ATTEMPTS - 1), policy, NOW)
    assert is_due(replace(at_limit, unprocessed_attempts=1), policy, NOW)


def test_a_delivery_that_is_never_resent_stays_uncertain() -> None:
    at_limit = row(State.UNCERTAIN, attempts=MAX_ATTEMPTS)
    assert exhaustion_reason(at_limit, NEVER, NOW + 1000 * HOUR) is None


@pytest.mark.parametrize("state", [one for one in State if one not in UNFINISHED])
def test_only_unfinished_deliveries_are_given_up(state: State) -> None:
    old = row(state, attempts=99, first_sent_at=NOW - 99 * HOUR)
    assert exhaustion_reason(old, DEDUPE, NOW) is None


def test_a_delivery_lost_in_the_providers_queue_stays_uncertain() -> None:
    taken = row(State.UNCERTAIN, accepted_at=NOW, first_sent_at=NOW, attempts=99)
    assert exhaustion_reason(taken, DEDUPE, NOW + 1000 * HOUR) is None
    assert not is_due(taken, DEDUPE, NOW)


def test_an_uncertain_delivery_is_not_given_up_where_a_lookup_exists() -> None:
    with_lookup = replace(DEDUPE, supports_lookup=True)
    sent = row(State.UNCERTAIN, first_sent_at=NOW - 25 * HOUR)
    assert exhaustion_reason(sent, with_lookup, NOW) is None
    assert not is_due(sent, with_lookup, NOW)
    assert is_due(sent, with_lookup, NOW - 2 * HOUR)


def test_a_repeat_is_unsafe_where_it_could_count_twice() -> None:
    sent = row(State.RETRYABLE)
    assert is_repeat_unsafe(sent, NEVER, NOW)
    assert not is_repeat_unsafe(replace(sent, first_sent_at=None), NEVER, NOW)
    assert not is_repeat_unsafe(sent, DEDUPE, NOW)
    with_lookup = replace(DEDUPE, supports_lookup=True)
    assert not is_repeat_unsafe(sent, with_lookup, NOW + 24 * HOUR)
    assert is_repeat_unsafe(sent, with_lookup, NOW + 25 * HOUR)


def test_the_claim_limit_matches_the_resend_policy() -> None:
    assert resendable_since(NEVER, NOW) is None
    assert resendable_since(DEDUPE, NOW) == NOW - 24 * HOUR
    assert resendable_since(replace(DEDUPE, window=None), NOW) == NOW - RETRY_HORIZON
    assert (
        resendable_since(replace(DEDUPE, window=2 * RETRY_HORIZON), NOW)
        == NOW - RETRY_HORIZON
    )
