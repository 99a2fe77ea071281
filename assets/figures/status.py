"""How a destination stands, beyond the states of one partition: what checks look at.

Each question is one statement that an index answers; none reads the whole history.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, case, exists, func, or_, select

from assets.ledger.database import Database
from assets.ledger.states import State
from assets.ledger.tables import data_issue, delivery, export_run, source_total
from assets.ledger.totals import left_over
from assets.providers.base import ResendPolicy
from assets.providers.eligibility import DISABLED

COMPARED = 7
"""Partitions before, with which one is compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a destination stands.

    Attributes:
        orders: Orders of the partition by state.
        lost: Orders that the source holds for the partition and that have no delivery,
            by currency; fewer than none: deliveries that no order accounts for.
        uncertain: Deliveries that may have counted and that no run sends again, by
            partition, whichever it is.
        left: Partitions whose last run left something that running again helps.
        usually_suppressed: Share of the orders of the partitions before that a rule
            withheld; None: there are none.
        unsettled: Queued deliveries, of whatever partition.
        unsettled_since: When the oldest of them was taken.
    """

    orders: Mapping[State, int]
    lost: Mapping[str, int] = field(default_factory=dict)
    uncertain: Mapping[str, int] = field(default_factory=dict)
    left: Sequence[str] = ()
    usually_suppressed: float | None = None
    unsettled: int = 0
    unsettled_since: datetime | None = None


def standing(
    database: Database,
    *,
    destination: str,
    partition_key: str,
    policy: ResendPolicy,
    now: datetime,
    is_enabled: bool = True,
) -> Standing:
    """Look at a destination once a run of a partition is over.

    Args:
        database: Where the delivery tables are.
        destination: Configured name.
        partition_key: The partition that was run.
        policy: Whether a run sends unanswered deliveries again.
        now: The time.
        is_enabled: It is switched on; what was withheld while it was not is left.
    """
    with database.read() as connection:
        unsettled, since = _unsettled(connection, destination)
        return Standing(
            orders=_orders(connection, destination, partition_key),
            lost=_lost(connection, destination, partition_key),
            uncertain=_uncertain(connection, destination),
            left=_left(connection, destination, policy, now, is_enabled=is_enabled),
            usually_suppressed=_usually_suppressed(
                connection, destination, partition_key
            ),
            unsettled=unsettled,
            unsettled_since=since,
        )


def partitions_left(
    database: Database,
    destination: str,
    policy: ResendPolicy,
    now: datetime,
    *,
    is_enabled: bool = True,
) -> list[str]:
    """Return the partitions whose last run left something that running again helps.

    Args:
        database: Where the delivery tables are.
        destination: Configured name.
        policy: Whether a run sends unanswered deliveries again.
        now: The time.
        is_enabled: It is switched on; what was withheld while it was not is left.
    """
    with database.read() as connection:
        return _left(connection, destination, policy, now, is_enabled=is_enabled)


def suppressed_while_disabled(connection: Connection, destination: str) -> set[str]:
    """Return the partitions with orders that only the switch kept back."""
    found = connection.execute(
        select(delivery.c.partition_key)
        .where(
            delivery.c.destination == destination,
            delivery.c.state == State.SUPPRESSED,
            delivery.c.state_reason == DISABLED,
        )
        .distinct()
    )
    return set(found.scalars())


def _orders(
    connection: Connection, destination: str, partition_key: str
) -> dict[State, int]:
    found = connection.execute(
        select(delivery.c.state, func.count())
        .where(
            delivery.c.destination == destination,
            delivery.c.partition_key == partition_key,
        )
        .group_by(delivery.c.state)
    )
    return {State(state): orders for state, orders in found}


def _lost(
    connection: Connection, destination: str, partition_key: str
) -> dict[str, int]:
    """What `v_reconcile` calls `never_seen`, of one partition."""
    is_gone = exists().where(
        data_issue.c.code == "order_gone",
        data_issue.c.order_id == delivery.c.order_id,
        data_issue.c.destination == delivery.c.destination,
        data_issue.c.partition_key == delivery.c.partition_key,
    )
    currency = func.coalesce(delivery.c.currency, "")
    made = connection.execute(
        select(currency, func.count(delivery.c.order_id.distinct()))
        .where(
            delivery.c.destination == destination,
            delivery.c.partition_key == partition_key,
            func.coalesce(delivery.c.state_reason, "") != "order_gone",
            ~is_gone,
        )
        .group_by(currency)
    )
    held = connection.execute(
        select(source_total.c.currency, source_total.c.orders).where(
            source_total.c.partition_key == partition_key
        )
    )
    balance: Counter[str] = Counter({code: int(orders) for code, orders in held})
    balance.subtract({code: int(orders) for code, orders in made})
    return {code: orders for code, orders in sorted(balance.items()) if orders}


def _usually_suppressed(
    connection: Connection, destination: str, partition_key: str
) -> float | None:
    before = (
        select(export_run.c.partition_key)
        .where(
            export_run.c.destination == destination,
            export_run.c.partition_key < partition_key,
        )
        .distinct()
        .order_by(export_run.c.partition_key.desc())
        .limit(COMPARED)
    )
    is_suppressed = case((delivery.c.state == State.SUPPRESSED, 1), else_=0)
    orders, suppressed = connection.execute(
        select(func.count(), func.sum(is_suppressed)).where(
            delivery.c.destination == destination,
            delivery.c.partition_key.in_(before),
        )
    ).one()
    return int(suppressed) / int(orders) if orders else None


def _uncertain(connection: Connection, destination: str) -> dict[str, int]:
    """Those of `v_needs_human` that may have counted."""
    found = connection.execute(
        select(delivery.c.partition_key, func.count())
        .where(
            delivery.c.destination == destination,
            delivery.c.state == State.UNCERTAIN,
            or_(
                delivery.c.next_attempt_at.is_(None),
                delivery.c.accepted_at.is_not(None),
            ),
        )
        .group_by(delivery.c.partition_key)
        .order_by(delivery.c.partition_key)
    )
    return {partition: int(orders) for partition, orders in found}


def _left(
    connection: Connection,
    destination: str,
    policy: ResendPolicy,
    now: datetime,
    *,
    is_enabled: bool,
) -> list[str]:
    unfinished = connection.execute(
        select(delivery.c.partition_key)
        .where(delivery.c.destination == destination, left_over(policy, now))
        .distinct()
    )
    last = (
        select(
            export_run.c.partition_key,
            func.max(export_run.c.started_at).label("started_at"),
        )
        .where(export_run.c.destination == destination)
        .group_by(export_run.c.partition_key)
        .subquery()
    )
    stopped = connection.execute(
        select(export_run.c.partition_key)
        .join(
            last,
            (export_run.c.partition_key == last.c.partition_key)
            & (export_run.c.started_at == last.c.started_at),
        )
        .where(
            export_run.c.destination == destination,
            export_run.c.outcome.is_distinct_from("complete"),
        )
    )
    left = {*unfinished.scalars(), *stopped.scalars()}
    if is_enabled:
        left |= suppressed_while_disabled(connection, destination)
    return sorted(left)


def _unsettled(connection: Connection, destination: str) -> tuple[int, datetime | None]:
    orders, since = connection.execute(
        select(func.count(), func.min(delivery.c.accepted_at)).where(
            delivery.c.destination == destination,
            delivery.c.state == State.QUEUED,
        )
    ).one()
    return int(orders), since
