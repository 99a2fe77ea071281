"""When a delivery may be tried again. Pure rules; the ledger keeps the dates."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from assets.ledger.rows import MAX_ATTEMPTS, Row
from assets.ledger.states import State
from assets.providers.base import ResendPolicy

BASE_SECONDS = 1.0
CAP_SECONDS = 300.0
LONGEST_SECONDS = 86_400.0
"""The most that a provider's Retry-After is believed: it may be nonsense."""

HORIZON = timedelta(hours=72)
"""Three nights: what was not taken by then waits for a person."""
REPORTED_ELSEWHERE = "told_elsewhere"
"""Why a delivery that nobody answered for is not told anew (`elsewhere.py`)."""
USED_UP = frozenset(
    {"dedup_window_over", "retry_horizon_over", "attempts_used_up", REPORTED_ELSEWHERE}
)
"""What a delivery is given up for that no mended source brings back."""

Jitter = Callable[[float, float], float]


def delay(
    attempt_no: int, retry_after_s: float | None, jitter: Jitter = random.uniform
) -> timedelta:
    """Return how long to wait after an attempt: full jitter, never earlier than told.

    Args:
        attempt_no: 1 for the first attempt.
        retry_after_s: What the provider asked for, in seconds.
        jitter: Draws a number between two.
    """
    ceiling = min(CAP_SECONDS, BASE_SECONDS * 2 ** min(attempt_no, 16))
    told = min(retry_after_s or 0.0, LONGEST_SECONDS)
    return timedelta(seconds=max(jitter(0.0, ceiling), told))


def sendable_states(policy: ResendPolicy) -> frozenset[State]:
    """Return the states from which a delivery may be sent under `policy`."""
    always = frozenset({State.PENDING, State.RETRYABLE})
    return always | {State.UNCERTAIN} if policy.is_safe else always


def is_due(row: Row, policy: ResendPolicy, now: datetime) -> bool:
    """Tell whether `row` is to be sent now.

    What a provider once took into its queue is never sent again: if it vanished there,
    a person has to ask.
    """
    if row.state not in sendable_states(policy) or exhaustion(row, policy, now):
        return False
    if is_asked_about(row, policy, now) or is_in_doubt(row, policy, now):
        return False
    return row.next_attempt_at is None or row.next_attempt_at <= now


def is_asked_about(row: Row, policy: ResendPolicy, now: datetime) -> bool:
    """Tell whether an unanswered `row` is not sent again but looked up.

    By the provider's list where it has one, else by a person: what was taken into its
    queue and vanished there, what it could no longer tell from a repeat, and what was
    told it before a file took the place of the connection.
    """
    if row.state is not State.UNCERTAIN:
        return False
    if row.state_reason == REPORTED_ELSEWHERE:
        return True
    return row.accepted_at is not None or (
        policy.supports_lookup and _is_window_over(row, policy, now)
    )


def is_in_doubt(row: Row, policy: ResendPolicy, now: datetime) -> bool:
    """Tell whether a repeat of `row`, harmless until now, could count twice.

    The policy was another one when it was sent, or the provider has forgotten it and
    can be asked instead: it is as uncertain as if nobody had answered.
    """
    if row.state is State.UNCERTAIN and row.accepted_at is None:
        return not policy.is_safe and row.next_attempt_at is not None
    if row.state is not State.RETRYABLE or row.first_sent_at is None:
        return False
    return not policy.is_safe or (
        policy.supports_lookup and _is_window_over(row, policy, now)
    )


def repeatable_from(policy: ResendPolicy, now: datetime) -> datetime | None:
    """Return the earliest first send of which a repeat is harmless; None: no send's."""
    if not policy.is_safe:
        return None
    return now - min(policy.window or HORIZON, HORIZON)


def _is_window_over(row: Row, policy: ResendPolicy, now: datetime) -> bool:
    if policy.window is None or row.first_sent_at is None:
        return False
    return now - row.first_sent_at > policy.window


def exhaustion(row: Row, policy: ResendPolicy, now: datetime) -> str | None:
    """Return why `row`, though unfinished, must not be sent again, or None.

    After the provider's memory of repeats ends, a repeat could count twice. What is
    never sent again stays uncertain: that it may have counted must not be forgotten.
    """
    if row.state not in sendable_states(policy) - {State.PENDING}:
        return None
    if is_asked_about(row, policy, now) or is_in_doubt(row, policy, now):
        return None
    if _is_window_over(row, policy, now):
        return "dedup_window_over"
    if row.first_sent_at and now - row.first_sent_at > HORIZON:
        return "retry_horizon_over"
    if row.attempts - row.untried >= MAX_ATTEMPTS:
        return "attempts_used_up"
    return None
