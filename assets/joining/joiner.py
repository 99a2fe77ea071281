"""Joins a day: conversions to the staging folder, refused orders to the quarantine.

The join itself is in `join.py`. This module adds what the delivery tables know: the
rows refused before, the orders of other days, and the totals of the source.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from assets.joining.conversion_checks import ORPHANS
from assets.joining.join import ASSET, JoinResult, join
from assets.joining.other_spellings import (
    COLUMNS,
    OTHER_SPELLING,
    find_other_spellings,
)
from assets.joining.repeated_orders import refuse_repeated
from assets.ledger.database import Database
from assets.ledger.identifier_counts import replace_identifier_counts
from assets.ledger.order_days import OrderDays
from assets.ledger.quarantine import (
    ITEMS,
    ORDERS,
    REPEATED,
    Quarantine,
    quarantined_order_ids,
    quarantined_orders,
)
from assets.ledger.rows import Clock, utc_now
from assets.ledger.runs import replace_source_totals
from assets.money import minor_digits
from assets.providers.spelling import plain
from assets.source.guards import GuardError, QuarantinedOrders
from assets.source.warehouse import Warehouse
from assets.staging import Staging
from assets.validation.rejects import Reject, quarantine_rows


@dataclass(frozen=True, slots=True)
class Joiner:
    """Joins the staged extracts of a day into conversions.

    Attributes:
        warehouse: Asked whether an order of this day is also on another day.
        staging: Holds the extracts; takes the conversions.
        database: The delivery tables.
        zone: Time zone of the partitions.
        allow_orders_without_items: Report an order that has no stored line.
        clock: The time of quarantined rows and totals.
    """

    warehouse: Warehouse = field(repr=False)
    staging: Staging
    database: Database
    zone: tzinfo = UTC
    allow_orders_without_items: bool = False
    clock: Clock = utc_now

    def join(
        self,
        partition_key: str,
        run_id: str,
        check: Callable[[QuarantinedOrders], object] = lambda _found: None,
    ) -> JoinResult:
        """Stage the conversions of a day and record the totals of the source.

        Args:
            partition_key: The day, `YYYY-MM-DD`.
            run_id: Recorded with the totals.
            check: Called with the quarantined orders before the conversions are staged.
                If it refuses the day, its earlier conversions are removed.

        Raises:
            GuardError: `check` refused the day. Nothing of it can be sent.
        """
        quarantine = Quarantine(self.database, partition_key, self.clock())

        def commit(good: int) -> None:
            for dataset in (ASSET, ORPHANS):
                quarantine.mark_resolved(dataset)
            self._check(partition_key, good, check)

        others = find_other_spellings(
            self.database,
            partition_key,
            self.staging.read(ORDERS, partition_key, COLUMNS),
        )
        quarantine.store(quarantine_rows(others.rejects))
        quarantine.store(quarantine_rows(self._repeated(partition_key)))
        quarantine.mark_resolved(REPEATED)
        result = join(
            self.staging,
            partition_key,
            refused_order_ids=self._refused(partition_key),
            left_out_order_ids=others.order_ids,
            allow_orders_without_items=self.allow_orders_without_items,
            on_rejects=lambda rejects: quarantine.store(quarantine_rows(rejects)),
            on_issues=quarantine.add_issues,
            before_commit=commit,
        )
        self._record_totals(partition_key, run_id, result)
        replace_identifier_counts(
            self.database, partition_key, result.identifiers, self.clock()
        )
        return result

    def _refused(self, partition_key: str) -> set[str]:
        """Return the orders with a refused row.

        A line with an unclear id counts for the clear one, unless there is an order
        with the same unclear id: a second copy of the order.
        """
        lines = quarantined_order_ids(self.database, partition_key, [ITEMS])
        orders = quarantined_order_ids(self.database, partition_key, [ORDERS, REPEATED])
        return {*orders, *lines, *map(plain, lines - orders)}

    def _check(
        self,
        partition_key: str,
        good: int,
        check: Callable[[QuarantinedOrders], object],
    ) -> None:
        rows = quarantined_orders(self.database, partition_key)
        # An order that was reported under another spelling is not held back.
        reasons = [
            row["reasons"]
            for row in rows
            if OTHER_SPELLING.reason not in row["reasons"]
        ]
        try:
            check(QuarantinedOrders(good + len(reasons), reasons))
        except GuardError:
            # They hold orders that are quarantined now, and a run of the deliveries
            # alone would send them.
            self.staging.path(ASSET, partition_key).unlink(missing_ok=True)
            raise

    def _repeated(self, partition_key: str) -> list[Reject]:
        refused = quarantined_order_ids(self.database, partition_key, [ORDERS])

        def order_ids() -> Iterator[Sequence[str]]:
            yield sorted(refused)
            for batch in self.staging.read(ORDERS, partition_key, ["order_id"]):
                yield batch.to_pydict()["order_id"]

        days = OrderDays(self.database, partition_key)
        return refuse_repeated(days, order_ids, self.warehouse, self.zone)

    def _record_totals(
        self, partition_key: str, run_id: str, result: JoinResult
    ) -> None:
        sums = {
            (currency, minor_digits(currency)): list(found)
            for currency, found in result.totals.items()
        }
        quarantined = quarantined_orders(self.database, partition_key)
        for row in {one["order_id"]: one for one in quarantined}.values():
            key = (row["currency"] or "", row["currency_digits"] or 0)
            entry = sums.setdefault(key, [0, 0])
            entry[0] += 1
            entry[1] += row["amount_minor"] or 0
        totals = [
            {
                "currency": currency,
                "currency_digits": digits,
                "orders": orders,
                "amount_minor": minor,
            }
            for (currency, digits), (orders, minor) in sums.items()
        ]
        replace_source_totals(
            self.database, partition_key, totals, run_id=run_id, at=self.clock()
        )
