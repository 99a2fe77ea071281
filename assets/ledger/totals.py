"""How many deliveries stand in which state, and what they are worth."""

from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    and_,
    column,
    false,
    func,
    not_,
    select,
    table,
)

from assets.ledger.database import Database
from assets.ledger.retry import REPORTED_ELSEWHERE
from assets.ledger.rows import Total
from assets.ledger.states import RERUN_HELPS, State
from assets.ledger.tables import delivery
from assets.providers.base import ResendPolicy


def totals(
    database: Database,
    *,
    destination: str | None = None,
    first: str | None = None,
    last: str | None = None,
) -> list[Total]:
    """Count deliveries and their money by destination, partition, state, currency.

    Args:
        database: Where the delivery tables are.
        destination: Only this one.
        first: Only partitions from this key on.
        last: Only partitions up to and with this key.
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


def unfinished(
    database: Database,
    *,
    destination: str,
    partition_key: str,
    policy: ResendPolicy,
    now: datetime,
) -> int:
    """Count the deliveries of a partition that another run would finish.

    Args:
        database: Where the delivery tables are.
        destination: Configured name.
        partition_key: The partition.
        policy: Whether a run sends unanswered deliveries again.
        now: The time.
    """
    statement = (
        select(func.count())
        .select_from(delivery)
        .where(
            delivery.c.destination == destination,
            delivery.c.partition_key == partition_key,
            left_over(policy, now),
        )
    )
    with database.read() as connection:
        return connection.execute(statement).scalar_one()


def left_over(policy: ResendPolicy, now: datetime) -> ColumnElement[bool]:
    """Return what is true of a delivery that another run would finish.

    Args:
        policy: Whether a run sends unanswered deliveries again.
        now: The time.
    """
    states = [*RERUN_HELPS, State.UNCERTAIN] if policy.is_safe else [*RERUN_HELPS]
    looked_up: ColumnElement[bool] = false()
    if policy.supports_lookup and policy.window is not None:
        looked_up = and_(
            delivery.c.state == State.UNCERTAIN,
            delivery.c.first_sent_at < now - policy.window,
        )
    return and_(
        delivery.c.state.in_(states),
        delivery.c.accepted_at.is_(None),
        delivery.c.state_reason.is_distinct_from(REPORTED_ELSEWHERE),
        not_(looked_up),
    )


def needing_a_person(database: Database, *, first: str, last: str) -> int:
    """Count what `v_needs_human` shows of the partitions from `first` to `last`."""
    view = table("v_needs_human", column("partition_key"))
    statement = (
        select(func.count())
        .select_from(view)
        .where(view.c.partition_key.between(first, last))
    )
    with database.read() as connection:
        return connection.execute(statement).scalar_one()
