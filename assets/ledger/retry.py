"""When a delivery may be tried again. Pure rules; the ledger stores the dates."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from assets.ledger.rows import MAX_ATTEMPTS, Row
from assets.ledger.states import State
from assets.providers.base import ResendPolicy

BASE_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 300.0
MAX_RETRY_AFTER_SECONDS = 86_400.0
"""Upper limit of a provider's Retry-After, which may be nonsense."""

RETRY_HORIZON = timedelta(hours=72)
"""Three nights. A delivery that was not accepted by then waits for a person."""
REPORTED_ELSEWHERE = "told_elsewhere"
"""Reason code: sent without a reply, then the channel or account changed."""
FINAL_REASONS = frozenset(
    {"dedup_window_over", "retry_horizon_over", "attempts_used_up", REPORTED_ELSEWHERE}
)
"""Reasons of `exhausted` after which a corrected source row is not sent again."""

Jitter = Callable[[float, float], float]


def delay(
    attempt_no: int, retry_after_s: float | None, jitter: Jitter = random.uniform
) -> timedelta:
    """Return how long to wait after an attempt: full jitter, at least Retry-After.

    Args:
        attempt_no: 1 for the first attempt.
        retry_after_s: The provider's Retry-After in seconds; None: it sent none.
        jitter: Draws a number between two bounds.
    """
    ceiling = min(MAX_BACKOFF_SECONDS, BASE_BACKOFF_SECONDS * 2 ** min(attempt_no, 16))
    requested = min(retry_after_s or 0.0, MAX_RETRY_AFTER_SECONDS)
    return timedelta(seconds=max(jitter(0.0, ceiling), requested))


def sendable_states(policy: ResendPolicy) -> frozenset[State]:
    """Return the states from which a delivery may be sent under `policy`."""
    always = frozenset({State.PENDING, State.RETRYABLE})
    return always | {State.UNCERTAIN} if policy.is_safe else always


def is_due(row: Row, policy: ResendPolicy, now: datetime) -> bool:
    """Return whether `row` is to be sent now.

    A delivery that the provider accepted into its queue is never sent again. If the
    provider lost it there, a person has to ask.
    """
    if row.state not in sendable_states(policy) or exhaustion_reason(row, policy, now):
        return False
    if needs_lookup(row, policy, now) or is_repeat_unsafe(row, policy, now):
        return False
    return row.next_attempt_at is None or row.next_attempt_at <= now


def needs_lookup(row: Row, policy: ResendPolicy, now: datetime) -> bool:
    """Return whether an uncertain `row` is looked up instead of sent again.

    The look-up is a request to the provider where it has one, else a person asks. It
    is needed after the provider lost the delivery in its queue, after the provider's
    deduplication window, and after the destination's channel or account changed.
    """
    if row.state is not State.UNCERTAIN:
        return False
    if row.state_reason == REPORTED_ELSEWHERE:
        return True
    return row.accepted_at is not None or (
        policy.supports_lookup and _is_window_over(row, policy, now)
    )


def is_repeat_unsafe(row: Row, policy: ResendPolicy, now: datetime) -> bool:
    """Return whether sending `row` again could count twice although it was safe before.

    Either the resend policy changed since the send, or the deduplication window ended
    and the provider has a look-up. The delivery is then uncertain, as after no reply.
    """
    if row.state is State.UNCERTAIN and row.accepted_at is None:
        return not policy.is_safe and row.next_attempt_at is not None
    if row.state is not State.RETRYABLE or row.first_sent_at is None:
        return False
    return not policy.is_safe or (
        policy.supports_lookup and _is_window_over(row, policy, now)
    )


def resendable_since(policy: ResendPolicy, now: datetime) -> datetime | None:
    """Return the earliest first send that may be repeated; None: none may."""
    if not policy.is_safe:
        return None
    return now - min(policy.window or RETRY_HORIZON, RETRY_HORIZON)


def _is_window_over(row: Row, policy: ResendPolicy, now: datetime) -> bool:
    if policy.window is None or row.first_sent_at is None:
        return False
    return now - row.first_sent_at > policy.window


def exhaustion_reason(row: Row, policy: ResendPolicy, now: datetime) -> str | None:
    """Return why an unfinished `row` must not be sent again, or None.

    After the provider's deduplication window a repeat could count twice. A delivery
    that the policy never sends again stays uncertain, because it may have counted.
    """
    if row.state not in sendable_states(policy) - {State.PENDING}:
        return None
    if needs_lookup(row, policy, now) or is_repeat_unsafe(row, policy, now):
        return None
    if _is_window_over(row, policy, now):
        return "dedup_window_over"
    if row.first_sent_at and now - row.first_sent_at > RETRY_HORIZON:
        return "retry_horizon_over"
    if row.attempts - row.unprocessed_attempts >= MAX_ATTEMPTS:
        return "attempts_used_up"
    return None
