"""How many orders are quarantined, and why most of them are."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from assets.ledger.database import Database
from assets.ledger.states import State
from assets.ledger.tables import delivery


@dataclass(frozen=True, slots=True)
class QuarantineFigures:
    """The quarantined orders of some partitions.

    Attributes:
        orders: Number of orders, quarantined ones included.
        quarantined: Number of orders that are quarantined for a destination.
        top_reason: The reason code of most of them.
        top_orders: Number of orders with this reason.
    """

    orders: int
    quarantined: int
    top_reason: str
    top_orders: int


def quarantine_figures(
    database: Database, *, first: str, last: str
) -> QuarantineFigures | None:
    """Count the orders of some partitions; None: no order is quarantined.

    Args:
        database: The delivery tables.
        first: First partition key, inclusive.
        last: Last partition key, inclusive.
    """
    count = func.count(delivery.c.order_id.distinct())
    of_days = delivery.c.partition_key.between(first, last)
    is_quarantined = delivery.c.state == State.QUARANTINED
    reasons = (
        select(delivery.c.state_reason, count)
        .where(of_days, is_quarantined)
        .group_by(delivery.c.state_reason)
        .order_by(count.desc(), delivery.c.state_reason)
        .limit(1)
    )
    with database.read() as connection:
        top = connection.execute(reasons).first()
        if top is None:
            return None
        orders = connection.execute(select(count).where(of_days)).scalar_one()
        quarantined = connection.execute(
            select(count).where(of_days, is_quarantined)
        ).scalar_one()
    return QuarantineFigures(orders, quarantined, top[0] or "?", top[1])


def quarantined_deliveries(
    database: Database, destination: str, partition_key: str
) -> tuple[int, Mapping[str, str]]:
    """Return the orders of a partition that no rule suppressed, and the quarantined.

    Args:
        database: The delivery tables.
        destination: Configured name.
        partition_key: The partition.

    Returns:
        The number of orders that are not suppressed, and order id -> reason code of
        those that are quarantined.
    """
    own = (
        delivery.c.destination == destination,
        delivery.c.partition_key == partition_key,
    )
    reasons = select(delivery.c.order_id, delivery.c.state_reason).where(
        *own, delivery.c.state == State.QUARANTINED
    )
    orders = select(func.count(delivery.c.order_id.distinct())).where(
        *own, delivery.c.state != State.SUPPRESSED
    )
    with database.read() as connection:
        found = {row.order_id: row.state_reason for row in connection.execute(reasons)}
        return connection.execute(orders).scalar_one(), found
