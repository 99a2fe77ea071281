"""The columns and the `settle` event of a queued delivery that has ended.

The provider module gives the outcome, which `submissions.py` or `lookup.py` asked for.
The rules are pure.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from assets.delivery import evidence
from assets.delivery.outcomes import STATE_OF
from assets.ledger.ledger import Ledger
from assets.ledger.rows import new_attempt_id
from assets.ledger.states import DELIVERED, State, check_transition
from assets.providers.replies import Outcome


def settled_changes(
    row: Mapping[str, Any], outcome: Outcome, now: datetime
) -> dict[str, Any]:
    """Return the columns of a queued delivery whose submission has ended."""
    state = STATE_OF[outcome.verdict]
    check_transition(State.QUEUED, state)
    return {
        "state": state,
        "state_reason": outcome.reason,
        # Warnings from when it was accepted are kept.
        "state_detail": outcome.detail or row["state_detail"],
        "provider_status": outcome.provider_status,
        "first_sent_at": first_sent_after(row, state),
        "settled_at": now if state in DELIVERED else None,
        "settle_seconds": int((now - row["accepted_at"]).total_seconds()),
        "next_attempt_at": None,
    }


def first_sent_after(row: Mapping[str, Any], state: State) -> datetime | None:
    """Return when a delivery was first sent in a way that may have counted.

    Processing that ends in a rejection proves that the queued send did not count. If it
    was the first one, sending the corrected order is no repeat.
    """
    first: datetime | None = row["first_sent_at"]
    proven = state is State.REJECTED and first == row["accepted_at"]
    return None if proven else first


def settle_attempt(
    ledger: Ledger,
    row: Mapping[str, Any],
    outcome: Outcome,
    now: datetime,
    *,
    partition_key: str,
    step_no: int = 0,
) -> dict[str, Any]:
    """Return the `settle` event of a delivery, without request and reply.

    Args:
        ledger: The ledger of the run.
        row: The delivery.
        outcome: How it ended.
        now: When that was known.
        partition_key: The partition of the run.
        step_no: Position among the `settle` events of the attempt.
    """
    return {
        "attempt_id": new_attempt_id(),
        "event": "settle",
        "delivery_id": row["delivery_id"],
        "attempt_no": row["attempts"],
        "step_no": step_no,
        "happened_at": now,
        "run_id": ledger.run_id,
        "partition_key": partition_key,
        "code_version": evidence.CODE_VERSION,
        "decided_by": "auto",
        "from_state": row["state"],
        "to_state": STATE_OF[outcome.verdict],
        "reason": outcome.reason,
        "detail": outcome.detail,
    }
