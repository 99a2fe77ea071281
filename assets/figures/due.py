"""The partitions and destinations that have something to send again now."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select

from assets.ledger.database import Database
from assets.ledger.retry import sendable_states
from assets.ledger.rows import MAX_ATTEMPTS
from assets.ledger.states import State
from assets.ledger.tables import delivery
from assets.ledger.unfinished import is_unfinished
from assets.providers.base import ResendPolicy

SAME_DAY_ATTEMPTS = MAX_ATTEMPTS // 2
"""Attempts after which a delivery waits for the next night.

A run tries a delivery up to four times. Without this limit, a provider that is down for
two hours would use up the attempts that are meant for three nights.
"""


def due_partitions(
    database: Database, policies: Mapping[str, ResendPolicy], now: datetime
) -> Mapping[str, Sequence[str]]:
    """Return partition -> destinations that have a delivery to send again now.

    A delivery is due if its `next_attempt_at` has come, or if the run that was sending
    it has died. It costs one query, which uses an index.

    Args:
        database: The delivery tables.
        policies: Destination -> whether a run resends deliveries without a reply. Other
            destinations are not in the result.
        now: The current time.

    Returns:
        The partitions in ascending order.
    """
    conditions = [
        and_(delivery.c.destination == name, _is_due(policy, now))
        for name, policy in policies.items()
    ]
    if not conditions:
        return {}
    statement = (
        select(delivery.c.partition_key, delivery.c.destination)
        .where(or_(*conditions))
        .distinct()
        .order_by(delivery.c.partition_key, delivery.c.destination)
    )
    found: dict[str, list[str]] = defaultdict(list)
    with database.read() as connection:
        for partition, destination in connection.execute(statement):
            found[partition].append(destination)
    return dict(found)


def _is_due(policy: ResendPolicy, now: datetime) -> ColumnElement[bool]:
    scheduled = and_(
        delivery.c.state.in_(sendable_states(policy)),
        delivery.c.next_attempt_at <= now,
    )
    # A provider's dedup window has begun for it, too.
    abandoned = and_(delivery.c.state == State.SENDING, delivery.c.lease_until <= now)
    return and_(
        or_(scheduled, abandoned),
        is_unfinished(policy, now),
        delivery.c.attempts < SAME_DAY_ATTEMPTS,
    )
