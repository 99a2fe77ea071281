"""What the outcome of an attempt does to its delivery: the new state and its columns.

The verdict is the provider module's; here it meets the resend policy and the history of
the delivery. Pure rules.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from assets.ledger import retry
from assets.ledger.rows import NOT_TRIED, Claimed
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
"""A fault of our settings says nothing about the order: it stays what it was."""


def apply(
    outcome: Outcome,
    claim: Claimed,
    provider: Provider,
    *,
    now: datetime,
    bytes_left: bool,
    content: Mapping[str, Any],
) -> tuple[State, Mapping[str, Any]]:
    """Return where the delivery goes and which of its columns change.

    Args:
        outcome: What the provider module made of the replies, fit to be stored.
        claim: The delivery as it was claimed.
        provider: Whose rules hold.
        now: When the outcome was known.
        bytes_left: Whether any byte about this conversion may have left.
        content: Columns of what was sent: its worth and its hashes.
    """
    state = _state(outcome, claim)
    may_count = (
        bytes_left
        and outcome.verdict not in _NOTHING_COUNTED
        and outcome.reason not in NOT_TRIED
        # Where no repeat is safe, only what provably did not count may be repeated.
        and (provider.resend.is_safe or outcome.verdict is not Verdict.RETRYABLE)
    )
    sent = _sent(outcome, claim, content, now) if bytes_left else {}
    return state, sent | {
        "state_reason": _reason(outcome, claim),
        "state_detail": outcome.detail,
        "provider_ref": outcome.provider_ref,
        "provider_status": outcome.provider_status,
        "first_sent_at": claim.first_sent_at or (now if may_count else None),
        "accepted_at": now if state in _TAKEN else None,
        "next_attempt_at": _next_attempt_at(outcome, claim, provider, now),
    }


def _state(outcome: Outcome, claim: Claimed) -> State:
    """Return where the outcome leads.

    A refusal that tells nothing of an earlier copy is no end where there was one that
    nobody answered for.
    """
    if outcome.earlier_copy_unresolved and claim.first_sent_at is not None:
        return State.UNCERTAIN
    return STATE_OF.get(outcome.verdict, claim.from_state)


def holds_another(outcome: Outcome, claim: Claimed, content: Mapping[str, Any]) -> bool:
    """Tell whether the provider counted what an earlier attempt said of the order.

    It dropped this one as a repeat, and this one says something else.
    """
    is_own = outcome.verdict is Verdict.DUPLICATE and _was_reported(claim)
    return is_own and claim.payload_hash not in {None, content["payload_hash"]}


def _was_reported(claim: Claimed) -> bool:
    was_reported_by_us = claim.first_sent_at is not None or claim.told is not None
    return was_reported_by_us or claim.was_put_off


_TAKEN = frozenset({State.ACCEPTED, State.QUEUED, State.DUPLICATE})
_NOTHING_COUNTED = frozenset({Verdict.CONFIGURATION, Verdict.REJECTED})


def _sent(
    outcome: Outcome, claim: Claimed, content: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """What the delivery is worth from now on: what the provider was told last."""
    source = ("source_hash", "mapping_version")
    if holds_another(outcome, claim, content):
        told = {name: content[name] for name in source}
    elif any(getattr(claim, name) != content[name] for name in source):
        told = dict(content)
    else:
        told = {"payload_hash": content["payload_hash"]}
    if outcome.verdict is Verdict.DUPLICATE and claim.told is not None:
        told |= claim.told
    return {"last_sent_at": now} | told


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
