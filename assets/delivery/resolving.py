"""What a person decides about a delivery that no run can finish by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from assets.delivery.database import Database
from assets.delivery.evidence import CODE_VERSION
from assets.delivery.rows import Clock, new_attempt_id, utc_now
from assets.delivery.states import BY_A_PERSON, State
from assets.delivery.tables import delivery, delivery_attempt


class ResolveError(Exception):
    """A delivery cannot be resolved so; the message says why."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a decision came to."""

    destination: str
    order_id: str
    before: State
    after: State


def resolve(
    database: Database,
    delivery_id: str,
    *,
    is_delivered: bool,
    by: str,
    why: str,
    clock: Clock = utc_now,
) -> Resolved:
    """Settle a delivery by a person's word, kept as a `manual` attempt.

    Delivered: it counts as accepted. Not delivered: it is pending, and the next run of
    its partition sends it, as if nothing had been sent before.

    Args:
        database: The delivery tables.
        delivery_id: The whole id, or as much of it as no other has.
        is_delivered: What the person found out.
        by: Who decided.
        why: What it rests on.
        clock: Tells the time.

    Raises:
        ResolveError: There is no such delivery, or nothing is open about it.
    """
    after = State.ACCEPTED if is_delivered else State.PENDING
    now = clock()
    with database.write() as connection:
        row = _find(connection, delivery_id, after)
        connection.execute(
            update(delivery)
            .where(delivery.c.delivery_id == row["delivery_id"])
            .values(
                state=after,
                state_reason="resolved",
                state_detail=why[:512],
                attempts=row["attempts"] + 1,
                first_sent_at=row["first_sent_at"] if is_delivered else None,
                accepted_at=now if is_delivered else None,
                next_attempt_at=None,
                updated_at=now,
                row_version=row["row_version"] + 1,
            )
        )
        connection.execute(
            delivery_attempt.insert(),
            _attempt(row, after, now) | {"decided_by": by[:64], "detail": why[:512]},
        )
    before = State(row["state"])
    return Resolved(row["destination"], row["order_id"], before, after)


def _find(connection: Connection, delivery_id: str, after: State) -> Mapping[str, Any]:
    statement = select(delivery).where(
        delivery.c.delivery_id.startswith(delivery_id, autoescape=True)
    )
    found = connection.execute(statement.with_for_update()).mappings().all()
    if len(found) != 1:
        message = (
            f"Resolving failed for {delivery_id}: expected one delivery with this id, "
            f"got {len(found)}. Take the id from v_needs_human."
        )
        raise ResolveError(message)
    row = dict(found[0])
    before = State(row["state"])
    if after not in BY_A_PERSON.get(before, frozenset()):
        message = (
            f"Resolving failed for {row['destination']} {row['order_id']}: expected a "
            f"delivery that waits for a person, got one that is {before}. Nothing is "
            "open about it."
        )
        raise ResolveError(message)
    return row


def _attempt(row: Mapping[str, Any], after: State, now: datetime) -> dict[str, Any]:
    return {
        "attempt_id": new_attempt_id(),
        "event": "manual",
        "delivery_id": row["delivery_id"],
        "attempt_no": row["attempts"] + 1,
        "step_no": 0,
        "happened_at": now,
        "partition_key": row["partition_key"],
        "code_version": CODE_VERSION,
        "reason": "delivered" if after is State.ACCEPTED else "not_delivered",
        "from_state": row["state"],
        "to_state": after,
    }
