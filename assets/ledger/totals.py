"""Counts and money of deliveries by state."""

from sqlalchemy import column, func, select, table

from assets.ledger.database import Database
from assets.ledger.rows import Total
from assets.ledger.states import State
from assets.ledger.tables import delivery


def totals(
    database: Database,
    *,
    destination: str | None = None,
    first: str | None = None,
    last: str | None = None,
) -> list[Total]:
    """Count deliveries and their money by destination, partition, state, currency.

    Args:
        database: The delivery tables.
        destination: Only this destination; None: all.
        first: First partition key, inclusive; None: no lower bound.
        last: Last partition key, inclusive; None: no upper bound.
    """
    groups = (
        delivery.c.destination,
        delivery.c.partition_key,
        delivery.c.state,
        delivery.c.currency,
        delivery.c.currency_digits,
    )
    statement = (
        select(
            *groups,
            func.count().label("orders"),
            func.coalesce(func.sum(delivery.c.amount_minor), 0).label("amount_minor"),
        )
        .group_by(*groups)
        .order_by(*groups)
    )
    if destination is not None:
        statement = statement.where(delivery.c.destination == destination)
    if first is not None:
        statement = statement.where(delivery.c.partition_key >= first)
    if last is not None:
        statement = statement.where(delivery.c.partition_key <= last)
    with database.read() as connection:
        return [
            Total(
                **{
                    **row,
                    "state": State(row["state"]),
                    "amount_minor": int(row["amount_minor"]),
                }
            )
            for row in connection.execute(statement).mappings()
        ]


def count_needs_human(database: Database, *, first: str, last: str) -> int:
    """Count the rows of `v_needs_human` for the partitions `first` to `last`."""
    view = table("v_needs_human", column("partition_key"))
    statement = (
        select(func.count())
        .select_from(view)
        .where(view.c.partition_key.between(first, last))
    )
    with database.read() as connection:
        return connection.execute(statement).scalar_one()
