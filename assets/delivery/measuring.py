"""How delivering goes, in figures: what monitoring asks of the delivery tables.

Everything is of the partitions from `first` on, so that the cost does not grow with the
history; what waits is counted whatever its partition.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, func, select

from assets.delivery.database import Database
from assets.delivery.rows import Total
from assets.delivery.states import State
from assets.delivery.tables import delivery, delivery_attempt, export_run
from assets.delivery.totals import totals


@dataclass(slots=True)
class Measured:
    """One destination.

    Attributes:
        totals: Deliveries and money by state and currency, of each partition.
        attempts: Outcomes by the state to which they led.
        retries: Attempts after the first.
        latencies_ms: Milliseconds a request took -> how many took so long.
        stops: Runs that stopped early, by reason: what the brake did.
        last_complete_at: End of the last run that was complete.
        unsettled_since: When the oldest queued delivery was taken, of any partition.
    """

    totals: list[Total] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    latencies_ms: Counter[int] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    last_complete_at: datetime | None = None
    unsettled_since: datetime | None = None


def measure(
    database: Database, destinations: Sequence[str], *, first: str
) -> Mapping[str, Measured]:
    """Return the figures of each destination.

    Args:
        database: Where the delivery tables are.
        destinations: Configured names; each has an entry.
        first: Only partitions from this key on.
    """
    found: defaultdict[str, Measured] = defaultdict(Measured)
    for name in destinations:
        found[name] = Measured()
    for total in totals(database, first=first):
        found[total.destination].totals.append(total)
    with database.read() as connection:
        _attempts(connection, first, found)
        _runs(connection, first, found)
        _waiting(connection, found)
    return found


def _attempts(
    connection: Connection, first: str, found: Mapping[str, Measured]
) -> None:
    event = delivery_attempt.c
    groups = (
        delivery.c.destination,
        event.event,
        event.attempt_no,
        event.to_state,
        event.duration_ms,
        # Each conversion of a batch has a row; they share one request.
        (func.coalesce(event.batch_index, 0) == 0).label("is_request"),
    )
    statement = (
        select(*groups, func.count().label("events"))
        .select_from(delivery)
        .join(delivery_attempt, event.delivery_id == delivery.c.delivery_id)
        .where(
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


def _runs(connection: Connection, first: str, found: Mapping[str, Measured]) -> None:
    statement = (
        select(
            export_run.c.destination,
            export_run.c.outcome,
            func.count().label("runs"),
            func.max(export_run.c.ended_at).label("ended_at"),
        )
        .where(export_run.c.partition_key >= first, export_run.c.outcome.is_not(None))
        .group_by(export_run.c.destination, export_run.c.outcome)
    )
    for row in connection.execute(statement):
        one = found[row.destination]
        if row.outcome == "complete":
            one.last_complete_at = row.ended_at
        else:
            one.stops[row.outcome.removeprefix("stopped_")] += row.runs


def _waiting(connection: Connection, found: Mapping[str, Measured]) -> None:
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
