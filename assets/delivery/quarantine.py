"""Rows of the source that are not fit to be sent, and doubts about those that are.

A quarantined row is kept with its reasons until a run of its partition no longer finds
it: then it counts as resolved. Nothing here decides what is wrong with a row.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import select, update

from assets.delivery.database import Database, insert_or_update
from assets.delivery.tables import data_issue, quarantine_row

BLOCKING = ("completed_orders", "order_items", "conversions")
"""A bad row of these takes its whole order; others only lack an attribution."""


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

    def keep(self, rows: Sequence[Mapping[str, Any]]) -> None:
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

    def doubt(self, issues: Sequence[Mapping[str, Any]]) -> None:
        """Keep data issues: order_id, code, subject, maybe detail and destination."""
        seen = {"partition_key": self.partition_key, "last_seen": self.at}
        blank = {"detail": None, "destination": None}
        fresh = [{**blank, **one, **seen, "first_seen": self.at} for one in issues]
        if fresh:
            with self.database.write() as connection:
                statement = insert_or_update(
                    connection, data_issue, ("detail", "last_seen")
                )
                connection.execute(statement, fresh)

    def resolve_unseen(self, dataset: str) -> None:
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


def quarantined_orders(
    database: Database, partition_key: str, datasets: Sequence[str] = BLOCKING
) -> list[Mapping[str, Any]]:
    """Return, per order that is held back, its open quarantined row.

    Several rows of one order come as one: the money of the row that knows it, and all
    reasons. Sorted by order id; rows whose order id could not be read are left out.
    """
    statement = (
        select(quarantine_row)
        .where(
            quarantine_row.c.partition_key == partition_key,
            quarantine_row.c.dataset.in_(datasets),
            quarantine_row.c.order_id.is_not(None),
            quarantine_row.c.resolved_at.is_(None),
        )
        .order_by(
            quarantine_row.c.order_id,
            quarantine_row.c.amount_minor.is_not(None),
            quarantine_row.c.dataset,
        )
    )
    with database.read() as connection:
        rows = [dict(row) for row in connection.execute(statement).mappings()]
    return [_merged(list(own)) for _, own in groupby(rows, lambda row: row["order_id"])]


def _merged(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    reasons = dict.fromkeys(code for row in rows for code in row["reasons"])
    if len(reasons) > 1:
        # It says only that another row of the order was refused, which is here.
        reasons.pop("unfit_row", None)
    return {**rows[-1], "reasons": list(reasons)}
