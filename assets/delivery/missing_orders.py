"""Orders that have a delivery and that the source no longer has.

Cancelled, refunded or deleted. Where they were reported, the provider still counts
them: nothing is sent and no delivery changes. Each stands in `data_issue` until its
order is there again, and in `v_needs_reversal` for whoever takes it back at the
provider. Those that were never sent are suppressed, so that they count for nothing.
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

GONE = "order_gone"
REPORTED = DELIVERED | {State.QUEUED}

_source_order = Table(
    "source_order",
    MetaData(),
    Column("order_id", delivery.c.order_id.type, primary_key=True),
    prefixes=["TEMPORARY"],
)


def keep_account(
    ledger: Ledger, partition_key: str, order_ids: Iterable[Iterable[str]], count: int
) -> list[str]:
    """Note the reported orders of a partition that are gone; drop what came back.

    Args:
        ledger: The deliveries of one destination, every order of the source planned.
        partition_key: The partition.
        order_ids: All that the source has of it, some at a time; read only where an
            order is or was missing.
        count: How many these are.

    Returns:
        The orders that are gone and were never sent.
    """
    known = _known(ledger, partition_key)
    if not known and _deliveries(ledger, partition_key) <= count:
        return []
    gone = _gone(ledger, partition_key, order_ids)
    unsent = [order_id for order_id, state in gone.items() if state in REPLANNABLE]
    name = ledger.destination
    Quarantine(ledger.database, partition_key, ledger.clock()).add_issues(
        [
            {
                "order_id": order_id,
                "code": GONE,
                "subject": name,
                "destination": name,
                "detail": f"gone after it was {state}; the provider still counts it",
            }
            for order_id, state in gone.items()
            if order_id not in known and state not in REPLANNABLE
        ]
    )
    forget(ledger, partition_key, sorted(known - gone.keys()))
    return unsent


def _known(ledger: Ledger, partition_key: str) -> set[str]:
    statement = select(data_issue.c.order_id).where(
        data_issue.c.partition_key == partition_key,
        data_issue.c.code == GONE,
        data_issue.c.subject == ledger.destination,
    )
    with ledger.database.read() as connection:
        return set(connection.execute(statement).scalars())


def _deliveries(ledger: Ledger, partition_key: str) -> int:
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


def _gone(
    ledger: Ledger, partition_key: str, order_ids: Iterable[Iterable[str]]
) -> dict[str, State]:
    """Order -> state."""
    with (
        ledger.database.read() as connection,
        source_orders(connection, order_ids) as is_there,
    ):
        statement = select(delivery.c.order_id, delivery.c.state).where(
            delivery.c.destination == ledger.destination,
            delivery.c.partition_key == partition_key,
            delivery.c.state.in_(REPORTED | REPLANNABLE),
            ~is_there,
        )
        return {row.order_id: row.state for row in connection.execute(statement)}


@contextmanager
def source_orders(
    connection: Connection, order_ids: Iterable[Iterable[str]]
) -> Iterator[ColumnElement[bool]]:
    """Let the database compare, so that memory does not grow.

    Args:
        connection: Keeps the orders while the block lasts.
        order_ids: All that the source has, some at a time.

    Yields:
        The condition that the source has the order of a delivery.
    """
    _source_order.create(connection)
    for some in order_ids:
        rows = [{"order_id": one} for one in some]
        if rows:
            connection.execute(insert_if_new(connection, _source_order), rows)
    yield exists().where(_source_order.c.order_id == delivery.c.order_id)
    _source_order.drop(connection)


def forget(ledger: Ledger, partition_key: str, order_ids: Sequence[str]) -> None:
    """Drop the note of orders that are there after all, or on another day."""
    if not order_ids:
        return
    with ledger.database.write() as connection:
        for some in bind_batches(order_ids):
            connection.execute(
                delete(data_issue).where(
                    data_issue.c.partition_key == partition_key,
                    data_issue.c.order_id.in_(some),
                    data_issue.c.code == GONE,
                    data_issue.c.subject == ledger.destination,
                )
            )
