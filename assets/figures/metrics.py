"""Metrics of each destination, read from the delivery tables.

Traffic covers the partitions from `first` on, so that its cost does not grow with the
history. Figures for alerts (queued, complete and unfinished partitions) cover every
partition, so that even a long outage stays visible.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection, func, or_, select

from assets.figures.status import suppressed_while_disabled
from assets.ledger.database import Database
from assets.ledger.rows import Total
from assets.ledger.states import State
from assets.ledger.tables import delivery, delivery_attempt, export_run
from assets.ledger.totals import totals
from assets.ledger.unfinished import is_unfinished
from assets.providers.base import ResendPolicy


@dataclass(slots=True)
class DestinationMetrics:
    """The metrics of one destination.

    Attributes:
        totals: Deliveries and money by partition, state and currency.
        attempts: Number of outcomes by the resulting state.
        retries: Number of attempts after the first.
        latencies_ms: Duration of a request in milliseconds -> number of requests.
        stops: Number of runs that stopped early, by reason.
        newest_complete: The newest finished partition; None: there is none.
        partitions_left: Number of partitions, however old, that another run would
            finish.
        unsettled_since: When the oldest queued delivery was accepted, of any partition.
    """

    totals: list[Total] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    latencies_ms: Counter[int] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    newest_complete: date | None = None
    partitions_left: int = 0
    unsettled_since: datetime | None = None


def destination_metrics(
    database: Database,
    destinations: Sequence[str],
    *,
    first: str,
    disabled: Collection[str] = (),
) -> Mapping[str, DestinationMetrics]:
    """Return the metrics of each destination.

    Args:
        database: The delivery tables.
        destinations: Configured names; exactly these have an entry.
        first: First partition key of the traffic metrics.
        disabled: Destinations that are switched off. For the others, partitions with
            orders suppressed while they were disabled count as unfinished.
    """
    found = {name: DestinationMetrics() for name in destinations}
    for total in totals(database, first=first):
        if total.destination in found:
            found[total.destination].totals.append(total)
    now = database.clock()()
    with database.read() as connection:
        _attempts(connection, first, found)
        _stops(connection, first, found)
        _unsettled(connection, found)
        for name, one in found.items():
            last = _last_outcomes(connection, name)
            stopped = {day for day, outcome in last.items() if outcome != "complete"}
            left = stopped | _unfinished(connection, name, now)
            if name not in disabled:
                left |= suppressed_while_disabled(connection, name)
            one.partitions_left = len(left)
            one.newest_complete = max(
                map(date.fromisoformat, {*last} - left), default=None
            )
    return found


def _attempts(
    connection: Connection, first: str, found: Mapping[str, DestinationMetrics]
) -> None:
    event = delivery_attempt.c
    groups = (
        delivery.c.destination,
        event.event,
        event.attempt_no,
        event.to_state,
        event.duration_ms,
        # Each conversion of a batch has a row, and all share one request.
        (func.coalesce(event.batch_index, 0) == 0).label("is_request"),
    )
    statement = (
        select(*groups, func.count().label("events"))
        .select_from(delivery)
        .join(delivery_attempt, event.delivery_id == delivery.c.delivery_id)
        .where(
            delivery.c.destination.in_(list(found)),
            delivery.c.partition_key >= first,
            event.event.in_(["outcome", "settle"]),
        )
        .group_by(*groups)
    )
    for row in connection.execute(statement):
        one = found[row.destination]
        if row.event == "outcome" and row.to_state is not None:
            one.attempts[row.to_state] += row.events
            one.retries += row.events if row.attempt_no > 1 else 0
        if row.duration_ms is not None and row.is_request:
            one.latencies_ms[row.duration_ms] += row.events


def _stops(
    connection: Connection, first: str, found: Mapping[str, DestinationMetrics]
) -> None:
    groups = (export_run.c.destination, export_run.c.outcome)
    statement = (
        select(*groups, func.count().label("runs"))
        .where(
            export_run.c.destination.in_(list(found)),
            export_run.c.partition_key >= first,
            export_run.c.outcome != "complete",
        )
        .group_by(*groups)
    )
    for row in connection.execute(statement):
        reason = row.outcome.removeprefix("stopped_")
        found[row.destination].stops[reason] += row.runs


def _last_outcomes(connection: Connection, destination: str) -> dict[str, str]:
    """Return how the last run of each partition ended, without active runs."""
    run = export_run.c
    age = func.row_number().over(
        partition_by=run.partition_key, order_by=run.started_at.desc()
    )
    ended = (
        select(run.partition_key, run.outcome, age.label("age"))
        .where(run.destination == destination, run.outcome.is_not(None))
        .subquery()
    )
    found = connection.execute(
        select(ended.c.partition_key, ended.c.outcome).where(ended.c.age == 1)
    )
    return {row.partition_key: row.outcome for row in found}


def _unfinished(connection: Connection, destination: str, now: datetime) -> set[str]:
    """Return the partitions with deliveries that another run would send.

    The resend policy of the destination is not needed: among uncertain deliveries, only
    those that are sent again have a `next_attempt_at`.
    """
    found = connection.execute(
        select(delivery.c.partition_key)
        .where(
            delivery.c.destination == destination,
            is_unfinished(ResendPolicy(kind="dedupe"), now),
            or_(
                delivery.c.state != State.UNCERTAIN,
                delivery.c.next_attempt_at.is_not(None),
            ),
        )
        .distinct()
    )
    return set(found.scalars())


def _unsettled(connection: Connection, found: Mapping[str, DestinationMetrics]) -> None:
    statement = (
        select(delivery.c.destination, func.min(delivery.c.accepted_at).label("since"))
        .where(
            delivery.c.destination.in_(list(found)),
            delivery.c.state == State.QUEUED,
        )
        .group_by(delivery.c.destination)
    )
    for row in connection.execute(statement):
        found[row.destination].unsettled_since = row.since
