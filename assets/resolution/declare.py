"""Declares orders as delivered, even orders that have no delivery yet.

After the delivery tables were restored to an earlier time, they may not contain orders
that a provider's own report shows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select

from assets.ledger.bind_limit import bind_batches
from assets.ledger.database import Database
from assets.ledger.rows import Clock, delivery_id, utc_now
from assets.ledger.states import DELIVERED, State
from assets.ledger.tables import delivery
from assets.resolution.resolve import Resolution, ResolveError, apply_resolution

_KNOWN = DELIVERED | {State.QUEUED}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarationTarget:
    """The destination that received the orders, and the day of the orders.

    Attributes:
        destination: Configured name.
        provider: Name of its provider.
        event: The event that is reported of an order, as in `Provider.event`.
        day: The partition of orders that have no delivery yet.
    """

    destination: str
    provider: str
    event: str
    day: date


def declare_delivered(
    database: Database,
    target: DeclarationTarget,
    order_ids: Collection[str],
    *,
    by: str,
    why: str,
    clock: Clock = utc_now,
) -> Sequence[Resolution]:
    """Close orders as delivered, including orders that were never planned or sent.

    The change is all or nothing; each order gets a `manual` attempt. Orders that are
    delivered already stay unchanged. The next run of the day fills in the amounts.

    Args:
        database: The delivery tables.
        target: The destination that received the orders.
        order_ids: The orders.
        by: The person who decided.
        why: The reason for the decision.
        clock: Returns the current time.

    Raises:
        ResolveError: There are no orders, or one of them is being sent.
    """
    if not order_ids:
        message = (
            f"Resolving failed for {target.destination} {target.day}: expected order "
            "ids, got none. Write them to the file of --orders, one per line."
        )
        raise ResolveError(message)
    now = clock()
    wanted = sorted(order_ids)
    done: list[Resolution] = []
    with database.write() as connection:
        for batch in bind_batches(wanted):
            known = _known(connection, target.destination, batch)
            for order_id in batch:
                rows = known.get(order_id, [])
                if any(State(row["state"]) in _KNOWN for row in rows):
                    continue
                row = _to_close(connection, target, order_id, rows, now)
                done.append(
                    apply_resolution(
                        connection, row, State.ACCEPTED, by=by, why=why, now=now
                    )
                )
    return done


def _known(
    connection: Connection, destination: str, order_ids: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    statement = select(delivery).where(
        delivery.c.destination == destination, delivery.c.order_id.in_(order_ids)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(statement.with_for_update()).mappings():
        found.setdefault(row["order_id"], []).append(dict(row))
    return found


def _to_close(
    connection: Connection,
    target: DeclarationTarget,
    order_id: str,
    rows: Sequence[Mapping[str, Any]],
    now: datetime,
) -> Mapping[str, Any]:
    key = f"{target.event}:{order_id}"
    for row in rows:
        is_claimed = row["state"] == State.SENDING and row["lease_until"] is not None
        if is_claimed and row["lease_until"] > now:
            message = (
                f"Resolving failed for {target.destination} {order_id}: expected no "
                "active run, got one that is sending the order. Wait until it has "
                "ended. Nothing was changed."
            )
            raise ResolveError(message)
    same = [row for row in rows if row["conversion_key"] == key]
    return same[0] if same else _insert_delivery(connection, target, order_id, key, now)


def _insert_delivery(
    connection: Connection,
    target: DeclarationTarget,
    order_id: str,
    key: str,
    now: datetime,
) -> dict[str, Any]:
    row = {
        "delivery_id": delivery_id(target.provider, target.destination, key),
        "destination": target.destination,
        "provider": target.provider,
        "conversion_key": key,
        "order_id": order_id,
        "partition_key": target.day.isoformat(),
        "order_date": target.day,
        "state": State.PENDING,
        "attempts": 0,
        "row_version": 1,
        "created_at": now,
        "updated_at": now,
    }
    connection.execute(delivery.insert(), row)
    worth = ("amount_minor", "currency", "currency_digits", "payload_hash")
    return dict.fromkeys((*worth, "first_sent_at")) | row
