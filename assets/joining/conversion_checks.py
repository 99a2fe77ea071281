"""Checks joined orders, and describes what is wrong with refused ones.

The rules are `schemas.JOINED_ORDERS`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from assets.money import fits, to_minor
from assets.validation.failures import Failure, Failures, expected_of, reasons_of
from assets.validation.rejects import RedactedCell, Reject, hash_row, redact
from assets.validation.row_checks import SAME_IN_ALL_ROWS
from assets.validation.schemas import COMPLETED_ORDERS, JOINED_ORDERS, known_columns

ORPHANS = "orphan_items"
ORPHAN = Failure("orphan_item", ("order_id",), "an order of the same day")
SHOWN_LINES = 2
_CHECKED_COLUMNS = list(JOINED_ORDERS.columns)


def check_joined_orders(
    batch: pa.Table, partition: str, *, first_row_no: int
) -> tuple[pa.Table, list[Reject]]:
    """Return the good orders, and the refused ones.

    Args:
        batch: Rows of `sql/transform/conversions.sql`.
        partition: Key that the rejects carry.
        first_row_no: Position of the batch's first row in the partition.
    """
    failures = Failures()
    failures.check(JOINED_ORDERS, batch.select(_CHECKED_COLUMNS))
    bad = failures.rows
    rows = batch.take(pa.array(bad, pa.int64())).to_pylist()
    rejects = [
        _reject(row, failures.of(no), partition, first_row_no + no)
        for row, no in zip(rows, bad, strict=True)
    ]
    is_good = np.ones(len(batch), dtype=bool)
    is_good[bad] = False
    return batch.filter(pa.array(is_good)), rejects


def refuse_orphans(
    items: Sequence[Mapping[str, Any]], partition: str, *, first_row_no: int
) -> list[Reject]:
    """Refuse lines whose order is not in the extract.

    A line without its order contradicts the warehouse. It quarantines no order: nothing
    would be sent of the line, and its order may be a good one of another day.
    """
    return [
        Reject(
            partition_key=partition,
            dataset=ORPHANS,
            row_no=row_no,
            source_row_hash=hash_row(item),
            order_id=item["order_id"],
            reasons=(ORPHAN.reason,),
            row_redacted=redact(item, expected_of([ORPHAN])),
        )
        for row_no, item in enumerate(items, start=first_row_no)
    ]


def _reject(
    row: Mapping[str, Any], failures: Sequence[Failure], partition: str, row_no: int
) -> Reject:
    revenue, digits = row["revenue"], row["currency_digits"]
    return Reject(
        partition_key=partition,
        dataset=str(JOINED_ORDERS.name),
        row_no=row_no,
        source_row_hash=row["source_hash"],
        order_id=row["order_id"],
        reasons=reasons_of(failures),
        row_redacted=_redacted_row(row, failures),
        order_at=row["completed_at"],
        currency=row["currency"],
        amount_minor=to_minor(revenue, digits) if fits(revenue, digits) else None,
        currency_digits=digits,
    )


def _redacted_row(
    row: Mapping[str, Any], failures: Sequence[Failure]
) -> dict[str, RedactedCell]:
    plain = [one for one in failures if one.reason != SAME_IN_ALL_ROWS.name]
    shown = redact(_shortened({**row, **_item_columns(row)}), expected_of(plain))
    if len(plain) < len(failures):
        shown |= _contradictions(row, row["other_row"])
    return shown


def _item_columns(row: Mapping[str, Any]) -> dict[str, str]:
    """The columns of an order's lines that a person needs to see."""
    items = row["items"]
    numbers = Counter(item["line_no"] for item in items)
    wrong_lines = {*(row["imprecise_lines"] or ()), *(row["mispriced_lines"] or ())}
    lines = [_shortened(item) for item in items if item["line_no"] in wrong_lines]
    more = "; ..." if len(lines) > SHOWN_LINES else ""
    return {
        "items": str(len(items)),
        "items.line_no": ", ".join(f"{no}" for no in numbers if numbers[no] > 1),
        **{
            f"items.{name}": "; ".join(
                f"line {line['line_no']}: {line[name]}" for line in lines[:SHOWN_LINES]
            )
            + more
            for name in ("quantity", "unit_price", "subtotal", "discount")
        },
    }


def _contradictions(
    row: Mapping[str, Any], other: Mapping[str, Any]
) -> dict[str, RedactedCell]:
    """Return each column in which two rows of one order differ, with both values."""
    names = [*known_columns(str(COMPLETED_ORDERS.name)), "extra"]
    expected = str(SAME_IN_ALL_ROWS.description)
    differing = {name: expected for name in names if row[name] != other[name]}
    both = [redact(_shortened(each), differing) for each in (row, other)]
    return {
        name: {
            "expected": expected,
            "actual": " | ".join(each[name]["actual"] or "null" for each in both),
        }
        for name in differing
    }


def _shortened(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row, with its amounts without the zeros that staged files add."""
    return {
        name: f"{value.normalize():f}" if isinstance(value, Decimal) else value
        for name, value in row.items()
    }
