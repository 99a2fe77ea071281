"""Deliveries that another run would finish, and when it may try them again."""

from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    and_,
    false,
    func,
    not_,
    select,
)

from assets.ledger.database import Database
from assets.ledger.ledger import Ledger
from assets.ledger.retry import REPORTED_ELSEWHERE
from assets.ledger.states import UNFINISHED, State
from assets.ledger.tables import delivery
from assets.providers.base import ResendPolicy


def count_unfinished(
    database: Database,
    *,
    destination: str,
    partition_key: str,
    policy: ResendPolicy,
    now: datetime,
) -> int:
    """Count the deliveries of a partition that another run would finish.

    Args:
        database: The delivery tables.
        destination: Configured name.
        partition_key: The partition.
        policy: Whether a run resends deliveries without a reply.
        now: The current time.
    """
    statement = (
        select(func.count())
        .select_from(delivery)
        .where(
            delivery.c.destination == destination,
            delivery.c.partition_key == partition_key,
            is_unfinished(policy, now),
        )
    )
    with database.read() as connection:
        return connection.execute(statement).scalar_one()


def is_unfinished(policy: ResendPolicy, now: datetime) -> ColumnElement[bool]:
    """Return the SQL condition of a delivery that another run would finish.

    Args:
        policy: Whether a run resends deliveries without a reply.
        now: The current time.
    """
    states = [*UNFINISHED, State.UNCERTAIN] if policy.is_safe else [*UNFINISHED]
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


def next_due(
    ledger: Ledger, partition_key: str, states: frozenset[State]
) -> datetime | None:
    """Return when the first delivery of a partition may be tried again.

    Args:
        ledger: The ledger of the destination.
        partition_key: The partition.
        states: Only deliveries in these states.
    """
    statement = select(func.min(delivery.c.next_attempt_at)).where(
        _is_scheduled(ledger, partition_key, states)
    )
    with ledger.database.read() as connection:
        return connection.execute(statement).scalar()


def last_due(
    ledger: Ledger, partition_key: str, states: frozenset[State], by: datetime
) -> datetime | None:
    """Return when the last delivery that is due until `by` may be tried again.

    Args:
        ledger: The ledger of the destination.
        partition_key: The partition.
        states: Only deliveries in these states.
        by: Deliveries that are due later are left out.
    """
    statement = select(func.max(delivery.c.next_attempt_at)).where(
        _is_scheduled(ledger, partition_key, states),
        delivery.c.next_attempt_at <= by,
    )
    with ledger.database.read() as connection:
        return connection.execute(statement).scalar()


def _is_scheduled(
    ledger: Ledger, partition_key: str, states: frozenset[State]
) -> ColumnElement[bool]:
    return and_(
        delivery.c.destination == ledger.destination,
        delivery.c.partition_key == partition_key,
        delivery.c.state.in_(states),
    )
