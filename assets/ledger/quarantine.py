"""Quarantined rows of the source, by partition.

A quarantined row is stored with its reasons until a run of its partition does not find
it again; then it is resolved. What makes a row unfit is decided in `validation`.

A row of `completed_orders` counts as an order even if its order id is missing or must
not be stored: it gets a placeholder id, so that no order is missing from the counts. So
does a row of an order whose delivery belongs to another partition.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from assets.ledger.bind_limit import bind_batches
from assets.ledger.data_issues import issue_row, write_issues
from assets.ledger.database import Database, insert_or_update
from assets.ledger.order_days import OrdersByDay, days_of
from assets.ledger.order_spellings import sent_orders
from assets.ledger.states import State
from assets.ledger.tables import delivery, quarantine_row

ORDERS = "completed_orders"
ITEMS = "order_items"
REPEATED = "repeated_orders"
"""Orders that the source has on another day as well."""
UNCLEAR_ID = "unclear_id"
"""Reason of an order id that will have another spelling once it is corrected."""
BLOCKING = (ORDERS, ITEMS, REPEATED, "conversions")
"""A bad row of these quarantines its order; of others, only attribution is lost."""


def placeholder_order_id(source_row_hash: str) -> str:
    """Return an order id for a row of `completed_orders` that has no usable one."""
    return f"row:{source_row_hash[:16]}"


class Quarantine:
    """The quarantined rows and data issues of one partition.

    Args:
        database: The delivery tables.
        partition_key: The partition.
        at: When this run read the source, aware UTC. Rows last seen earlier are
            resolved.
    """

    def __init__(self, database: Database, partition_key: str, at: datetime) -> None:
        self.database = database
        self.partition_key = partition_key
        self.at = at

    def store(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store quarantined rows.

        Args:
            rows: dataset, source_row_hash, row_no, order_id, order_at, amount_minor,
                currency, currency_digits, reasons (list), row_redacted (object).
        """
        seen = {"partition_key": self.partition_key, "last_seen": self.at}
        fresh = [
            {**row, **seen, "first_seen": self.at, "resolved_at": None} for row in rows
        ]
        if fresh:
            with self.database.write() as connection:
                statement = insert_or_update(
                    connection,
                    quarantine_row,
                    ("reasons", "row_redacted", "last_seen", "resolved_at"),
                )
                connection.execute(statement, fresh)

    def add_issues(self, issues: Sequence[Mapping[str, Any]]) -> None:
        """Store data issues.

        Args:
            issues: order_id, code, subject; optional: detail, destination.
        """
        rows = [issue_row(self.partition_key, self.at, **one) for one in issues]
        if rows:
            with self.database.write() as connection:
                write_issues(connection, rows)

    def mark_resolved(self, dataset: str) -> None:
        """Mark the rows of `dataset` as resolved that this run did not see again."""
        with self.database.write() as connection:
            connection.execute(
                update(quarantine_row)
                .where(
                    quarantine_row.c.partition_key == self.partition_key,
                    quarantine_row.c.dataset == dataset,
                    quarantine_row.c.last_seen < self.at,
                    quarantine_row.c.resolved_at.is_(None),
                )
                .values(resolved_at=self.at)
            )
            if dataset in BLOCKING:
                self._delete_placeholders(connection)

    def _delete_placeholders(self, connection: Connection) -> None:
        """Delete the deliveries of resolved rows that had a placeholder id.

        They were never sent, and the corrected row has deliveries under its own id.
        With both, one order would count twice.
        """
        resolved = select(quarantine_row.c.source_row_hash).where(
            quarantine_row.c.partition_key == self.partition_key,
            quarantine_row.c.resolved_at.is_not(None),
        )
        ids = [
            placeholder_order_id(one) for one in connection.execute(resolved).scalars()
        ]
        for batch in bind_batches(ids):
            connection.execute(
                delete(delivery).where(
                    delivery.c.order_id.in_(batch),
                    delivery.c.partition_key == self.partition_key,
                    delivery.c.state == State.QUARANTINED,
                    delivery.c.attempts == 0,
                )
            )


