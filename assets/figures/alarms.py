"""Deliveries with a reason that needs a person at once."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select

from assets.ledger.database import Database
from assets.ledger.tables import delivery


def orders_by_reason(
    database: Database, destination: str, reasons: Collection[str]
) -> Mapping[str, Sequence[str]]:
    """Return the order ids of a destination by reason, of all partitions.

    Args:
        database: The delivery tables.
        destination: Configured name.
        reasons: Only deliveries with these reason codes.
    """
    statement = (
        select(delivery.c.state_reason, delivery.c.order_id)
        .where(
            delivery.c.destination == destination,
            delivery.c.state_reason.in_(list(reasons)),
        )
        .order_by(delivery.c.order_id)
    )
    found: defaultdict[str, list[str]] = defaultdict(list)
    with database.read() as connection:
        for reason, order_id in connection.execute(statement):
            found[reason].append(order_id)
    return dict(found)
