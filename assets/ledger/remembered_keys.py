"""Table `remembered`: what a destination has learnt, and which order holds what.

It knows keys and rows; what a key means is the provider module's business.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, exists, select

from assets.ledger.bind_limit import bind_batches
from assets.ledger.database import insert_if_new, insert_or_update
from assets.ledger.states import State
from assets.ledger.tables import delivery, remembered

_NOT_REPORTED = (State.SUPPRESSED, State.QUARANTINED, State.REJECTED)
"""An order in such a state is not reported: it holds nothing."""


def look_up(
    connection: Connection, destination: str, digests: Collection[str]
) -> dict[str, tuple[str, bool]]:
    """Return, by digest, the order behind it and whether that order is reported.

    Reported, or it may be, or it is about to be: only then it holds an exclusive key.
    """
    is_reported = exists().where(
        delivery.c.destination == remembered.c.destination,
        delivery.c.order_id == remembered.c.order_id,
        delivery.c.state.not_in(_NOT_REPORTED),
    )
    asked, found = sorted(digests), {}
    for some in bind_batches(asked):
        statement = select(
            remembered.c.key_hash, remembered.c.order_id, is_reported
        ).where(
            remembered.c.destination == destination,
            remembered.c.key_hash.in_(some),
        )
        for digest, order_id, reported in connection.execute(statement):
            found[digest] = (order_id, bool(reported))
    return found


def add(
    connection: Connection, destination: str, learnt: Mapping[str, str], at: datetime
) -> None:
    """Keep what was learnt, order id by digest; what is known stays as it is."""
    if learnt:
        rows = _rows(destination, learnt, at)
        connection.execute(insert_if_new(connection, remembered), rows)


def assign(
    connection: Connection, destination: str, held: Mapping[str, str], at: datetime
) -> None:
    """Give exclusive keys to orders, order id by digest; who held them lets go."""
    if held:
        changed = ("order_id", "remembered_at")
        statement = insert_or_update(connection, remembered, changed)
        connection.execute(statement, _rows(destination, held, at))


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
