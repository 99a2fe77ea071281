"""Which orders of a day the delivery tables know in another day as well.

They may have moved, or the source has a row of them in both: only the source can tell.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import select, union

from assets.delivery.database import Database
from assets.delivery.quarantine import ORDERS, REPEATED, SLICE
from assets.delivery.tables import delivery, quarantine_row


def known_on_other_days(
    database: Database, partition_key: str, order_ids: Iterable[Sequence[str]]
) -> dict[str, set[str]]:
    """Return other partition -> orders that have a delivery or a refused row there.

    Args:
        database: Where the delivery tables are.
        partition_key: The partition in which the source has the orders.
        order_ids: The orders, some at a time.
    """
    found: dict[str, set[str]] = defaultdict(set)
    with database.read() as connection:
        for some in order_ids:
            for start in range(0, len(some), SLICE):
                own = some[start : start + SLICE]
                delivered = select(delivery.c.partition_key, delivery.c.order_id).where(
                    delivery.c.order_id.in_(own),
                    delivery.c.partition_key != partition_key,
                )
                refused = select(
                    quarantine_row.c.partition_key, quarantine_row.c.order_id
                ).where(
                    quarantine_row.c.order_id.in_(own),
                    quarantine_row.c.partition_key != partition_key,
                    quarantine_row.c.dataset.in_([ORDERS, REPEATED]),
                    quarantine_row.c.resolved_at.is_(None),
                )
                for day, order_id in connection.execute(union(delivered, refused)):
                    found[day].add(order_id)
    return dict(found)
