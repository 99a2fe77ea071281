"""Releases the claims of runs that ended without recording what they sent."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, select, true

from assets.ledger.attempts import append_attempts
from assets.ledger.ledger import Ledger
from assets.ledger.rows import Result, new_attempt_id
from assets.ledger.states import State, check_transition
from assets.ledger.tables import delivery


def release_abandoned(
    ledger: Ledger,
    to: State,
    reason: str,
    wait: timedelta = timedelta(),
    *,
    ignore_leases: bool = False,
) -> int:
    """Release the claims of owners whose lease expired; return how many.

    Their requests may have been sent at any moment since the claim. The time of the
    claim therefore counts as the first send.

    Args:
        ledger: The ledger of the destination.
        to: `retryable` where a repeat is harmless, else `uncertain`.
        reason: Recorded with the state.
        wait: How long to wait until a repeat is harmless.
        ignore_leases: No other run can be active: release claims whose lease has not
            expired as well.
    """
    check_transition(State.SENDING, to)
    now = ledger.clock()
    abandoned = _abandoned(ledger, None if ignore_leases else now)
    with ledger.database.write() as connection:
        results = [
            _released(ledger, row, to, reason, now + wait)
            for row in connection.execute(abandoned)
        ]
        ledger.apply_results(connection, results)
        append_attempts(connection, results, event="outcome")
    return len(results)


def _abandoned(ledger: Ledger, expired_at: datetime | None) -> Select[Any]:
    is_expired = true() if expired_at is None else delivery.c.lease_until <= expired_at
    return (
        select(
            delivery.c.delivery_id,
            delivery.c.attempts,
            delivery.c.first_sent_at,
            delivery.c.updated_at,
        )
        .where(
            delivery.c.destination == ledger.destination,
            delivery.c.state == State.SENDING,
            is_expired,
        )
        .with_for_update(skip_locked=True)
    )


def _released(
    ledger: Ledger, row: Any, to: State, reason: str, due: datetime
) -> Result:
    attempt = {
        "attempt_id": new_attempt_id(),
        "event": "outcome",
        "delivery_id": row.delivery_id,
        "attempt_no": row.attempts,
        # The owner may still record its own steps, numbered from 0.
        "step_no": -1,
        "happened_at": ledger.clock(),
        "run_id": ledger.run_id,
        "decided_by": "auto",
        "reason": reason,
        "from_state": State.SENDING,
        "to_state": to,
    }
    changes = {
        "state_reason": reason,
        "state_detail": None,
        # No run sends an uncertain delivery again: a person decides.
        "next_attempt_at": due if to is State.RETRYABLE else None,
        "first_sent_at": row.first_sent_at or row.updated_at,
        "last_sent_at": row.updated_at,
    }
    return Result(
        delivery_id=row.delivery_id,
        attempt_no=row.attempts,
        state=to,
        changes=changes,
        attempts=[attempt],
    )
