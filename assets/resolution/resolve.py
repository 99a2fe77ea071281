"""Resolves deliveries that no run can finish, by the decision of a person."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from assets.delivery.evidence import CODE_VERSION
from assets.ledger.database import Database
from assets.ledger.previous_sends import previous_send
from assets.ledger.rows import Clock, new_attempt_id, utc_now
from assets.ledger.states import MANUAL_TRANSITIONS, State
from assets.ledger.tables import delivery, delivery_attempt


class ResolveError(Exception):
    """A delivery cannot be resolved this way. The message says why."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A resolved delivery with its state before and after."""

    destination: str
    order_id: str
    before: State
    after: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Deliveries of one destination in one state.

    Attributes:
        destination: Configured name.
        first: First partition, `YYYY-MM-DD`.
        last: Last partition, inclusive.
        state: The state of the deliveries.
        reason: Only deliveries with this `state_reason`; None: any.
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
        """Destination and partitions, for messages."""
        until = "" if self.last == self.first else f" to {self.last}"
        return f"{self.destination} {self.first}{until}"

    def find(self, connection: Connection) -> list[dict[str, Any]]:
        """Read and lock the deliveries, by order id."""
        statement = select(delivery).where(
            delivery.c.destination == self.destination,
            delivery.c.partition_key.between(self.first, self.last),
            delivery.c.state == self.state,
        )
        if self.reason is not None:
            statement = statement.where(delivery.c.state_reason == self.reason)
        locked = statement.order_by(delivery.c.order_id).with_for_update()
        found = [dict(row) for row in connection.execute(locked).mappings()]
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
) -> Resolution:
    """Resolve a delivery by a person's decision, stored as a `manual` attempt.

    Delivered: the delivery becomes accepted. Not delivered: it becomes pending, and the
    next run of its partition sends it. If the provider then reports a duplicate, it has
    the earlier send (`assets/ledger/previous_sends.py`).

    Args:
        database: The delivery tables.
        delivery_id: The delivery id, or a unique prefix of it.
        is_delivered: Whether the provider has the conversion.
        by: The person who decided.
        why: The reason for the decision.
        clock: Returns the current time.

    Raises:
        ResolveError: No single delivery has this id, or it needs no decision.
    """
    after = State.ACCEPTED if is_delivered else State.PENDING
    with database.write() as connection:
        row = _find(connection, delivery_id, after)
        return apply_resolution(connection, row, after, by=by, why=why, now=clock())


def resolve_all(
    database: Database,
    selection: Selection,
    *,
    is_delivered: bool,
    by: str,
    why: str,
    may_repeat: bool = False,
    clock: Clock = utc_now,
) -> Sequence[Resolution]:
    """Resolve many deliveries in one state.

    The change is all or nothing; each delivery gets a `manual` attempt.

    Args:
        database: The delivery tables.
        selection: The deliveries.
        is_delivered: Whether the provider has them. If not, the next run of their
            partition sends or stages them.
        by: The person who decided.
        why: The reason for the decision.
        may_repeat: Re-open deliveries as well that were sent and may have counted.
        clock: Returns the current time.

    Raises:
        ResolveError: No delivery or not every order was found, or a delivery that is
            to be sent again may have counted.
    """
    after = State.ACCEPTED if is_delivered else State.PENDING
    _check_legal(selection, after)
    with database.write() as connection:
        rows = selection.find(connection)
        _check_found(selection, rows)
        if after is State.PENDING and not may_repeat:
            _check_unsent(selection, rows)
        now = clock()
        return [
            apply_resolution(connection, row, after, by=by, why=why, now=now)
            for row in rows
        ]


def _check_legal(selection: Selection, after: State) -> None:
    """Raise unless a person may move deliveries from this state to `after`.

    Raises:
        ResolveError: `MANUAL_TRANSITIONS` does not contain the transition.
    """
    if after not in MANUAL_TRANSITIONS.get(selection.state, frozenset()):
        message = (
            f"Resolving failed for {selection.place}: expected a state that may become "
            f"{after}, got {selection.state}. Nothing was changed."
        )
        raise ResolveError(message)


def _check_found(selection: Selection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise unless there are deliveries, and one for each selected order.

    Raises:
        ResolveError: Deliveries are missing.
    """
    found = {row["order_id"] for row in rows}
    missing = sorted(set(selection.order_ids or ()).difference(found))
    if missing or not rows:
        what = f"{len(missing)} that are not" if missing else "none"
        which = f" ({', '.join(missing[:3])})" if missing else ""
        message = (
            f"Resolving failed for {selection.place}: expected {selection.state} "
            f"deliveries, got {what}{which}. Look at the states with `attribution "
            "status`. Nothing was changed."
        )
        raise ResolveError(message)


def _check_unsent(selection: Selection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise unless sending the deliveries again is harmless.

    Raises:
        ResolveError: Some deliveries were sent and may have counted.
    """
    sent = [row for row in rows if row["first_sent_at"] is not None]
    if sent and selection.state is not State.STAGED:
        message = (
            f"Resolving failed for {selection.place}: expected deliveries that were "
            f"never sent, got {len(sent)} that were and may have counted. Look them up "
            "at the provider. `--may-repeat` sends them again anyway. Nothing was "
            "changed."
        )
        raise ResolveError(message)


def apply_resolution(
    connection: Connection,
    row: Mapping[str, Any],
    after: State,
    *,
    by: str,
    why: str,
    now: datetime,
) -> Resolution:
    """Move a locked delivery to its new state and store the decision.

    Args:
        connection: The transaction that read and locked the delivery.
        row: The delivery as it was read.
        after: `accepted` or `pending`.
        by: The person who decided.
        why: The reason for the decision.
        now: The current time.
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
    return Resolution(row["destination"], row["order_id"], before, after)


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
    if after not in MANUAL_TRANSITIONS.get(before, frozenset()):
        message = (
            f"Resolving failed for {row['destination']} {row['order_id']}: expected a "
            f"delivery that waits for a person, got one that is {before}. It needs no "
            "decision."
        )
        raise ResolveError(message)
    return row


def manual_attempt(
    row: Mapping[str, Any], after: State, now: datetime, *, by: str, why: str
) -> dict[str, Any]:
    """Return the `manual` attempt that stores a person's decision.

    Args:
        row: The delivery before the decision.
        after: Its new state.
        now: The current time.
        by: The person who decided.
        why: The reason for the decision.
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
        "request_json": previous_send(row),
        "reason": "delivered" if after is State.ACCEPTED else "not_delivered",
        "from_state": row["state"],
        "to_state": after,
        "decided_by": by[:64],
        "detail": why[:512],
    }
