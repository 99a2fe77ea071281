"""Reads deliveries of one destination as `Row`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, select

from assets.ledger.bind_limit import bind_batches
from assets.ledger.ledger import Ledger
from assets.ledger.rows import MAX_ATTEMPTS, NOT_PROCESSED, Row
from assets.ledger.states import State
from assets.ledger.tables import delivery, delivery_attempt


def rows_of_orders(ledger: Ledger, order_ids: Sequence[str]) -> dict[str, Row]:
    """Return the deliveries of these orders, by conversion key."""
    found: dict[str, Row] = {}
    with ledger.database.read() as connection:
        for batch in bind_batches(order_ids):
            statement = select(*_COLUMNS).where(
                delivery.c.destination == ledger.destination,
                delivery.c.order_id.in_(batch),
            )
            for one in connection.execute(statement).mappings():
                found[one["conversion_key"]] = _row(one)
        at_limit = [row for row in found.values() if row.attempts >= MAX_ATTEMPTS]
        counts = _unprocessed_attempts(
            connection, [row.delivery_id for row in at_limit]
        )
    for row in at_limit:
        count = counts.get(row.delivery_id, 0)
        found[row.conversion_key] = replace(row, unprocessed_attempts=count)
    return found


def rows_in_states(
    ledger: Ledger, partition_key: str, states: Iterable[State]
) -> list[Row]:
    """Return the deliveries of a partition that are in one of `states`."""
    statement = select(*_COLUMNS).where(
        delivery.c.destination == ledger.destination,
        delivery.c.partition_key == partition_key,
        delivery.c.state.in_(list(states)),
    )
    with ledger.database.read() as connection:
        return [_row(one) for one in connection.execute(statement).mappings()]


def _unprocessed_attempts(
    connection: Connection, delivery_ids: Sequence[str]
) -> dict[str, int]:
    """Return by delivery id how many attempts the provider did not process."""
    attempt = delivery_attempt.c
    statement = (
        select(attempt.delivery_id, func.count(attempt.attempt_no.distinct()))
        .where(
            attempt.delivery_id.in_(delivery_ids),
            attempt.event == "outcome",
            attempt.reason.in_(NOT_PROCESSED),
        )
        .group_by(attempt.delivery_id)
    )
    if not delivery_ids:
        return {}
    return {row[0]: row[1] for row in connection.execute(statement)}


_COLUMNS = tuple(
    delivery.c[name] for name in Row.__dataclass_fields__ if name in delivery.c
)


def _row(found: Mapping[Any, Any]) -> Row:
    return Row(**{**found, "state": State(found["state"])})
