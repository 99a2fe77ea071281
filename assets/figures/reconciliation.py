"""Compares the source and the deliveries of a partition order by order.

What the source holds must equal what was delivered and what was not, to the last minor
unit. Reads only; `assets/checks/money_conserved.py` shows the differences.
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
"""Orders that are listed of each kind of difference; all are counted."""


Unit = tuple[str, int]
"""Currency and its minor digits; an empty currency where none could be read."""


class SourceOrder(NamedTuple):
    """An order as the source has it; no amount where none could be read."""

    order_id: str
    amount_minor: int | None
    currency: str | None
    currency_digits: int | None
    source_hash: str | None


SourceReader = Callable[[], Iterable[Sequence[SourceOrder]]]
"""Reads the staged orders of a partition in chunks."""


class Difference(StrEnum):
    """Why source and delivery differ on an order."""

    NO_DELIVERY = "missing"
    """The order has no delivery."""
    ALTERED = "altered"
    """Its delivery has another amount, and no reason is known."""
    DRIFTED = "drifted"
    """The order changed after it was or may have been reported."""
    NOT_IN_SOURCE = "gone"
    """It is missing from the source, and was or may have been reported."""


UNEXPLAINED = frozenset({Difference.NO_DELIVERY, Difference.ALTERED})


@dataclass(slots=True)
class Balance:
    """The money of a partition on both sides, in minor units.

    Attributes:
        source: Money of the source.
        deliveries: Money of the deliveries, by state.
        counts: Number of orders on which the sides differ, by kind.
        listed: The first of these orders, by kind.
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
        """Return the money of the source minus the deliveries, where it is not zero."""
        rest = Counter(self.source)
        for amounts in self.deliveries.values():
            rest.subtract(amounts)
        return {unit: minor for unit, minor in sorted(rest.items()) if minor}

    def add_difference(self, kind: Difference, order_id: str) -> None:
        """Count an order on which the sides differ."""
        self.counts[kind] += 1
        if len(self.listed[kind]) < MAX_LISTED:
            self.listed[kind].append(order_id)


def reconcile(
    database: Database,
    destination: str,
    partition_key: str,
    read_source: SourceReader,
    quarantined: Iterable[Mapping[str, Any]],
) -> Balance:
    """Compare the source of a partition with its deliveries to a destination.

    Args:
        database: The delivery tables.
        destination: Configured name.
        partition_key: The day, `YYYY-MM-DD`.
        read_source: Reads the staged conversions of the partition in chunks. It is
            called a second time only if a delivery has no order in the source.
        quarantined: Rows of `quarantine_row`, one per quarantined order.
    """
    unstaged = {row["order_id"]: _quarantined_order(row) for row in quarantined}
    with database.read() as connection:
        comparison = _Comparison(connection, destination, partition_key)
        for orders in _source(read_source, unstaged):
            comparison.compare(orders)
        if comparison.count_deliveries() > comparison.matched:
            comparison.add_missing_from_source(
                [one.order_id for one in orders]
                for orders in _source(read_source, unstaged)
            )
    return comparison.balance


def _quarantined_order(row: Mapping[str, Any]) -> SourceOrder:
    return SourceOrder(
        order_id=row["order_id"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        currency_digits=row["currency_digits"],
        source_hash=row["source_row_hash"],
    )


def _source(
    read_source: SourceReader, quarantined: Mapping[str, SourceOrder]
) -> Iterator[Sequence[SourceOrder]]:
    """Yield every order of the source once; a staged order is not quarantined."""
    rest = dict(quarantined)
    for chunk in read_source():
        for order in chunk:
            rest.pop(order.order_id, None)
        yield chunk
    yield list(rest.values())


class _Comparison:
    """Compares orders of the source with one destination's deliveries."""

    def __init__(
        self, connection: Connection, destination: str, partition_key: str
    ) -> None:
        self.balance = Balance()
        self.matched = 0
        self._connection = connection
        self._destination = destination
        self._in_partition = (
            delivery.c.destination == destination,
            delivery.c.partition_key == partition_key,
        )

    def count_deliveries(self) -> int:
        """Count all deliveries of the partition, whatever the source has."""
        statement = (
            select(func.count()).select_from(delivery).where(*self._in_partition)
        )
        return self._connection.execute(statement).scalar_one()

    def compare(self, orders: Sequence[SourceOrder]) -> None:
        """Compare some orders of the source with their deliveries."""
        for batch in bind_batches(orders):
            deliveries = self._deliveries([one.order_id for one in batch])
            changed = []
            for order in batch:
                self.balance.source[_unit(order)] += order.amount_minor or 0
                row = deliveries.get(order.order_id)
                if row is None:
                    kind = Difference.NO_DELIVERY
                    self.balance.add_difference(kind, order.order_id)
                    continue
                self._add_amount(row)
                if _amount(row) != _amount(order):
                    changed.append((order, row))
            if changed:
                self._explain(changed)

    def add_missing_from_source(self, order_ids: Iterable[Iterable[str]]) -> None:
        """Add the reported deliveries whose order is missing from the source.

        Deliveries that were provably never sent or that were rejected have no money at
        the provider and are left out.
        """
        with source_orders(self._connection, order_ids) as is_in_source:
            statement = (
                select(*_COLUMNS)
                .where(
                    *self._in_partition,
                    ~is_in_source,
                    delivery.c.state != State.REJECTED,
                    or_(
                        delivery.c.state.in_(REPORTED),
                        delivery.c.first_sent_at.is_not(None),
                    ),
                )
                .order_by(delivery.c.order_id)
            )
            for row in self._connection.execute(statement):
                self._add_amount(row)
                self.balance.add_difference(Difference.NOT_IN_SOURCE, row.order_id)

    def _deliveries(self, order_ids: Sequence[str]) -> dict[str, Any]:
        """Return the delivery that carries the money of each order."""
        statement = (
            select(*_COLUMNS)
            .where(*self._in_partition, delivery.c.order_id.in_(order_ids))
            .order_by(delivery.c.created_at)
        )
        rows = self._connection.execute(statement).all()
        self.matched += len(rows)
        # The last row of an order wins, so a reported one goes after a superseded one.
        rows = sorted(rows, key=lambda row: row.state_reason not in SUPERSEDED)
        return {row.order_id: row for row in rows}

    def _add_amount(self, row: Any) -> None:
        amounts = self.balance.deliveries[State(row.state)]
        amounts[_unit(row)] += row.amount_minor or 0

    def _explain(self, changed: Sequence[tuple[SourceOrder, Any]]) -> None:
        statement = select(data_issue.c.order_id).where(
            data_issue.c.order_id.in_([order.order_id for order, _ in changed]),
            data_issue.c.code == "drift",
            data_issue.c.subject == self._destination,
        )
        recorded = set(self._connection.execute(statement).scalars())
        for order, row in changed:
            # A delivery that was never sent follows the source with every run.
            is_sent = row.state not in REPLANNABLE
            is_newer = is_sent and row.source_hash != order.source_hash
            is_drift = order.order_id in recorded or is_newer
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


def _amount(one: Any) -> tuple[Unit, int | None]:
    return _unit(one), one.amount_minor
