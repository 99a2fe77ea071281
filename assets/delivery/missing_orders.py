"""Orders that have a delivery and are missing from the source.

They were cancelled, refunded or deleted. The provider still counts those that were
reported: nothing is sent and their deliveries do not change. Each is kept in
`data_issue` until its order is in the source again, and in `v_needs_reversal` for the
person who reverses it at the provider. Those that were never sent are suppressed, so
that they count for nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Table,
    delete,
    exists,
    func,
    select,
)

from assets.ledger.bind_limit import bind_batches
from assets.ledger.database import insert_if_new
from assets.ledger.ledger import Ledger
from assets.ledger.quarantine import Quarantine
from assets.ledger.states import DELIVERED, REPLANNABLE, State
from assets.ledger.tables import data_issue, delivery

MISSING_FROM_SOURCE = "order_gone"
REPORTED = DELIVERED | {State.QUEUED}

_source_order = Table(
    "source_order",
    MetaData(),
    Column("order_id", delivery.c.order_id.type, primary_key=True),
    prefixes=["TEMPORARY"],
)


def record_missing_orders(
    ledger: Ledger, partition_key: str, order_ids: Iterable[Iterable[str]], count: int
) -> list[str]:
    """Record the reported orders that are missing; clear those that came back.

    Args:
        ledger: The deliveries of one destination. Every order of the source is planned.
        partition_key: The partition.
        order_ids: All orders of the source, in groups. They are read only where an
            order is or was missing.
        count: How many orders these are.

    Returns:
        The orders that are missing and were never sent.
    """
    recorded = _recorded_orders(ledger, partition_key)
    if not recorded and _count_deliveries(ledger, partition_key) <= count:
        return []
    missing = _missing_orders(ledger, partition_key, order_ids)
    unsent = [order_id for order_id, state in missing.items() if state in REPLANNABLE]
    name = ledger.destination
    Quarantine(ledger.database, partition_key, ledger.clock()).add_issues(
        [
            {
                "order_id": order_id,
                "code": MISSING_FROM_SOURCE,
                "subject": name,
                "destination": name,
                "detail": f"missing after it was {state}; the provider still counts it",
            }
            for order_id, state in missing.items()
            if order_id not in recorded and state not in REPLANNABLE
        ]
    )
    clear_missing_orders(ledger, partition_key, sorted(recorded - missing.keys()))
    return unsent


def _recorded_orders(ledger: Ledger, partition_key: str) -> set[str]:
    statement = select(data_issue.c.order_id).where(
        data_issue.c.partition_key == partition_key,
        data_issue.c.code == MISSING_FROM_SOURCE,
        data_issue.c.subject == ledger.destination,
    )
    with ledger.database.read() as connection:
        return set(connection.execute(statement).scalars())


def _count_deliveries(ledger: Ledger, partition_key: str) -> int:
    statement = (
        select(func.count())
        .select_from(delivery)
        .where(
            delivery.c.destination == ledger.destination,
            delivery.c.partition_key == partition_key,
        )
    )
    with ledger.database.read() as connection:
        return connection.execute(statement).scalar_one()


def _missing_orders(
    ledger: Ledger, partition_key: str, order_ids: Iterable[Iterable[str]]
) -> dict[str, State]:
    """Return the state of each missing order, by order id."""
    with (
        ledger.database.read() as connection,
        source_orders(connection, order_ids) as is_in_source,
    ):
        statement = select(delivery.c.order_id, delivery.c.state).where(
            delivery.c.destination == ledger.destination,
            delivery.c.partition_key == partition_key,
            delivery.c.state.in_(REPORTED | REPLANNABLE),
            ~is_in_source,
        )
        return {row.order_id: row.state for row in connection.execute(statement)}


@contextmanager
def source_orders(
    connection: Connection, order_ids: Iterable[Iterable[str]]
) -> Iterator[ColumnElement[bool]]:
    """Load the orders of the source into a temporary table of the database.

    The database compares them, so that memory does not grow with their number.

    Args:
        connection: Holds the temporary table while the block lasts.
        order_ids: All orders of the source, in groups.

    Yields:
        The condition that the order of a delivery is in the source.
    """
    _source_order.create(connection)
    for some in order_ids:
        rows = [{"order_id": one} for one in some]
        if rows:
            connection.execute(insert_if_new(connection, _source_order), rows)
    yield exists().where(_source_order.c.order_id == delivery.c.order_id)
    _source_order.drop(connection)


def clear_missing_orders(
    ledger: Ledger, partition_key: str, order_ids: Sequence[str]
) -> None:
    """Delete the issues of orders that are in the source, or on another day."""
    if not order_ids:
        return
    with ledger.database.write() as connection:
        for some in bind_batches(order_ids):
            connection.execute(
                delete(data_issue).where(
                    data_issue.c.partition_key == partition_key,
                    data_issue.c.order_id.in_(some),
                    data_issue.c.code == MISSING_FROM_SOURCE,
                    data_issue.c.subject == ledger.destination,
                )
            )
