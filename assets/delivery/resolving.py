"""What a person decides about deliveries that no run can finish by itself."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from assets.delivery.database import Database
from assets.delivery.evidence import CODE_VERSION
from assets.delivery.rows import Clock, new_attempt_id, utc_now
from assets.delivery.states import BY_A_PERSON, State
from assets.delivery.tables import delivery, delivery_attempt
from assets.delivery.told import what_was_told


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
    its partition sends it. Where the provider then says that it has it already, what
    was sent before is what it has (`told.py`).

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
    with database.write() as connection:
        row = _find(connection, delivery_id, after)
        return _settle(connection, row, after, by=by, why=why, now=clock())


def resolve_staged(
    database: Database,
    destination: str,
    partition_key: str,
    *,
    is_delivered: bool,
    by: str,
    why: str,
    order_ids: Collection[str] | None = None,
    clock: Clock = utc_now,
) -> Sequence[Resolved]:
    """Settle the staged deliveries of a partition, whose file a person handed over.

    All of them or none: each is kept as a `manual` attempt of its own.

    Args:
        database: The delivery tables.
        destination: Whose file it was.
        partition_key: The day, `YYYY-MM-DD`.
        is_delivered: Whether the provider took them; if not, the next run stages them.
        by: Who decided.
        why: What it rests on.
        order_ids: Only these orders; None: every staged one.
        clock: Tells the time.

    Raises:
        ResolveError: Nothing is staged, or one of the orders is not.
    """
    after = State.ACCEPTED if is_delivered else State.PENDING
    statement = select(delivery).where(
        delivery.c.destination == destination,
        delivery.c.partition_key == partition_key,
        delivery.c.state == State.STAGED,
    )
    with database.write() as connection:
        staged = {
            row["order_id"]: dict(row)
            for row in connection.execute(statement.with_for_update()).mappings()
        }
        chosen = sorted(staged if order_ids is None else order_ids)
        missing = [order_id for order_id in chosen if order_id not in staged]
        if missing or not chosen:
            message = (
                f"Resolving failed for {destination} {partition_key}: expected staged "
                f"deliveries, got {len(missing) or 'none'} that are not "
                f"({', '.join(missing[:3])}). Look at them with `attribution status`; "
                "nothing was changed."
            )
            raise ResolveError(message)
        now = clock()
        return [
            _settle(connection, staged[one], after, by=by, why=why, now=now)
            for one in chosen
        ]


def _settle(
    connection: Connection,
    row: Mapping[str, Any],
    after: State,
    *,
    by: str,
    why: str,
    now: datetime,
) -> Resolved:
    is_delivered = after is State.ACCEPTED
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
        "request_json": what_was_told(row),
        "reason": "delivered" if after is State.ACCEPTED else "not_delivered",
        "from_state": row["state"],
        "to_state": after,
    }
