"""Table `order_day`: the partition that counts an order, the first one that had it.

The extract of a partition sees only its own rows. An order that another partition
counts has either moved here or is in the source twice; only the source can tell.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import chain

from sqlalchemy import Connection, bindparam, select, update

from assets.ledger.bind_limit import bind_batches
from assets.ledger.database import Database, insert_if_new
from assets.ledger.tables import order_day

OrdersByDay = dict[str, set[str]]
"""Partition key of another day -> order ids."""


class OrderDays:
    """Assigns orders to one partition.

    Args:
        database: The delivery tables.
        partition_key: The day, `YYYY-MM-DD`.
    """

    def __init__(self, database: Database, partition_key: str) -> None:
        self.database = database
        self.partition_key = partition_key

    def claim(self, order_ids: Iterable[Sequence[str]]) -> OrdersByDay:
        """Assign to this partition the orders that no partition counts yet.

        Args:
            order_ids: All orders that the source has in this partition, in chunks.

        Returns:
            The orders that another partition counts.
        """
        found: OrdersByDay = defaultdict(set)
        for batch in chain.from_iterable(map(bind_batches, order_ids)):
            known = self._days(batch)
            new = [one for one in batch if one not in known]
            if new:
                self._add(new)
                # Another run may have assigned them in between.
                known |= self._days(new)
            for order_id, day in known.items():
                if day != self.partition_key:
                    found[day].add(order_id)
        return dict(found)

    def move_here(self, order_ids: Collection[str]) -> None:
        """Assign to this partition orders whose own partition has lost them."""
        moved = [{"moved": order_id} for order_id in order_ids]
        if moved:
            statement = (
                update(order_day)
                .where(order_day.c.order_id == bindparam("moved"))
                .values(partition_key=self.partition_key)
            )
            with self.database.write() as connection:
                connection.execute(statement, moved)

    def _days(self, order_ids: Sequence[str]) -> dict[str, str]:
        with self.database.read() as connection:
            return days_of(connection, order_ids)

    def _add(self, order_ids: Sequence[str]) -> None:
        rows = [
            {"order_id": one, "partition_key": self.partition_key} for one in order_ids
        ]
        with self.database.write() as connection:
            connection.execute(insert_if_new(connection, order_day), rows)


def days_of(connection: Connection, order_ids: Sequence[str]) -> dict[str, str]:
    """Return the partition that counts each order, by order id."""
    found: dict[str, str] = {}
    for batch in bind_batches(order_ids):
        statement = select(order_day.c.order_id, order_day.c.partition_key).where(
            order_day.c.order_id.in_(batch)
        )
        rows = connection.execute(statement).all()
        found |= {row.order_id: row.partition_key for row in rows}
    return found
