"""What the end of a queued delivery does to it: its columns and its `settle` event.

The outcome is the provider module's; who asked for it is in `settling.py` and
`lookup.py`. Pure rules.
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
    """Return the columns of a queued delivery whose submission came to an end."""
    state = STATE_OF[outcome.verdict]
    check_transition(State.QUEUED, state)
    return {
        "state": state,
        "state_reason": outcome.reason,
        # What was said when it was taken (warnings) is not forgotten.
        "state_detail": outcome.detail or row["state_detail"],
        "provider_status": outcome.provider_status,
        "first_sent_at": first_sent_after(row, state),
        "settled_at": now if state in DELIVERED else None,
        "settle_seconds": int((now - row["accepted_at"]).total_seconds()),
        "next_attempt_at": None,
    }


def first_sent_after(row: Mapping[str, Any], state: State) -> datetime | None:
    """Return when a delivery was first sent in a way that may have counted.

    Processing that ends in a refusal proves that the send which was queued did not
    count; where it was the first, a mended order is no repeat.
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
    """Return the `settle` event of a delivery, without what was said on the wire."""
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
