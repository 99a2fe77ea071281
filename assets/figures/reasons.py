"""The most frequent reasons why orders of a partition are not delivered."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from assets.ledger.database import Database
from assets.ledger.states import DELIVERED
from assets.ledger.tables import delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Orders and money of one reason, in one state and currency."""

    state: str
    reason: str
    currency: str | None
    currency_digits: int | None
    orders: int
    amount_minor: int


def top_reasons(
    database: Database, destination: str, partition_key: str, *, limit: int = 10
) -> Sequence[Reason]:
    """Return the reasons of undelivered orders, the most frequent first."""
    groups = (
        delivery.c.state,
        delivery.c.state_reason,
        delivery.c.currency,
        delivery.c.currency_digits,
    )
    orders = func.count().label("orders")
    statement = (
        select(
            delivery.c.state,
            func.coalesce(delivery.c.state_reason, "?").label("reason"),
            delivery.c.currency,
            delivery.c.currency_digits,
            orders,
            func.coalesce(func.sum(delivery.c.amount_minor), 0).label("amount_minor"),
        )
        .where(
            delivery.c.destination == destination,
            delivery.c.partition_key == partition_key,
            delivery.c.state.not_in(DELIVERED),
        )
        .group_by(*groups)
        .order_by(orders.desc(), delivery.c.state, delivery.c.state_reason)
        .limit(limit)
    )
    with database.read() as connection:
        return [
            Reason(**{**row, "amount_minor": int(row["amount_minor"])})
            for row in connection.execute(statement).mappings()
        ]
