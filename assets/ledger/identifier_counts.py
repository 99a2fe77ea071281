"""Table `identifier_count`: per day and kind, how many rows identify no order.

A day on which a kind finds no order can only be told from a usual one by its days
before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from assets.ledger.database import Database
from assets.ledger.tables import identifier_count

BASELINE_DAYS = 28
"""Number of earlier days with which a day is compared."""


@dataclass(frozen=True, slots=True)
class IdentifierCount:
    """The rows of one kind on one day.

    Attributes:
        kind: A kind of `IDENTIFIER_KINDS`, `visitor_bucketing` or `visitor_segments`.
        rows: All rows of the extract.
        orphans: Those that name an order or visitor of no order in the extract.
    """

    kind: str
    rows: int
    orphans: int


@dataclass(frozen=True, slots=True)
class UsualCount:
    """The rows of one kind on the days before.

    Attributes:
        days: Number of days that had rows.
        rows: Their rows.
        orphans: Their orphans.
    """

    days: int = 0
    rows: int = 0
    orphans: int = 0

    @property
    def matched_share(self) -> float:
        """The share of rows that named an order or visitor of their day."""
        return (self.rows - self.orphans) / self.rows if self.rows else 0.0


def replace_identifier_counts(
    database: Database,
    partition_key: str,
    counts: Sequence[IdentifierCount],
    at: datetime,
) -> None:
    """Replace the counts of a partition.

    Args:
        database: The delivery tables.
        partition_key: The partition.
        counts: One per kind that has rows.
        at: When they were counted, aware UTC.
    """
    rows = [
        {
            "partition_key": partition_key,
            "kind": one.kind,
            "row_count": one.rows,
            "orphan_count": one.orphans,
            "counted_at": at,
        }
        for one in counts
    ]
    with database.write() as connection:
        connection.execute(
            delete(identifier_count).where(
                identifier_count.c.partition_key == partition_key
            )
        )
        if rows:
            connection.execute(identifier_count.insert(), rows)


def usual_counts(database: Database, partition_key: str) -> dict[str, UsualCount]:
    """Return the sums of the `BASELINE_DAYS` counted days before a day, by kind."""
    table = identifier_count.c
    before = (
        select(table.partition_key)
        .where(table.partition_key < partition_key)
        .distinct()
        .order_by(table.partition_key.desc())
        .limit(BASELINE_DAYS)
    )
    statement = (
        select(
            table.kind,
            func.count(),
            func.sum(table.row_count),
            func.sum(table.orphan_count),
        )
        .where(table.partition_key.in_(before))
        .group_by(table.kind)
    )
    with database.read() as connection:
        return {
            kind: UsualCount(int(days), int(rows), int(orphans))
            for kind, days, rows, orphans in connection.execute(statement)
        }
