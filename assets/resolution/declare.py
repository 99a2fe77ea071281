"""A person's word that orders were delivered, whatever is known of them here.

After a restore to an earlier time the delivery tables may not even know the orders that
a provider's own report shows.
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
    """Which destination was told, and of which day's orders.

    Attributes:
        destination: Configured name.
        provider: Its provider.
        event: What it reports of an order, as in `Provider.event`.
        day: The partition of orders of which there is no delivery.
    """

    destination: str
    provider: str
    event: str
    day: date


def declare_delivered(
    database: Database,
    told: DeclarationTarget,
    order_ids: Collection[str],
    *,
    by: str,
    why: str,
    clock: Clock = utc_now,
) -> Sequence[Resolution]:
    """Close orders as delivered, also those that were never planned or sent.

    All of them or none: each is kept as a `manual` attempt of its own. What is known as
    delivered is left as it is. The next run of the day fills in what the orders are
    worth.

    Args:
        database: The delivery tables.
        told: Where they were delivered.
        order_ids: The orders.
        by: Who decided.
        why: What it rests on.
        clock: Tells the time.

    Raises:
        ResolveError: No order is given, or one is being sent.
    """
    if not order_ids:
        message = (
            f"Resolving failed for {told.destination} {told.day}: expected order ids, "
            "got none. Write them into the file of --orders, one a line."
        )
        raise ResolveError(message)
    now = clock()
    wanted = sorted(order_ids)
    done: list[Resolution] = []
    with database.write() as connection:
        for part in bind_batches(wanted):
            known = _known(connection, told.destination, part)
            for order_id in part:
                rows = known.get(order_id, [])
                if any(State(row["state"]) in _KNOWN for row in rows):
                    continue
                row = _to_close(connection, told, order_id, rows, now)
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
    told: DeclarationTarget,
    order_id: str,
    rows: Sequence[Mapping[str, Any]],
    now: datetime,
) -> Mapping[str, Any]:
    key = f"{told.event}:{order_id}"
    for row in rows:
        is_claimed = row["state"] == State.SENDING and row["lease_until"] is not None
        if is_claimed and row["lease_until"] > now:
            message = (
                f"Resolving failed for {told.destination} {order_id}: expected no run "
                "at work, got one that is sending it. Wait until it has ended; nothing "
                "was changed."
            )
            raise ResolveError(message)
    same = [row for row in rows if row["conversion_key"] == key]
    return same[0] if same else _insert_delivery(connection, told, order_id, key, now)


def _insert_delivery(
    connection: Connection,
    told: DeclarationTarget,
    order_id: str,
    key: str,
    now: datetime,
) -> dict[str, Any]:
    row = {
        "delivery_id": delivery_id(told.provider, told.destination, key),
        "destination": told.destination,
        "provider": told.provider,
        "conversion_key": key,
        "order_id": order_id,
        "partition_key": told.day.isoformat(),
        "order_date": told.day,
        "state": State.PENDING,
        "attempts": 0,
        "row_version": 1,
        "created_at": now,
        "updated_at": now,
    }
    connection.execute(delivery.insert(), row)
    worth = ("amount_minor", "currency", "currency_digits", "payload_hash")
    return dict.fromkeys((*worth, "first_sent_at")) | row
