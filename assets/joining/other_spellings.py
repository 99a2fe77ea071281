"""Refuses orders that were reported under another spelling of their id.

Earlier versions reported an order id with white space or invisible characters as it
stood. Once the id is corrected, the order would be reported a second time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from assets.ledger.database import Database
from assets.ledger.order_spellings import reported_spellings
from assets.ledger.quarantine import REPEATED
from assets.money import fits, to_minor
from assets.providers.spelling import plain
from assets.validation.failures import Failure
from assets.validation.rejects import Reject, hash_row

OTHER_SPELLING = Failure(
    "other_spelling",
    ("order_id",),
    "an order that was not reported under another spelling of its id",
)
COLUMNS = ["order_id", "completed_at", "revenue", "currency", "currency_digits"]


@dataclass(frozen=True, slots=True)
class OtherSpellings:
    """The orders of a day that were reported under another spelling.

    Attributes:
        order_ids: Their ids in the source.
        rejects: One per order, under the id that was reported: its delivery has that
            id, and it stays the only one.
    """

    order_ids: frozenset[str]
    rejects: list[Reject]


def find_other_spellings(
    database: Database, partition_key: str, orders: Iterable[pa.RecordBatch]
) -> OtherSpellings:
    """Find the orders of a day that were reported under another spelling.

    Args:
        database: The delivery tables.
        partition_key: The day, `YYYY-MM-DD`.
        orders: The staged orders of the day, with `COLUMNS`. They are read only if
            there are reported orders with unclear ids.
    """
    reported = reported_spellings(database, plain)
    if not reported:
        return OtherSpellings(frozenset(), [])
    found = {
        row["order_id"]: row
        for batch in orders
        for row in batch.to_pylist()
        if row["order_id"] in reported
    }
    rejects = [
        _reject(row, reported[order_id], partition_key)
        for order_id, row in sorted(found.items())
    ]
    return OtherSpellings(frozenset(found), rejects)


def _reject(row: dict[str, Any], reported_id: str, partition_key: str) -> Reject:
    revenue, digits = row["revenue"], row["currency_digits"]
    return Reject(
        partition_key=partition_key,
        dataset=REPEATED,
        row_no=0,
        source_row_hash=hash_row({"order_id": row["order_id"], "day": partition_key}),
        order_id=reported_id,
        reasons=(OTHER_SPELLING.reason,),
        row_redacted={
            "order_id": {
                "expected": OTHER_SPELLING.expected,
                "actual": f"reported with {len(reported_id)} characters",
            }
        },
        order_at=row["completed_at"],
        currency=row["currency"],
        amount_minor=to_minor(revenue, digits) if fits(revenue, digits) else None,
        currency_digits=digits,
    )
