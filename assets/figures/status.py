"""The status of a destination after a run, input of the asset checks.

Each figure is one statement that uses an index; none reads the whole history.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, case, exists, func, or_, select

from assets.ledger.database import Database
from assets.ledger.states import State
from assets.ledger.tables import data_issue, delivery, export_run, source_total
from assets.ledger.unfinished import is_unfinished
from assets.providers.base import ResendPolicy
from assets.providers.eligibility import DISABLED

BASELINE_PARTITIONS = 7
"""Number of earlier partitions that a partition is compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStatus:
    """The status of a destination after a run.

    Attributes:
        orders: Number of orders of the partition by state.
        without_delivery: Number of orders of the partition without a delivery, by
            currency. Negative: deliveries without an order in the source.
        uncertain: Number of uncertain deliveries that no run sends again, by partition,
            of all partitions.
        partitions_left: Partitions that another run would finish.
        usual_suppressed_share: Suppressed share of the orders of the partitions before;
            None: there are none.
        unsettled: Number of queued deliveries, of all partitions.
        unsettled_since: When the oldest of them was accepted.
    """

    orders: Mapping[State, int]
    without_delivery: Mapping[str, int] = field(default_factory=dict)
    uncertain: Mapping[str, int] = field(default_factory=dict)
    partitions_left: Sequence[str] = ()
    usual_suppressed_share: float | None = None
    unsettled: int = 0
    unsettled_since: datetime | None = None


def destination_status(
    database: Database,
    *,
    destination: str,
    partition_key: str,
    policy: ResendPolicy,
    now: datetime,
    is_enabled: bool = True,
) -> DestinationStatus:
    """Return the status of a destination after a run of a partition.

    Args:
        database: The delivery tables.
        destination: Configured name.
        partition_key: The partition that was run.
        policy: Whether a run resends deliveries without a reply.
        now: The current time.
        is_enabled: The destination is enabled: partitions with orders suppressed while
            it was disabled count as unfinished.
    """
    with database.read() as connection:
        unsettled, since = _unsettled(connection, destination)
        return DestinationStatus(
            orders=_orders(connection, destination, partition_key),
            without_delivery=_without_delivery(connection, destination, partition_key),
            uncertain=_uncertain(connection, destination),
            partitions_left=_left(
                connection, destination, policy, now, is_enabled=is_enabled
            ),
            usual_suppressed_share=_usual_suppressed_share(
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
    """Return the partitions that another run would finish.

    Args:
        database: The delivery tables.
        destination: Configured name.
        policy: Whether a run resends deliveries without a reply.
        now: The current time.
        is_enabled: The destination is enabled: partitions with orders suppressed while
            it was disabled count as unfinished.
    """
    with database.read() as connection:
        return _left(connection, destination, policy, now, is_enabled=is_enabled)


def suppressed_while_disabled(connection: Connection, destination: str) -> set[str]:
    """Return the partitions with orders suppressed only by `enabled = false`."""
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


def _without_delivery(
    connection: Connection, destination: str, partition_key: str
) -> dict[str, int]:
    """Return `never_seen` of `v_reconcile` for one partition."""
    is_missing = exists().where(
        data_issue.c.code == "order_gone",
        data_issue.c.order_id == delivery.c.order_id,
        data_issue.c.destination == delivery.c.destination,
        data_issue.c.partition_key == delivery.c.partition_key,
    )
    currency = func.coalesce(delivery.c.currency, "")
    delivered = connection.execute(
        select(currency, func.count(delivery.c.order_id.distinct()))
        .where(
            delivery.c.destination == destination,
            delivery.c.partition_key == partition_key,
            func.coalesce(delivery.c.state_reason, "") != "order_gone",
            ~is_missing,
        )
        .group_by(currency)
    )
    in_source = connection.execute(
        select(source_total.c.currency, source_total.c.orders).where(
            source_total.c.partition_key == partition_key
        )
    )
    balance: Counter[str] = Counter({code: int(orders) for code, orders in in_source})
    balance.subtract({code: int(orders) for code, orders in delivered})
    return {code: orders for code, orders in sorted(balance.items()) if orders}


def _usual_suppressed_share(
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
        .limit(BASELINE_PARTITIONS)
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
    """Count the uncertain deliveries of `v_needs_human` by partition."""
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
        .where(delivery.c.destination == destination, is_unfinished(policy, now))
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
