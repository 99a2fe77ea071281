"""Table `remembered`: the keys that a destination learned, and the order of each.

The meaning of a key is decided in the provider's package.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, exists, select

from assets.ledger.bind_limit import bind_batches
from assets.ledger.database import insert_if_new, insert_or_update
from assets.ledger.states import State
from assets.ledger.tables import delivery, remembered

_NOT_REPORTED = (State.SUPPRESSED, State.QUARANTINED, State.REJECTED)
"""An order in such a state is not reported, so it holds no exclusive key."""


def look_up(
    connection: Connection, destination: str, digests: Collection[str]
) -> dict[str, tuple[str, bool]]:
    """Return for each known digest its order id and whether that order is reported.

    An order counts as reported if it was sent, may have been sent, or is about to be.
    Only then does it hold an exclusive key.
    """
    is_reported = exists().where(
        delivery.c.destination == remembered.c.destination,
        delivery.c.order_id == remembered.c.order_id,
        delivery.c.state.not_in(_NOT_REPORTED),
    )
    found: dict[str, tuple[str, bool]] = {}
    for batch in bind_batches(sorted(digests)):
        statement = select(
            remembered.c.key_hash, remembered.c.order_id, is_reported
        ).where(
            remembered.c.destination == destination,
            remembered.c.key_hash.in_(batch),
        )
        for digest, order_id, reported in connection.execute(statement):
            found[digest] = (order_id, bool(reported))
    return found


def add(
    connection: Connection, destination: str, learnt: Mapping[str, str], at: datetime
) -> None:
    """Store learned keys, order id by digest; known keys stay unchanged."""
    if learnt:
        rows = _rows(destination, learnt, at)
        connection.execute(insert_if_new(connection, remembered), rows)


def assign(
    connection: Connection, destination: str, keys: Mapping[str, str], at: datetime
) -> None:
    """Assign exclusive keys to orders, order id by digest; replace earlier holders."""
    if keys:
        changed = ("order_id", "remembered_at")
        statement = insert_or_update(connection, remembered, changed)
        connection.execute(statement, _rows(destination, keys, at))


def _rows(
    destination: str, orders: Mapping[str, str], at: datetime
) -> list[dict[str, object]]:
    return [
        {
            "destination": destination,
            "key_hash": digest,
            "order_id": order_id,
            "remembered_at": at,
        }
        for digest, order_id in sorted(orders.items())
    ]
