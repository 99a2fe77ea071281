"""What the outcome of an attempt does to its delivery: the new state and its columns.

The verdict is the provider module's; here it meets the resend policy and the history of
the delivery. Pure rules.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from assets.delivery import retry
from assets.delivery.rows import Claimed
from assets.delivery.states import State
from assets.providers.base import Provider
from assets.providers.replies import Outcome, Verdict

STATE_OF = {
    Verdict.ACCEPTED: State.ACCEPTED,
    Verdict.QUEUED: State.QUEUED,
    Verdict.SETTLED: State.SETTLED,
    Verdict.DUPLICATE: State.DUPLICATE,
    Verdict.STAGED: State.STAGED,
    Verdict.REJECTED: State.REJECTED,
    Verdict.RETRYABLE: State.RETRYABLE,
    Verdict.UNCERTAIN: State.UNCERTAIN,
}
"""A fault of our settings says nothing about the order: it stays what it was."""


def apply(
    outcome: Outcome,
    claim: Claimed,
    provider: Provider,
    *,
    now: datetime,
    bytes_left: bool,
    payload_hash: str | None,
) -> tuple[State, Mapping[str, Any]]:
    """Return where the delivery goes and which of its columns change.

    Args:
        outcome: What the provider module made of the replies, fit to be stored.
        claim: The delivery as it was claimed.
        provider: Whose rules hold.
        now: When the outcome was known.
        bytes_left: Whether any byte about this conversion may have left.
        payload_hash: Of the exact bytes that were sent last.
    """
    state = STATE_OF.get(outcome.verdict, claim.from_state)
    refused_us = outcome.verdict is Verdict.CONFIGURATION
    is_send = bytes_left and not refused_us and outcome.reason not in retry.NOT_TRIED
    sent = {"payload_hash": payload_hash, "last_sent_at": now} if bytes_left else {}
    return state, sent | {
        "state_reason": _reason(outcome, claim),
        "state_detail": outcome.detail,
        "provider_ref": outcome.provider_ref,
        "provider_status": outcome.provider_status,
        "first_sent_at": claim.first_sent_at or (now if is_send else None),
        "accepted_at": now if state in _TAKEN else None,
        "next_attempt_at": _next_attempt_at(outcome, claim, provider, now),
    }


_TAKEN = frozenset({State.ACCEPTED, State.QUEUED, State.DUPLICATE})


def _reason(outcome: Outcome, claim: Claimed) -> str | None:
    if outcome.verdict is Verdict.DUPLICATE:
        return "own" if claim.first_sent_at else "foreign"
    return outcome.reason


def _next_attempt_at(
    outcome: Outcome, claim: Claimed, provider: Provider, now: datetime
) -> datetime | None:
    if outcome.verdict is Verdict.RETRYABLE:
        return now + retry.delay(claim.attempt_no, outcome.retry_after_s)
    if outcome.verdict is Verdict.UNCERTAIN and provider.resend.is_safe:
        return now + provider.resend.settle_delay
    if outcome.verdict is Verdict.QUEUED:
        return now + getattr(provider, "settle_after", timedelta())
    return None
