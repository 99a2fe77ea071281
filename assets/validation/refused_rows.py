"""Stages refused rows that the join needs: one of them may be the row that counts.

A refused order is still the order of its clicks. A click that cannot be read is still a
click, so the click before it is not the last one. `sql/transform/conversions.sql`
decides what follows for an order.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.providers.spelling import plain
from assets.staging import Staging
from assets.validation.coercion import whole_number_text
from assets.validation.failures import Failure, columns_failing, reasons_of
from assets.validation.schemas import EXTRACTS, TEXT, arrow_schema

WITH_REFUSED_ROWS = ("completed_orders", "visitor_identifiers", "visitor_bucketing")
"""Statements whose refused rows are staged."""
_NOT_STAGED = "value"
_OWNERS = ("order_id", "visitor_id")
_PLACEHOLDERS = ("placeholder_id", "placeholder_time")
_NOT_KEPT = ("pii_as_id", "too_long")


def refused_asset(statement: str) -> str:
    """Return the asset name under which refused rows of a statement are staged."""
    return f"refused_{statement}"


def refused_schema(statement: str) -> pa.Schema:
    """Return the columns of refused rows. A value that could not be read is null."""
    columns = [
        one.with_nullable(True)  # noqa: FBT003
        for one in arrow_schema(EXTRACTS[statement])
        if one.name != _NOT_STAGED
    ]
    return pa.schema([*columns, pa.field("reasons", pa.list_(TEXT))])


def refused_row(
    raw: Mapping[Any, Any], typed: Mapping[str, Any], failures: Sequence[Failure]
) -> dict[str, Any]:
    """Return the readable values of a refused row, with the reasons of its refusal.

    A placeholder for an unknown value becomes null. A value that must not be stored
    becomes a hash, which is the id of no order and no visitor. An unclear order id
    becomes the clear one that it may stand for, a floating-point number its digits.
    """
    hashed = columns_failing(failures, *_NOT_KEPT)
    unclear = columns_failing(failures, "unclear_id") & {"order_id"}
    return {
        **typed,
        **{name: plain(typed[name]) for name in unclear},
        **{
            name: whole_number_text(raw[name])
            for name in _OWNERS
            if columns_failing(failures, f"unreadable_{name}")
        },
        **{name: _hash(typed[name]) for name in hashed if typed.get(name)},
        **dict.fromkeys(columns_failing(failures, *_PLACEHOLDERS)),
        "reasons": list(reasons_of(failures)),
    }


def may_count(failures: Sequence[Failure]) -> bool:
    """Tell whether a refused row may be the row that counts.

    A row whose value is missing or a placeholder is no identifier.
    """
    return "value" not in columns_failing(failures, "missing_value", "placeholder_id")


@contextmanager
def refused_writer(
    staging: Staging, statement: str, partition: str
) -> Iterator["RefusedWriter | None"]:
    """Replace the staged refused rows of a partition.

    Yields:
        A writer, or None if the join does not need the refused rows of the statement.
    """
    if statement not in WITH_REFUSED_ROWS:
        yield None
        return
    schema = refused_schema(statement)
    with staging.writer(refused_asset(statement), partition, schema) as writer:
        yield RefusedWriter(writer, schema)


class RefusedWriter:
    """Writes the refused rows of a statement."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema

    def write(self, facts: Iterable[Mapping[str, Any]]) -> None:
        """Stage rows as `refused_row` returns them."""
        rows = [{name: one[name] for name in self._schema.names} for one in facts]
        self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))


def _hash(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:12]}"
