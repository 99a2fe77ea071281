"""Recovers deliveries from the published copy after a restore of the delivery tables.

The copy in the warehouse outlives a restore of the delivery tables to an earlier time.
Deliveries that it shows as sent, or as possibly sent, must not look never sent.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from assets.ledger.bind_limit import bind_batches
from assets.ledger.database import Database, LedgerError, insert_if_new
from assets.ledger.publishing import SCHEMA, published_table
from assets.ledger.rows import Clock, utc_now
from assets.ledger.states import DELIVERED, REPLANNABLE, State
from assets.ledger.tables import Instant, delivery, delivery_attempt
from assets.resolution.resolve import manual_attempt

REASON = "recovered"


@dataclass(frozen=True, slots=True)
class Recovered:
    """A recovered delivery; `before` is None if it did not exist."""

    destination: str
    partition_key: str
    before: State | None
    after: State


def recover(
    database: Database,
    warehouse: Engine,
    *,
    first: str,
    last: str,
    by: str,
    why: str,
    clock: Clock = utc_now,
) -> list[Recovered]:
    """Recover deliveries that the copy shows as sent and the delivery tables do not.

    A partition is recovered as a whole or not at all. Each delivery gets a `manual`
    attempt and its attempts of the copy. Recovering again changes nothing.

    Args:
        database: The delivery tables.
        warehouse: Holds the copy.
        first: First partition, `YYYY-MM-DD`.
        last: Last partition, inclusive.
        by: The person who decided.
        why: The reason for the decision.
        clock: Returns the current time.

    Raises:
        LedgerError: The copy cannot be read.
    """
    done: list[Recovered] = []
    for partition_key in _partitions(warehouse, first, last):
        rows = _published_deliveries(warehouse, partition_key)
        with database.write() as connection:
            for batch in bind_batches(rows):
                done += _restore(
                    connection, warehouse, batch, now=clock(), by=by, why=why
                )
    return done


def _partitions(warehouse: Engine, first: str, last: str) -> list[str]:
    key = published_table(delivery.name, delivery.columns).c.partition_key
    statement = select(key).where(key.between(first, last)).distinct().order_by(key)
    return [row["partition_key"] for row in _read(warehouse, statement)]


def _published_deliveries(
    warehouse: Engine, partition_key: str
) -> list[dict[str, Any]]:
    copy = published_table(delivery.name, delivery.columns)
    statement = (
        select(copy)
        .where(
            copy.c.partition_key == partition_key, copy.c.state.not_in([*REPLANNABLE])
        )
        .order_by(copy.c.delivery_id)
    )
    # A warehouse without locks may contain a row twice.
    rows = {row["delivery_id"]: row for row in _read(warehouse, statement)}
    return [*rows.values()]


def _restore(
    connection: Connection,
    warehouse: Engine,
    rows: Sequence[dict[str, Any]],
    *,
    now: datetime,
    by: str,
    why: str,
) -> list[Recovered]:
    ids = [row["delivery_id"] for row in rows]
    statement = select(delivery).where(delivery.c.delivery_id.in_(ids))
    known = {
        row["delivery_id"]: dict(row)
        for row in connection.execute(statement.with_for_update()).mappings()
    }
    newer = [
        row for row in rows if _is_newer_in_copy(row, known.get(row["delivery_id"]))
    ]
    if not newer:
        return []
    for row in newer:
        is_it = delivery.c.delivery_id == row["delivery_id"]
        is_known = row["delivery_id"] in known
        change = update(delivery).where(is_it) if is_known else insert(delivery)
        connection.execute(change.values(_restored_columns(row, now)))
    _restore_attempts(connection, warehouse, [row["delivery_id"] for row in newer])
    return [
        _decide(connection, row, known.get(row["delivery_id"]), now, by=by, why=why)
        for row in newer
    ]


def _decide(
    connection: Connection,
    row: Mapping[str, Any],
    known: Mapping[str, Any] | None,
    now: datetime,
    *,
    by: str,
    why: str,
) -> Recovered:
    before = None if known is None else State(known["state"])
    after = State(_restored_columns(row, now)["state"])
    attempt = manual_attempt(row, after, now, by=by, why=why)
    connection.execute(
        delivery_attempt.insert(),
        attempt | {"reason": REASON, "from_state": before},
    )
    return Recovered(row["destination"], row["partition_key"], before, after)


def _is_newer_in_copy(row: Mapping[str, Any], known: Mapping[str, Any] | None) -> bool:
    """Return whether the copy is ahead of the delivery tables for a delivery."""
    if known is None:
        return True
    if State(known["state"]) in DELIVERED:
        return False
    # A delivered delivery stays delivered. The restore lost it where it is not.
    return State(row["state"]) in DELIVERED or row["attempts"] > known["attempts"]


def _restored_columns(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    values = dict(row)
    if row["state"] == State.SENDING:
        # The copy was made during the run: the request may have been sent.
        values |= {
            "state": State.UNCERTAIN,
            "state_reason": REASON,
            "first_sent_at": row["first_sent_at"] or row["updated_at"],
            "next_attempt_at": None,
        }
    return values | {
        "owner": None,
        "lease_until": None,
        "attempts": row["attempts"] + 1,
        "row_version": row["row_version"] + 1,
        "updated_at": now,
    }


def _restore_attempts(
    connection: Connection, warehouse: Engine, delivery_ids: Sequence[str]
) -> None:
    """Restore attempts from the copy, which the next publishing replaces."""
    copy = published_table(delivery_attempt.name, delivery_attempt.columns)
    statement = select(copy).where(copy.c.delivery_id.in_(delivery_ids))
    attempts = [
        {**row, "request_json": _parsed(row["request_json"])}
        for row in _read(warehouse, statement)
    ]
    if attempts:
        connection.execute(insert_if_new(connection, delivery_attempt), attempts)


def _read(warehouse: Engine, statement: Any) -> list[dict[str, Any]]:
    instants = {one.name for one in statement.selected_columns if _is_instant(one)}
    try:
        with warehouse.connect() as connection:
            found = connection.execute(statement).mappings().all()
    except SQLAlchemyError as error:
        message = (
            f"Recovering failed: expected the tables of schema {SCHEMA} in the "
            f"warehouse, got {type(error).__name__}. Take the delivered orders from "
            "the providers' reports: attribution resolve orders."
        )
        # The text of the error may contain the database URL.
        raise LedgerError(message) from None
    return [
        {
            name: _utc(value) if name in instants else value
            for name, value in row.items()
        }
        for row in found
    ]


def _is_instant(column: Any) -> bool:
    return isinstance(column.type, Instant)


def _utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)
