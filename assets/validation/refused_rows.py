"""Refused rows that the join must know of: one may have been the row that counts.

A click that cannot be read is a click all the same: the one before it is not the last.
Which statements this holds for and what is staged of their refused rows belong here;
what follows for an order stands in `sql/transform/conversions.sql`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.staging import Staging
from assets.validation.failures import Failure, columns_failing, reasons_of
from assets.validation.schemas import EXTRACTS, TEXT, arrow_schema

WITH_REFUSED_ROWS = ("visitor_identifiers", "visitor_bucketing")
"""Statements of whose rows one is chosen for an order."""
_NOT_STAGED = "value"
_PLACEHOLDERS = ("placeholder_id", "placeholder_time")
_NOT_KEPT = ("pii_as_id", "too_long")


def refused_asset(statement: str) -> str:
    """Return under which name the refused rows of a statement are staged."""
    return f"refused_{statement}"


def refused_schema(statement: str) -> pa.Schema:
    """Return the columns of refused rows: null where nothing could be read."""
    columns = [
        one.with_nullable(True)  # noqa: FBT003
        for one in arrow_schema(EXTRACTS[statement])
        if one.name != _NOT_STAGED
    ]
    return pa.schema([*columns, pa.field("reasons", pa.list_(TEXT))])


def refused_row(
    typed: Mapping[str, Any], failures: Sequence[Failure]
) -> dict[str, Any]:
    """Return what a refused row still says, with the reasons of its refusal.

    What stands for unknown is null; what must not be kept is a hash, which is the id of
    no order and no visitor.
    """
    hashed = columns_failing(failures, *_NOT_KEPT)
    return {
        **typed,
        **{name: _hash(typed[name]) for name in hashed if typed.get(name)},
        **dict.fromkeys(columns_failing(failures, *_PLACEHOLDERS)),
        "reasons": list(reasons_of(failures)),
    }


@contextmanager
def refused_writer(
    staging: Staging, statement: str, partition: str
) -> Iterator["RefusedWriter | None"]:
    """Replace the staged refused rows of a partition; None where nobody asks."""
    if statement not in WITH_REFUSED_ROWS:
        yield None
        return
    schema = refused_schema(statement)
    with staging.writer(refused_asset(statement), partition, schema) as writer:
        yield RefusedWriter(writer, schema)


class RefusedWriter:
    """Takes the refused rows of a statement."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema

    def write(self, facts: Iterable[Mapping[str, Any]]) -> None:
        """Stage rows as `refused_row` gives them."""
        rows = [{name: one[name] for name in self._schema.names} for one in facts]
        self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))


def _hash(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:12]}"