def quarantined_orders(
    database: Database, partition_key: str
) -> list[Mapping[str, Any]]:
    """Return one open quarantined row for each quarantined order of a partition.

    Several rows of one order are merged: the amount of the row that has one, and all
    reasons. A row of `completed_orders` without a usable order id (missing, personal,
    or unclear and never sent) is an order of its own, under its `placeholder_order_id`.
    So is a row of an order that another partition counts; `original_order_id` names
    that order. A row of `order_items` whose order is not in the
    partition is left out.
    """
    statement = (
        select(quarantine_row)
        .where(
            quarantine_row.c.partition_key == partition_key,
            quarantine_row.c.dataset.in_(BLOCKING),
            or_(
                quarantine_row.c.order_id.is_not(None),
                quarantine_row.c.dataset == ORDERS,
            ),
            quarantine_row.c.resolved_at.is_(None),
        )
        .order_by(quarantine_row.c.amount_minor.is_not(None), quarantine_row.c.dataset)
    )
    with database.read() as connection:
        found = connection.execute(statement).mappings()
        known = _without_unclear_ids(connection, list(map(dict, found)))
        rows = sorted(map(_identified, known), key=_order_id)
        orders = [list(own) for _, own in groupby(rows, _order_id)]
        merged = [_merged(own) for own in orders if any(map(_is_order, own))]
        days = days_of(connection, [row["order_id"] for row in merged])
    return [
        row
        if days.get(row["order_id"], partition_key) == partition_key
        # The order has its delivery there. This row is a second one.
        else row
        | {
            "order_id": placeholder_order_id(row["source_row_hash"]),
            "original_order_id": row["order_id"],
        }
        for row in merged
    ]


def quarantined_order_ids(
    database: Database, partition_key: str, datasets: Sequence[str]
) -> set[str]:
    """Return the order ids of open quarantined rows, without placeholders.

    Args:
        database: The delivery tables.
        partition_key: The partition.
        datasets: Only rows of these datasets.
    """
    statement = select(quarantine_row.c.order_id).where(
        quarantine_row.c.partition_key == partition_key,
        quarantine_row.c.dataset.in_(datasets),
        quarantine_row.c.order_id.is_not(None),
        quarantine_row.c.resolved_at.is_(None),
    )
    with database.read() as connection:
        return set(connection.execute(statement).scalars())


def quarantined_on_other_days(
    database: Database, partition_key: str, order_ids: Iterable[Sequence[str]]
) -> OrdersByDay:
    """Return the orders that have a quarantined row on another day, by that day.

    Args:
        database: The delivery tables.
        partition_key: The day of the orders.
        order_ids: The orders, in chunks.
    """
    found: OrdersByDay = defaultdict(set)
    with database.read() as connection:
        for batch in chain.from_iterable(map(bind_batches, order_ids)):
            statement = select(
                quarantine_row.c.partition_key, quarantine_row.c.order_id
            ).where(
                quarantine_row.c.order_id.in_(batch),
                quarantine_row.c.partition_key != partition_key,
                quarantine_row.c.dataset.in_([ORDERS, REPEATED]),
                quarantine_row.c.resolved_at.is_(None),
            )
            for day, order_id in connection.execute(statement):
                found[day].add(order_id)
    return dict(found)


def _without_unclear_ids(
    connection: Connection, rows: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Remove the unclear ids of orders of which nothing was sent.

    A delivery under such an id would stay when the id is corrected, and the order would
    count twice.
    """
    unclear = {row["order_id"] for row in rows if UNCLEAR_ID in row["reasons"]} - {None}
    unsent = unclear - sent_orders(connection, unclear)
    return [
        {**row, "order_id": None} if row["order_id"] in unsent else row for row in rows
    ]


def _identified(row: Mapping[str, Any]) -> dict[str, Any]:
    order_id = row["order_id"]
    if order_id is None:
        order_id = placeholder_order_id(row["source_row_hash"])
    return {**row, "order_id": order_id}


def _is_order(row: Mapping[str, Any]) -> bool:
    """A bad line is not: the join refuses its order if it belongs to this day."""
    return str(row["dataset"]) != ITEMS


def _order_id(row: Mapping[str, Any]) -> str:
    return str(row["order_id"])


def _merged(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    reasons = dict.fromkeys(code for row in rows for code in row["reasons"])
    if len(reasons) > 1:
        # It only says that another row of the order is unfit; that row is merged here.
        reasons.pop("unfit_row", None)
    return {**rows[-1], "reasons": list(reasons)}
