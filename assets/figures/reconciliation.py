"""Is all money of a partition there? Compares source and deliveries order by order.

What the source holds must be what was delivered and what was not, to the last minor
unit. Reads only; how a difference is shown stands in
`assets/checks/money_conserved.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, or_, select

from assets.delivery.assessment import REPORTED, SUPERSEDED
from assets.delivery.missing_orders import source_orders
from assets.ledger.bind_limit import bind_batches
from assets.ledger.database import Database
from assets.ledger.states import REPLANNABLE, State
from assets.ledger.tables import data_issue, delivery

MAX_LISTED = 20
"""Orders that are named of each kind; all are counted."""


Unit = tuple[str, int]
"""Currency and its minor digits; an empty currency where none could be read."""


class SourceOrder(NamedTuple):
    """What the source says an order is worth; no amount where none could be read."""

    order_id: str
    amount_minor: int | None
    currency: str | None
    currency_digits: int | None
    source_hash: str | None


SourceReader = Callable[[], Iterable[Sequence[SourceOrder]]]


class Difference(StrEnum):
    """Why the two sides differ on an order."""

    MISSING = "missing"
    """It has no delivery."""
    ALTERED = "altered"
    """Its delivery is worth something else, and nothing says why."""
    DRIFTED = "drifted"
    """It changed after the provider was or may have been told."""
    GONE = "gone"
    """The source no longer has it, and the provider was or may have been told."""


UNEXPLAINED = frozenset({Difference.MISSING, Difference.ALTERED})


@dataclass(slots=True)
class Balance:
    """The money of a partition on both sides, in minor units.

    Attributes:
        source: What the source holds.
        made: What the deliveries hold, by state.
        counts: Orders on which the sides differ, by kind.
        shown: The first of them, by kind.
    """

    source: Counter[Unit] = field(default_factory=Counter)
    deliveries: dict[State, Counter[Unit]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    counts: Counter[Difference] = field(default_factory=Counter)
    listed: dict[Difference, list[str]] = field(
        default_factory=lambda: defaultdict(list)
    )

    @property
    def is_balanced(self) -> bool:
        """Whether both sides agree on every order."""
        return not self.counts

    @property
    def is_explained(self) -> bool:
        """Whether each difference has a known reason."""
        return UNEXPLAINED.isdisjoint(self.counts)

    def difference(self) -> dict[Unit, int]:
        """What the source holds beyond the deliveries, where that is not nothing."""
        left = Counter(self.source)
        for amounts in self.deliveries.values():
            left.subtract(amounts)
        return {unit: minor for unit, minor in sorted(left.items()) if minor}

    def add_difference(self, kind: Difference, order_id: str) -> None:
        """Count an order on which the sides differ."""
        self.counts[kind] += 1
        if len(self.listed[kind]) < MAX_LISTED:
            self.listed[kind].append(order_id)


def reconcile(
    database: Database,
    destination: str,
    partition_key: str,
    staged: SourceReader,
    quarantined: Iterable[Mapping[str, Any]],
) -> Balance:
    """Hold the source of a partition against its deliveries to a destination.

    Args:
        database: The delivery tables.
        destination: Configured name.
        partition_key: The day, `YYYY-MM-DD`.
        staged: Reads the conversions of the partition, some at a time; a second time
            only where the source lacks an order that has a delivery.
        quarantined: Rows of `quarantine_row`, one per order that is held back.
    """
    held = {row["order_id"]: _held(row) for row in quarantined}
    with database.read() as connection:
        books = _Comparison(connection, destination, partition_key)
        for some in _source(staged, held):
            books.compare(some)
        if books.deliveries() > books.found:
            books.add_missing_from_source(
                [one.order_id for one in c] for c in _source(staged, held)
            )
    return books.balance


def _held(row: Mapping[str, Any]) -> SourceOrder:
    return SourceOrder(
        order_id=row["order_id"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        currency_digits=row["currency_digits"],
        source_hash=row["source_row_hash"],
    )


def _source(
    staged: SourceReader, held: Mapping[str, SourceOrder]
) -> Iterator[Sequence[SourceOrder]]:
    """All orders of the source, once; what is staged is not held back."""
    left = dict(held)
    for chunk in staged():
        for order in chunk:
            left.pop(order.order_id, None)
        yield chunk
    yield list(left.values())


class _Comparison:
    """The deliveries of one partition to one destination, and how they compare."""

    def __init__(
        self, connection: Connection, destination: str, partition_key: str
    ) -> None:
        self.balance = Balance()
        self.found = 0
        self._connection = connection
        self._destination = destination
        self._is_ours = (
            delivery.c.destination == destination,
            delivery.c.partition_key == partition_key,
        )

    def deliveries(self) -> int:
        """Count the deliveries, whatever the source has."""
        statement = select(func.count()).select_from(delivery).where(*self._is_ours)
        return self._connection.execute(statement).scalar_one()

    def compare(self, orders: Sequence[SourceOrder]) -> None:
        """Hold some orders of the source against their deliveries."""
        for some in bind_batches(orders):
            made = self._made([one.order_id for one in some])
            changed = []
            for order in some:
                self.balance.source[_unit(order)] += order.amount_minor or 0
                row = made.get(order.order_id)
                if row is None:
                    self.balance.add_difference(Difference.MISSING, order.order_id)
                    continue
                self._count(row)
                if _worth(row) != _worth(order):
                    changed.append((order, row))
            if changed:
                self._explain(changed)

    def add_missing_from_source(self, order_ids: Iterable[Iterable[str]]) -> None:
        """Find the deliveries whose order the source no longer has.

        What was provably never told, or was refused, is nobody's money.
        """
        with source_orders(self._connection, order_ids) as is_there:
            statement = (
                select(*_COLUMNS)
                .where(
                    *self._is_ours,
                    ~is_there,
                    delivery.c.state != State.REJECTED,
                    or_(
                        delivery.c.state.in_(REPORTED),
                        delivery.c.first_sent_at.is_not(None),
                    ),
                )
                .order_by(delivery.c.order_id)
            )
            for row in self._connection.execute(statement):
                self._count(row)
                self.balance.add_difference(Difference.GONE, row.order_id)

    def _made(self, order_ids: Sequence[str]) -> dict[str, Any]:
        """The delivery that carries the money of each order."""
        statement = (
            select(*_COLUMNS)
            .where(*self._is_ours, delivery.c.order_id.in_(order_ids))
            .order_by(delivery.c.created_at)
        )
        rows = self._connection.execute(statement).all()
        self.found += len(rows)
        # The last one of an order stays: one that was told, where there is one.
        rows = sorted(rows, key=lambda row: row.state_reason not in SUPERSEDED)
        return {row.order_id: row for row in rows}

    def _count(self, row: Any) -> None:
        self.balance.deliveries[State(row.state)][_unit(row)] += row.amount_minor or 0

    def _explain(self, changed: Sequence[tuple[SourceOrder, Any]]) -> None:
        statement = select(data_issue.c.order_id).where(
            data_issue.c.order_id.in_([order.order_id for order, _ in changed]),
            data_issue.c.code == "drift",
            data_issue.c.subject == self._destination,
        )
        noted = set(self._connection.execute(statement).scalars())
        for order, row in changed:
            # What was never sent follows the source with every run.
            is_later = (
                row.state not in REPLANNABLE and row.source_hash != order.source_hash
            )
            is_drift = order.order_id in noted or is_later
            kind = Difference.DRIFTED if is_drift else Difference.ALTERED
            self.balance.add_difference(kind, order.order_id)


_COLUMNS = (
    delivery.c.order_id,
    delivery.c.state,
    delivery.c.state_reason,
    delivery.c.amount_minor,
    delivery.c.currency,
    delivery.c.currency_digits,
    delivery.c.source_hash,
)


def _unit(one: Any) -> Unit:
    return one.currency or "", one.currency_digits or 0


def _worth(one: Any) -> tuple[Unit, int | None]:
    return _unit(one), one.amount_minor
