"""The register: which deliveries there are and what the source says of each.

Everything about a delivery that does not need a request: it comes to be, is planned,
moves to another partition, is given up. Sending stands in `ledger.py`.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from assets.ledger.bind_limit import slices
from assets.ledger.database import Database, insert_if_new
from assets.ledger.rows import (
    MAX_ATTEMPTS,
    NOT_TRIED,
    Clock,
    Decision,
    Row,
    delivery_id,
    utc_now,
)
from assets.ledger.states import SOFT, State, check
from assets.ledger.tables import delivery, delivery_attempt

DETAIL_LENGTH = 512
"""Characters of `state_detail`."""


class Register:
    """The deliveries of one destination, for one run.

    Args:
        database: Where the delivery tables are.
        destination: Configured name.
        provider: Its provider.
        run_id: Recorded with every change.
        clock: Tells the time; tests hand in their own.
    """

    def __init__(
        self,
        database: Database,
        *,
        destination: str,
        provider: str,
        run_id: str,
        clock: Clock = utc_now,
    ) -> None:
        self.database = database
        self.destination = destination
        self.provider = provider
        self.run_id = run_id
        self.clock = clock
        self.owner = f"{run_id[:24]}:{uuid.uuid4().hex[:12]}"

    def rows(self, order_ids: Sequence[str]) -> dict[str, Row]:
        """Return the deliveries of these orders, by conversion key."""
        found: dict[str, Row] = {}
        with self.database.read() as connection:
            for some in slices(order_ids):
                statement = select(*_ROW_COLUMNS).where(
                    delivery.c.destination == self.destination,
                    delivery.c.order_id.in_(some),
                )
                for one in connection.execute(statement).mappings():
                    found[one["conversion_key"]] = _row(dict(one))
            tired = [row for row in found.values() if row.attempts >= MAX_ATTEMPTS]
            untried = _untried(connection, [row.delivery_id for row in tired])
        for row in tired:
            count = untried.get(row.delivery_id, 0)
            found[row.conversion_key] = replace(row, untried=count)
        return found

    def plan(
        self, partition_key: str, decisions: Iterable[tuple[Row | None, Decision]]
    ) -> None:
        """Write what the source says: new rows, and soft states that changed.

        Args:
            partition_key: Kept with new rows.
            decisions: For each, the delivery as it was read, or None.

        Raises:
            IllegalTransitionError: There is no way from the known state.
        """
        new: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for known, decision in decisions:
            if known is None:
                check(None, decision.state)
                born = self._born(partition_key, decision)
                new.append(born | self._planned(decision))
            elif known.state in SOFT and _differs(known, decision):
                changed.append(self._change(known, decision))
        self._write(new, changed)

    def revise(self, decisions: Sequence[tuple[Row, Decision]]) -> None:
        """Take deliveries that were sent before back into planning.

        Only where `states.TRANSITIONS` has a way: a refused order that was mended, an
        order never received that must not be sent any more.

        Raises:
            IllegalTransitionError: There is no way from the known state.
        """
        self._write(
            [], [self._change(known, decision) for known, decision in decisions]
        )

    def relocate(
        self, partition_key: str, moved: Sequence[tuple[Row, Decision]]
    ) -> None:
        """Move deliveries to the partition in which their order lies now."""
        moving = {"partition_key": partition_key, **self.touched()}
        self._take_over(moved, ("order_at", "order_date"), moving)

    def acknowledge(self, unchanged: Sequence[tuple[Row, Decision]]) -> None:
        """Note that a source row changed in nothing that its destination is told."""
        self._take_over(unchanged, _SOURCE_COLUMNS, {})

    def _take_over(
        self,
        rows: Sequence[tuple[Row, Decision]],
        columns: Iterable[str],
        values: Mapping[str, Any],
    ) -> None:
        """Write what the source says in these columns, and the same values to all."""
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
            with self.database.write() as connection:
                connection.execute(statement, changes)

    def refresh(self, changed: Sequence[tuple[Row, Decision]]) -> None:
        """Take over what the source says of deliveries that were never sent."""
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

    def open_orders(self, partition_key: str, states: Iterable[State]) -> list[Row]:
        """Return the deliveries of a partition that are in one of `states`."""
        statement = select(*_ROW_COLUMNS).where(
            delivery.c.destination == self.destination,
            delivery.c.partition_key == partition_key,
            delivery.c.state.in_(list(states)),
        )
        with self.database.read() as connection:
            found = connection.execute(statement).mappings()
            return [_row(dict(row)) for row in found]

    def exhaust(self, rows: Sequence[tuple[Row, str, str | None]]) -> None:
        """Give up deliveries that must not be sent again.

        Args:
            rows: Each with its reason and the evidence; None: what the last reply
                said stays.
        """
        given_up = [
            (
                row,
                {"state_reason": why, "state_detail": _kept(said) or row.state_detail},
            )
            for row, why, said in rows
        ]
        self._end(given_up, State.EXHAUSTED)

    def doubt(self, rows: Sequence[Row], *, is_asked_about: bool) -> None:
        """Note that a repeat of these deliveries could count twice by now.

        Args:
            rows: As they were read.
            is_asked_about: The provider will be asked for them; else a person.
        """
        waits = {} if is_asked_about else {"next_attempt_at": None}
        self._end([(row, waits) for row in rows], State.UNCERTAIN)

    def _end(self, rows: Sequence[tuple[Row, Mapping[str, Any]]], state: State) -> None:
        """Bring deliveries to a state, unless they moved on since they were read."""
        for row, _ in rows:
            if row.state is not state:
                check(row.state, state)
        if not rows:
            return
        with self.database.write() as connection:
            for row, values in rows:
                connection.execute(
                    update(delivery)
                    .where(
                        delivery.c.delivery_id == row.delivery_id,
                        delivery.c.state == row.state,
                    )
                    .values(state=state, **values, **self.touched())
                )

    def touched(self) -> dict[str, Any]:
        """Columns that every change of a delivery carries."""
        return {
            "run_id": self.run_id,
            "updated_at": self.clock(),
            "row_version": delivery.c.row_version + 1,
        }

    def _planned(self, decision: Decision) -> dict[str, Any]:
        return {
            "state": decision.state,
            "state_reason": decision.reason,
            "state_detail": _kept(decision.detail),
            "order_at": decision.order_at,
            "order_date": decision.order_date,
            "amount_minor": decision.amount_minor,
            "currency": decision.currency,
            "currency_digits": decision.currency_digits,
            "source_hash": decision.source_hash,
            "mapping_version": decision.mapping_version,
            "run_id": self.run_id,
            "updated_at": self.clock(),
        }

    def _born(self, partition_key: str, decision: Decision) -> dict[str, Any]:
        return {
            "delivery_id": delivery_id(
                self.provider, self.destination, decision.conversion_key
            ),
            "destination": self.destination,
            "provider": self.provider,
            "conversion_key": decision.conversion_key,
            "order_id": decision.order_id,
            "partition_key": partition_key,
            "attempts": 0,
            "row_version": 1,
            "created_at": self.clock(),
        }

    def _change(self, known: Row, decision: Decision) -> dict[str, Any]:
        if known.state is not decision.state:
            check(known.state, decision.state)
        values = self._planned(decision)
        return {f"to_{name}": value for name, value in values.items()} | {
            "known_id": known.delivery_id,
            "known_state": known.state,
        }

    def _write(
        self, new: Sequence[dict[str, Any]], changed: Sequence[dict[str, Any]]
    ) -> None:
        if not new and not changed:
            return
        with self.database.write() as connection:
            if new:
                connection.execute(insert_if_new(connection, delivery), list(new))
            if changed:
                connection.execute(_CHANGE_PLAN, list(changed))


def _untried(connection: Connection, delivery_ids: Sequence[str]) -> dict[str, int]:
    """How many attempts of each the provider did nothing with."""
    attempt = delivery_attempt.c
    statement = (
        select(attempt.delivery_id, func.count(attempt.attempt_no.distinct()))
        .where(
            attempt.delivery_id.in_(delivery_ids),
            attempt.event == "outcome",
            attempt.reason.in_(NOT_TRIED),
        )
        .group_by(attempt.delivery_id)
    )
    if not delivery_ids:
        return {}
    return {row[0]: row[1] for row in connection.execute(statement)}


_ROW_COLUMNS = tuple(
    delivery.c[name] for name in Row.__dataclass_fields__ if name in delivery.c
)
_SOURCE_COLUMNS = (
    "amount_minor",
    "currency",
    "currency_digits",
    "source_hash",
    "mapping_version",
)
_PLAN_COLUMNS = (
    "state",
    "state_reason",
    "state_detail",
    "order_at",
    "order_date",
    "amount_minor",
    "currency",
    "currency_digits",
    "source_hash",
    "mapping_version",
    "run_id",
    "updated_at",
)
_CHANGE_PLAN = (
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


def _row(found: Mapping[str, Any]) -> Row:
    return Row(**{**found, "state": State(found["state"])})


def _kept(detail: str | None) -> str | None:
    return detail and detail[:DETAIL_LENGTH]


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
        _kept(decision.detail),
        decision.source_hash,
        decision.mapping_version,
    )
