"""Turns the outcome of an attempt into the new state and columns of its delivery.

The provider module gives the verdict. These pure rules combine it with the resend
policy and the history of the delivery.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from assets.ledger import retry
from assets.ledger.rows import NOT_PROCESSED, Claimed
from assets.ledger.states import State
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
"""`CONFIGURATION` is absent: it says nothing about the order, which keeps its state."""

_RECEIVED = frozenset({State.ACCEPTED, State.QUEUED, State.DUPLICATE})
_NOT_COUNTED = frozenset({Verdict.CONFIGURATION, Verdict.REJECTED})


def apply(
    outcome: Outcome,
    claim: Claimed,
    provider: Provider,
    *,
    now: datetime,
    may_have_left: bool,
    content: Mapping[str, Any],
) -> tuple[State, Mapping[str, Any]]:
    """Return the new state of the delivery and the columns that change.

    Args:
        outcome: The outcome that the provider module returned, in storable form.
        claim: The delivery as it was claimed.
        provider: The provider whose rules apply.
        now: When the outcome was known.
        may_have_left: Whether any byte about this conversion may have left.
        content: Columns of what was sent: its amount and its hashes.
    """
    state = _state(outcome, claim)
    may_count = (
        may_have_left
        and outcome.verdict not in _NOT_COUNTED
        and outcome.reason not in NOT_PROCESSED
        # Where no repeat is safe, only what provably did not count may be repeated.
        and (provider.resend.is_safe or outcome.verdict is not Verdict.RETRYABLE)
    )
    sent = _sent_columns(outcome, claim, content, now) if may_have_left else {}
    return state, sent | {
        "state_reason": _reason(outcome, claim),
        "state_detail": outcome.detail,
        "provider_ref": outcome.provider_ref,
        "provider_status": outcome.provider_status,
        "first_sent_at": claim.first_sent_at or (now if may_count else None),
        "accepted_at": now if state in _RECEIVED else None,
        "next_attempt_at": _next_attempt_at(outcome, claim, provider, now),
    }


def _state(outcome: Outcome, claim: Claimed) -> State:
    """Return the new state.

    A rejection may say nothing about an earlier copy. If there was one without a
    reply, the delivery stays uncertain.
    """
    if outcome.earlier_copy_unresolved and claim.first_sent_at is not None:
        return State.UNCERTAIN
    return STATE_OF.get(outcome.verdict, claim.from_state)


def is_older_version_counted(
    outcome: Outcome, claim: Claimed, content: Mapping[str, Any]
) -> bool:
    """Return whether the provider counted an earlier version of the order.

    It dropped this attempt as a repeat of our own, and the content differs.

    Args:
        outcome: The outcome of this attempt.
        claim: The delivery as it was claimed.
        content: Columns of what was sent.
    """
    is_own = outcome.verdict is Verdict.DUPLICATE and _was_reported(claim)
    return is_own and claim.payload_hash not in {None, content["payload_hash"]}


def _was_reported(claim: Claimed) -> bool:
    was_reported_by_us = (
        claim.first_sent_at is not None or claim.previous_amount is not None
    )
    return was_reported_by_us or claim.retry_requested


def _sent_columns(
    outcome: Outcome, claim: Claimed, content: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Return the columns that say what was reported last."""
    source = ("source_hash", "mapping_version")
    if is_older_version_counted(outcome, claim, content):
        sent = {name: content[name] for name in source}
    elif any(getattr(claim, name) != content[name] for name in source):
        sent = dict(content)
    else:
        sent = {"payload_hash": content["payload_hash"]}
    if outcome.verdict is Verdict.DUPLICATE and claim.previous_amount is not None:
        sent |= claim.previous_amount
    return {"last_sent_at": now} | sent


def _reason(outcome: Outcome, claim: Claimed) -> str | None:
    if outcome.verdict is Verdict.DUPLICATE:
        return "own" if _was_reported(claim) else "foreign"
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
