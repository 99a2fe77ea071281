"""Counts the identifiers, exposures and segments that belong to no order of the day.

The statements select them for orders, so each one was meant for an order. What the
warehouse finds equal may differ byte by byte: then the join cannot use the row.
"""

from collections.abc import Sequence

import duckdb

import sql
from assets.ledger.identifier_counts import IdentifierCount
from assets.validation.folded_values import OF_THE_DAY, Issue

ORPHAN_IDENTIFIERS = "orphan_identifiers"


def count_identifiers(
    database: duckdb.DuckDBPyConnection,
) -> tuple[IdentifierCount, ...]:
    """Return the counts of each kind that has rows.

    Args:
        database: Holds the staged extracts as `staged_<name>`.
    """
    statement = sql.load(f"transform/{ORPHAN_IDENTIFIERS}")
    found = database.execute(statement).fetchall()
    return tuple(IdentifierCount(*row) for row in found)


def orphan_issues(counts: Sequence[IdentifierCount]) -> list[Issue]:
    """Return one data issue per kind that has orphans."""
    return [
        {
            "order_id": OF_THE_DAY,
            "code": ORPHAN_IDENTIFIERS,
            "subject": one.kind,
            "detail": (
                "expected rows that name an order or a visitor of the day, byte by "
                f"byte, got {one.orphans} of {one.rows} that do not"
            ),
        }
        for one in counts
        if one.orphans
    ]
