"""Rows of the source that are not fit to be sent, and doubts about those that are.

A quarantined row is kept with its reasons until a run of its partition no longer finds
it: then it counts as resolved. Nothing here decides what is wrong with a row.

A row of `completed_orders` is an order even where its order id is missing or must not
be kept: it stands under a stand-in id, so that no order vanishes from the counts. So
does an order that has its delivery on another day, where the source has it too.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from assets.ledger.bind_limit import bind_batches
from assets.ledger.database import Database, insert_or_update
from assets.ledger.order_days import OrdersByDay, days_of
from assets.ledger.states import State
from assets.ledger.tables import data_issue, delivery, quarantine_row

ORDERS = "completed_orders"
ITEMS = "order_items"
REPEATED = "repeated_orders"
"""Orders that the source has on another day as well."""
BLOCKING = (ORDERS, ITEMS, REPEATED, "conversions")
"""A bad row of these takes its whole order; others only lack an attribution."""


def placeholder_order_id(source_row_hash: str) -> str:
    """Return the order id of a row of `completed_orders` that has none of its own."""
    return f"row:{source_row_hash[:16]}"


class Quarantine:
    """The quarantined rows and data issues of one partition.

    Args:
        database: Where the delivery tables are.
        partition_key: The partition.
        at: When this run looked, aware UTC; rows not seen since are resolved.
    """

    def __init__(self, database: Database, partition_key: str, at: datetime) -> None:
        self.database = database
        self.partition_key = partition_key
        self.at = at

    def store(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep rejected rows.

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
        """Keep data issues: order_id, code, subject, maybe detail and destination."""
        rows = [issue(self.partition_key, self.at, **one) for one in issues]
        if rows:
            with self.database.write() as connection:
                write_issues(connection, rows)

    def mark_resolved(self, dataset: str) -> None:
        """Call resolved what was kept of `dataset` before and not seen this time."""
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
        """Drop the deliveries of resolved rows that could not have their own id.

        Nothing was ever sent of them, and the mended row has deliveries under its own
        id: with both, one order would count twice.
        """
        resolved = select(quarantine_row.c.source_row_hash).where(
            quarantine_row.c.partition_key == self.partition_key,
            quarantine_row.c.resolved_at.is_not(None),
        )
        ids = [
            placeholder_order_id(one) for one in connection.execute(resolved).scalars()
        ]
        for some in bind_batches(ids):
            connection.execute(
                delete(delivery).where(
                    delivery.c.order_id.in_(some),
                    delivery.c.partition_key == self.partition_key,
                    delivery.c.state == State.QUARANTINED,
                    delivery.c.attempts == 0,
                )
            )


def issue(
    partition_key: str,
    at: datetime,
    *,
    order_id: str,
    code: str,
    subject: str,
    detail: str | None = None,
    destination: str | None = None,
) -> dict[str, Any]:
    """Return a row of `data_issue`.

    Args:
        partition_key: The partition of the order.
        at: When it was seen, aware UTC.
        order_id: Which order is in doubt.
        code: A code of the closed list in `docs/delivery-tables.md`.
        subject: What of the order: a column, an experience, a destination.
        detail: What was expected and what was found.
        destination: Whom it concerns; None: all of them.
    """
    return {
        "partition_key": partition_key,
        "order_id": order_id,
        "code": code,
        "subject": subject,
        "detail": detail,
        "destination": destination,
        "first_seen": at,
        "last_seen": at,
    }


def write_issues(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write data issues in the caller's transaction; a known one keeps its start."""
    if rows:
        columns = ("detail", "last_seen")
        statement = insert_or_update(connection, data_issue, columns)
        connection.execute(statement, list(rows))


def quarantined_orders(
    database: Database, partition_key: str
) -> list[Mapping[str, Any]]:
    """Return, per order that is held back, its open quarantined row.

    Several rows of one order come as one: the money of the row that knows it, and all
    reasons. A row of `completed_orders` without a readable order id is an order of its
    own, under its `stand_in`; so is a row of an order that is counted on another day,
    which it names as `original_order_id`. A line whose order is not of the day is none.
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
        rows = sorted((_named(dict(row)) for row in found), key=_order_id)
        orders = [list(own) for _, own in groupby(rows, _order_id)]
        held = [_merged(own) for own in orders if any(map(_is_an_order, own))]
        days = days_of(connection, [row["order_id"] for row in held])
    return [
        row
        if days.get(row["order_id"], partition_key) == partition_key
        # It has its delivery there, and this row is another one.
        else row
        | {
            "order_id": placeholder_order_id(row["source_row_hash"]),
            "original_order_id": row["order_id"],
        }
        for row in held
    ]


def quarantined_order_ids(
    database: Database, partition_key: str, datasets: Sequence[str]
) -> set[str]:
    """Return the orders of which a row was refused, without stand-ins.

    Args:
        database: Where the delivery tables are.
        partition_key: The partition.
        datasets: Whose rows.
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
    """Return those of some orders of which another day refused a row.

    Args:
        database: Where the delivery tables are.
        partition_key: The day of the orders.
        order_ids: The orders, some at a time.
    """
    found: OrdersByDay = defaultdict(set)
    with database.read() as connection:
        for some in chain.from_iterable(map(bind_batches, order_ids)):
            statement = select(
                quarantine_row.c.partition_key, quarantine_row.c.order_id
            ).where(
                quarantine_row.c.order_id.in_(some),
                quarantine_row.c.partition_key != partition_key,
                quarantine_row.c.dataset.in_([ORDERS, REPEATED]),
                quarantine_row.c.resolved_at.is_(None),
            )
            for day, order_id in connection.execute(statement):
                found[day].add(order_id)
    return dict(found)


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    order_id = row["order_id"]
    if order_id is None:
        order_id = placeholder_order_id(row["source_row_hash"])
    return {**row, "order_id": order_id}


def _is_an_order(row: Mapping[str, Any]) -> bool:
    """A bad line is none: the join refuses its order, unless that is of another day."""
    return str(row["dataset"]) != ITEMS


def _order_id(row: Mapping[str, Any]) -> str:
    return str(row["order_id"])


def _merged(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    reasons = dict.fromkeys(code for row in rows for code in row["reasons"])
    if len(reasons) > 1:
        # It says only that another row of the order was refused, which is here.
        reasons.pop("unfit_row", None)
    return {**rows[-1], "reasons": list(reasons)}
