"""Every change of a delivery that needs no request.

A delivery is created, planned again, moved to another partition or given up. Claims and
results of requests belong in `ledger.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, update

from assets.ledger.database import insert_if_new
from assets.ledger.ledger import Ledger
from assets.ledger.rows import (
    Decision,
    Row,
    delivery_id,
)
from assets.ledger.states import REPLANNABLE, State, check_transition
from assets.ledger.tables import delivery

DETAIL_LENGTH = 512
"""Characters of `state_detail`."""


class DeliveryPlan:
    """Writes what is planned for the deliveries of one destination.

    Args:
        ledger: The ledger of the destination.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def write(
        self, partition_key: str, decisions: Iterable[tuple[Row | None, Decision]]
    ) -> None:
        """Create new deliveries and update those that were never sent and changed.

        Args:
            partition_key: Stored with new deliveries.
            decisions: Each decision with the delivery as it was read, or None.

        Raises:
            IllegalTransitionError: No transition leads from the known state.
        """
        new: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for known, decision in decisions:
            if known is None:
                check_transition(None, decision.state)
                created = self._created_columns(partition_key, decision)
                new.append(created | self._decision_columns(decision))
            elif known.state in REPLANNABLE and _differs(known, decision):
                changed.append(self._change(known, decision))
        self._write(new, changed)

    def revise(self, decisions: Sequence[tuple[Row, Decision]]) -> None:
        """Plan deliveries again that were sent before.

        `states.TRANSITIONS` limits it to cases such as a corrected order that was
        rejected, or an order that the provider never received and that must not be
        sent any more.

        Raises:
            IllegalTransitionError: No transition leads from the known state.
        """
        self._write(
            [], [self._change(known, decision) for known, decision in decisions]
        )

    def update_unsent(self, changed: Sequence[tuple[Row, Decision]]) -> None:
        """Update what the source says of never-sent deliveries; keep their state."""
        self._write(
            [],
            [
                self._change(
                    row,
                    replace(
                        decision,
                        state=row.state,
                        reason=row.state_reason,
                        detail=row.state_detail,
                    ),
                )
                for row, decision in changed
            ],
        )

    def relocate(
        self, partition_key: str, moved: Sequence[tuple[Row, Decision]]
    ) -> None:
        """Move deliveries to the partition that contains their order."""
        moving = {"partition_key": partition_key, **self._ledger.change_columns()}
        self._copy_columns(moved, ("order_at", "order_date"), moving)

    def update_source_columns(self, unchanged: Sequence[tuple[Row, Decision]]) -> None:
        """Store new source values of deliveries whose reported content is the same."""
        self._copy_columns(unchanged, _SOURCE_COLUMNS, {})

    def exhaust(self, rows: Sequence[tuple[Row, str, str | None]]) -> None:
        """Give up deliveries that must not be sent again.

        Args:
            rows: Each delivery with its reason and the evidence. Evidence None keeps
                the text of the last reply.
        """
        self._move(
            [
                (row, {"state_reason": reason, "state_detail": _detail(row, evidence)})
                for row, reason, evidence in rows
            ],
            State.EXHAUSTED,
        )

    def mark_uncertain(self, rows: Sequence[Row], *, has_lookup: bool) -> None:
        """Mark deliveries as uncertain because a repeat could count twice.

        Args:
            rows: The deliveries as they were read.
            has_lookup: A look-up at the provider follows. If False, a person decides.
        """
        values = {} if has_lookup else {"next_attempt_at": None}
        self._move([(row, values) for row in rows], State.UNCERTAIN)

    def _copy_columns(
        self,
        rows: Sequence[tuple[Row, Decision]],
        columns: Iterable[str],
        values: Mapping[str, Any],
    ) -> None:
        """Copy columns from each decision; set `values` on every delivery."""
        changes = [
            {"known_id": row.delivery_id}
            | {f"to_{name}": getattr(decision, name) for name in columns}
            for row, decision in rows
        ]
        if changes:
            statement = (
                update(delivery)
                .where(delivery.c.delivery_id == bindparam("known_id"))
                .values(**{name: bindparam(f"to_{name}") for name in columns}, **values)
            )
            with self._ledger.database.write() as connection:
                connection.execute(statement, changes)

    def _move(
        self, rows: Sequence[tuple[Row, Mapping[str, Any]]], state: State
    ) -> None:
        """Move deliveries to a state unless they changed state since they were read."""
        for row, _ in rows:
            if row.state is not state:
                check_transition(row.state, state)
        if not rows:
            return
        with self._ledger.database.write() as connection:
            for row, values in rows:
                connection.execute(
                    update(delivery)
                    .where(
                        delivery.c.delivery_id == row.delivery_id,
                        delivery.c.state == row.state,
                    )
                    .values(state=state, **values, **self._ledger.change_columns())
                )

    def _created_columns(
        self, partition_key: str, decision: Decision
    ) -> dict[str, Any]:
        provider, destination = self._ledger.provider, self._ledger.destination
        return {
            "delivery_id": delivery_id(provider, destination, decision.conversion_key),
            "destination": destination,
            "provider": provider,
            "conversion_key": decision.conversion_key,
            "order_id": decision.order_id,
            "partition_key": partition_key,
            "attempts": 0,
            "row_version": 1,
            "created_at": self._ledger.clock(),
        }

    def _decision_columns(self, decision: Decision) -> dict[str, Any]:
        copied = {name: getattr(decision, name) for name in _COPIED_COLUMNS}
        return copied | {
            "state": decision.state,
            "state_reason": decision.reason,
            "state_detail": _truncated(decision.detail),
            "run_id": self._ledger.run_id,
            "updated_at": self._ledger.clock(),
        }

    def _change(self, known: Row, decision: Decision) -> dict[str, Any]:
        if known.state is not decision.state:
            check_transition(known.state, decision.state)
        values = self._decision_columns(decision)
        return {f"to_{name}": value for name, value in values.items()} | {
            "known_id": known.delivery_id,
            "known_state": known.state,
        }

    def _write(
        self, new: Sequence[dict[str, Any]], changed: Sequence[dict[str, Any]]
    ) -> None:
        if not new and not changed:
            return
        with self._ledger.database.write() as connection:
            if new:
                connection.execute(insert_if_new(connection, delivery), list(new))
            if changed:
                connection.execute(_UPDATE_PLANNED, list(changed))


_SOURCE_COLUMNS = (
    "amount_minor",
    "currency",
    "currency_digits",
    "source_hash",
    "mapping_version",
)
_COPIED_COLUMNS = ("order_at", "order_date", *_SOURCE_COLUMNS)
_PLAN_COLUMNS = (
    "state",
    "state_reason",
    "state_detail",
    *_COPIED_COLUMNS,
    "run_id",
    "updated_at",
)
_UPDATE_PLANNED = (
    update(delivery)
    .where(
        delivery.c.delivery_id == bindparam("known_id"),
        delivery.c.state == bindparam("known_state"),
    )
    .values(
        {name: bindparam(f"to_{name}") for name in _PLAN_COLUMNS}
        | {"row_version": delivery.c.row_version + 1}
    )
)


def _truncated(detail: str | None) -> str | None:
    return detail and detail[:DETAIL_LENGTH]


def _detail(row: Row, evidence: str | None) -> str | None:
    return _truncated(evidence) or row.state_detail


def _differs(known: Row, decision: Decision) -> bool:
    return (
        known.state,
        known.state_reason,
        known.state_detail,
        known.source_hash,
        known.mapping_version,
    ) != (
        decision.state,
        decision.reason,
        _truncated(decision.detail),
        decision.source_hash,
        decision.mapping_version,
    )
