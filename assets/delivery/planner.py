"""Gives every order of a partition its delivery, in exactly one state.

It writes the plan; nothing is sent. What to do about each order is decided in
`chunk_assessor.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from assets.delivery import missing_orders
from assets.delivery.assessment import Assessment, end_delivery
from assets.delivery.chunk import Chunk
from assets.delivery.chunk_assessor import ChunkAssessor
from assets.delivery.data_issues import altered_value_issues, drift_issue, save_issues
from assets.delivery.decision import build_failure, missing_from_source
from assets.ledger import retry
from assets.ledger.delivery_plan import DeliveryPlan
from assets.ledger.delivery_rows import rows_in_states, rows_of_orders
from assets.ledger.rows import Decision, Row
from assets.ledger.states import REPLANNABLE, State
from assets.providers.conversion import Conversion


class Planner:
    """Writes the deliveries of one partition of one destination.

    Args:
        assessor: Decides what to do about the orders of a chunk.
    """

    def __init__(self, assessor: ChunkAssessor) -> None:
        self._assessor = assessor
        self._partition = assessor.partition
        self._provider = assessor.partition.provider
        self._ledger = assessor.partition.ledger
        self._deliveries = DeliveryPlan(self._ledger)
        self._partition_key = assessor.partition.partition_key
        self._quarantined_orders: list[str] = []
        self._staged_orders = 0

    def plan_quarantined(self, quarantined: Iterable[Mapping[str, Any]]) -> None:
        """Give the orders of quarantined rows their delivery, so that none is missing.

        Args:
            quarantined: Rows of `quarantine_row` whose order is known.
        """
        decider = self._partition.decider
        by_order = {row["order_id"]: row for row in quarantined}
        self._quarantined_orders = list(by_order)
        known = rows_of_orders(self._ledger, list(by_order))
        decisions = [
            (known.get(decider.conversion_key(order_id)), decider.quarantined(row))
            for order_id, row in by_order.items()
        ]
        self._deliveries.write(self._partition_key, decisions)
        decided = {decision.order_id: decision for _, decision in decisions}
        self._relocate(
            [
                (row, decided[row.order_id])
                for row in known.values()
                if row.partition_key != self._partition_key
            ]
        )
        self._end([(row, why) for row, why in decisions if row is not None])

    def plan(self, chunk: Chunk, now: datetime) -> int:
        """Give every order of a chunk its delivery; return how many are due now."""
        self._staged_orders += len(chunk.order_ids)
        found = self._assessor.assess(chunk, now)
        self._deliveries.write(self._partition_key, found.planned)
        self._deliveries.update_unsent(found.refreshed)
        self._relocate(found.moved)
        self._deliveries.update_source_columns(found.unchanged)
        self._close(found)
        self._save_drifts(found.drifted, now)
        issues = altered_value_issues(self._partition, found.due, now)
        save_issues(self._ledger, issues)
        self._assessor.remembered_keys.save_reservations()
        return len(found.due)

    def quarantine_conversion(self, conversion: Conversion, error: Exception) -> None:
        """Quarantine a conversion whose request cannot be built.

        Args:
            conversion: The conversion.
            error: The error that building the request raised.
        """
        reason, detail = build_failure(error)
        decision = self._partition.decider.decision(
            conversion, state=State.QUARANTINED, reason=reason, detail=detail
        )
        known = rows_of_orders(self._ledger, [conversion.order_id])
        row = known[decision.conversion_key]
        if row.state in REPLANNABLE:
            self._deliveries.write(self._partition_key, [(row, decision)])
        else:
            self._end([(row, decision)])

    def end_missing_orders(self, chunks: Iterable[Chunk]) -> None:
        """End the unfinished deliveries of orders that are missing from the source.

        The orders were cancelled or deleted, so no run would send them.
        """
        states = retry.sendable_states(self._provider.resend)
        missing = {
            row.order_id: row
            for row in rows_in_states(self._ledger, self._partition_key, states)
        }
        if missing:
            for chunk in chunks:
                for order_id in chunk.order_ids:
                    missing.pop(order_id, None)
        ended = [(row, missing_from_source(row)) for row in missing.values()]
        self._deliveries.revise(
            [(row, why) for row, why in ended if row.state in REPLANNABLE]
        )
        self._end(ended)

    def record_missing_orders(self, chunks: Iterable[Chunk]) -> None:
        """Record the finished deliveries of orders that are missing from the source."""
        orders = chain(
            [self._quarantined_orders], (chunk.order_ids for chunk in chunks)
        )
        count = len(self._quarantined_orders) + self._staged_orders
        unsent = missing_orders.record_missing_orders(
            self._ledger, self._partition_key, orders, count
        )
        rows = rows_of_orders(self._ledger, unsent).values()
        here = [row for row in rows if row.partition_key == self._partition_key]
        self._deliveries.write(
            self._partition_key, [(row, missing_from_source(row)) for row in here]
        )

    def _relocate(self, moved: Sequence[tuple[Row, Decision]]) -> None:
        """Move deliveries to this partition, where the source has their order."""
        self._deliveries.relocate(self._partition_key, moved)
        by_day: dict[str, list[str]] = defaultdict(list)
        for row, _ in moved:
            by_day[row.partition_key].append(row.order_id)
        for day, order_ids in by_day.items():
            missing_orders.clear_missing_orders(self._ledger, day, order_ids)

    def _end(self, rows: Iterable[tuple[Row, Decision]]) -> None:
        """End open deliveries that must not be sent any more."""
        found = Assessment()
        open_states = retry.sendable_states(self._provider.resend) - REPLANNABLE
        for row, decision in rows:
            if row.state in open_states and row.accepted_at is None:
                end_delivery(found, row, decision, self._provider.resend)
        self._close(found)

    def _close(self, found: Assessment) -> None:
        self._deliveries.revise(found.revised)
        self._deliveries.exhaust(found.exhausted)
        looks_up = self._provider.resend.supports_lookup
        self._deliveries.mark_uncertain(found.uncertain, has_lookup=looks_up)

    def _save_drifts(
        self, drifted: Sequence[tuple[Row, Decision]], now: datetime
    ) -> None:
        save_issues(
            self._ledger,
            [
                drift_issue(self._partition, row.order_id, row.state, now)
                for row, _ in drifted
            ],
        )
