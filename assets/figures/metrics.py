"""How delivering goes, in figures: what monitoring asks of the delivery tables.

Traffic is of the partitions from `first` on, so that its cost does not grow with the
history. What alarms are made of is not: what waits, what is complete and what is left
are of any partition, so that no outage is long enough to drop out of sight.
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
from assets.ledger.totals import left_over, totals
from assets.providers.base import ResendPolicy


@dataclass(slots=True)
class Measured:
    """One destination.

    Attributes:
        totals: Deliveries and money by state and currency, of each partition.
        attempts: Outcomes by the state to which they led.
        retries: Attempts after the first.
        latencies_ms: Milliseconds a request took -> how many took so long.
        stops: Runs that stopped early, by reason: what the brake did.
        newest_complete: The newest partition with nothing left; None: there is none.
        left: Partitions, however old, that another run would finish.
        unsettled_since: When the oldest queued delivery was taken, of any partition.
    """

    totals: list[Total] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    latencies_ms: Counter[int] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    newest_complete: date | None = None
    left: int = 0
    unsettled_since: datetime | None = None


def measure(
    database: Database,
    destinations: Sequence[str],
    *,
    first: str,
    disabled: Collection[str] = (),
) -> Mapping[str, Measured]:
    """Return the figures of each destination.

    Args:
        database: Where the delivery tables are.
        destinations: Configured names; each has an entry, and nobody else.
        first: Only partitions from this key on.
        disabled: Those that are switched off; of the others, what was withheld while
            they were is left.
    """
    found = {name: Measured() for name in destinations}
    for total in totals(database, first=first):
        if total.destination in found:
            found[total.destination].totals.append(total)
    now = database.clock()()
    with database.read() as connection:
        _attempts(connection, first, found)
        _stops(connection, first, found)
        _waiting(connection, found)
        for name, one in found.items():
            last = _last_outcomes(connection, name)
            stopped = {day for day, outcome in last.items() if outcome != "complete"}
            left = stopped | _unfinished(connection, name, now)
            if name not in disabled:
                left |= suppressed_while_disabled(connection, name)
            one.left = len(left)
            one.newest_complete = max(
                map(date.fromisoformat, {*last} - left), default=None
            )
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


def _stops(connection: Connection, first: str, found: Mapping[str, Measured]) -> None:
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
    """Return how the last run of each partition ended; one under way has not yet."""
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

    The policy of the destination is not asked for: of unanswered deliveries only those
    that are sent again have a time for it.
    """
    found = connection.execute(
        select(delivery.c.partition_key)
        .where(
            delivery.c.destination == destination,
            left_over(ResendPolicy(kind="dedupe"), now),
            or_(
                delivery.c.state != State.UNCERTAIN,
                delivery.c.next_attempt_at.is_not(None),
            ),
        )
        .distinct()
    )
    return set(found.scalars())


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
