"""What a person decides about deliveries that no run can finish by itself."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from assets.delivery.evidence import CODE_VERSION
from assets.ledger.database import Database
from assets.ledger.earlier_reports import what_was_reported
from assets.ledger.rows import Clock, new_attempt_id, utc_now
from assets.ledger.states import BY_A_PERSON, State
from assets.ledger.tables import delivery, delivery_attempt


class ResolveError(Exception):
    """A delivery cannot be resolved so; the message says why."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a decision came to."""

    destination: str
    order_id: str
    before: State
    after: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Deliveries of one destination in one state.

    Attributes:
        destination: Configured name.
        first: First partition, `YYYY-MM-DD`.
        last: Last partition.
        state: The state they are in.
        reason: Only those with this `state_reason`; None: with any.
        order_ids: Only these orders; None: all.
    """

    destination: str
    first: str
    last: str
    state: State
    reason: str | None = None
    order_ids: Collection[str] | None = None

    @property
    def place(self) -> str:
        """Where they are, for messages."""
        until = "" if self.last == self.first else f" to {self.last}"
        return f"{self.destination} {self.first}{until}"

    def find(self, connection: Connection) -> list[dict[str, Any]]:
        """Read and lock them."""
        statement = select(delivery).where(
            delivery.c.destination == self.destination,
            delivery.c.partition_key.between(self.first, self.last),
            delivery.c.state == self.state,
        )
        if self.reason is not None:
            statement = statement.where(delivery.c.state_reason == self.reason)
        in_order = statement.order_by(delivery.c.order_id).with_for_update()
        found = [dict(row) for row in connection.execute(in_order).mappings()]
        if self.order_ids is None:
            return found
        return [row for row in found if row["order_id"] in self.order_ids]


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
        return settle(connection, row, after, by=by, why=why, now=clock())


def resolve_all(
    database: Database,
    chosen: Chosen,
    *,
    is_delivered: bool,
    by: str,
    why: str,
    may_repeat: bool = False,
    clock: Clock = utc_now,
) -> Sequence[Resolved]:
    """Settle many deliveries in one state.

    All of them or none: each is kept as a `manual` attempt of its own.

    Args:
        database: The delivery tables.
        chosen: Which.
        is_delivered: Whether the provider took them; if not, the next run of their
            partition sends or stages them.
        by: Who decided.
        why: What it rests on.
        may_repeat: Also what was sent and may have counted becomes not delivered.
        clock: Tells the time.

    Raises:
        ResolveError: None is there, one of the orders is not, or the provider may have
            one that is to be sent again.
    """
    after = State.ACCEPTED if is_delivered else State.PENDING
    _check_legal(chosen, after)
    with database.write() as connection:
        rows = chosen.find(connection)
        ids = sorted({row["order_id"] for row in rows})
        missing = sorted(set(chosen.order_ids or ()).difference(ids))
        if missing or not rows:
            what = f"{len(missing)} that are not" if missing else "none"
            which = f" ({', '.join(missing[:3])})" if missing else ""
            message = (
                f"Resolving failed for {chosen.place}: expected {chosen.state} "
                f"deliveries, got {what}{which}. Look at them with `attribution "
                "status`; nothing was changed."
            )
            raise ResolveError(message)
        told = [row for row in rows if row["first_sent_at"] is not None]
        is_risky = after is State.PENDING and chosen.state is not State.STAGED
        if told and is_risky and not may_repeat:
            message = (
                f"Resolving failed for {chosen.place}: expected deliveries that were "
                f"never sent, got {len(told)} that were and may have counted. Look "
                "them up at the provider; `--may-repeat` sends them again all the "
                "same. Nothing was changed."
            )
            raise ResolveError(message)
        now = clock()
        return [settle(connection, row, after, by=by, why=why, now=now) for row in rows]


def _check_legal(chosen: Chosen, after: State) -> None:
    """Raise where a person may not decide so.

    Raises:
        ResolveError: The state says that nothing is open about such a delivery.
    """
    if after not in BY_A_PERSON.get(chosen.state, frozenset()):
        message = (
            f"Resolving failed for {chosen.place}: expected a state that may become "
            f"{after}, got {chosen.state}. Nothing was changed."
        )
        raise ResolveError(message)


def settle(
    connection: Connection,
    row: Mapping[str, Any],
    after: State,
    *,
    by: str,
    why: str,
    now: datetime,
) -> Resolved:
    """Move a delivery that is read and locked, and keep the decision.

    Args:
        connection: The transaction in which it was read.
        row: The delivery as it is.
        after: `accepted` or `pending`.
        by: Who decided.
        why: What it rests on.
        now: The time.
    """
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
    attempt = manual_attempt(row, after, now, by=by, why=why)
    connection.execute(delivery_attempt.insert(), attempt)
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


def manual_attempt(
    row: Mapping[str, Any], after: State, now: datetime, *, by: str, why: str
) -> dict[str, Any]:
    """Return the attempt that keeps a person's decision about a delivery.

    Args:
        row: The delivery as it was.
        after: What it becomes.
        now: The time.
        by: Who decided.
        why: What it rests on.
    """
    return {
        "attempt_id": new_attempt_id(),
        "event": "manual",
        "delivery_id": row["delivery_id"],
        "attempt_no": row["attempts"] + 1,
        "step_no": 0,
        "happened_at": now,
        "partition_key": row["partition_key"],
        "code_version": CODE_VERSION,
        "request_json": what_was_reported(row),
        "reason": "delivered" if after is State.ACCEPTED else "not_delivered",
        "from_state": row["state"],
        "to_state": after,
        "decided_by": by[:64],
        "detail": why[:512],
    }
