"""One extract: the rows of a statement for a window, validated and staged in chunks.

The order of the steps belongs here. Each step has its own module.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from assets.source.warehouse import Warehouse
from assets.staging import Staging
from assets.validation.chunk import validate
from assets.validation.folded_values import Issue
from assets.validation.refused_rows import refused_writer
from assets.validation.rejects import OnRejects
from assets.validation.schemas import EXTRACTS, arrow_schema

Window = tuple[datetime, datetime]
"""Aware instants, [start, end)."""


@dataclass(frozen=True, slots=True)
class ExtractResult:
    """The result of an extract.

    Attributes:
        rows: Number of staged rows.
        rejects: Number of refused rows.
    """

    rows: int
    rejects: int


def extract(
    warehouse: Warehouse,
    staging: Staging,
    statement: str,
    partition: str,
    window: Window,
    *,
    extra_columns: frozenset[str] = frozenset(),
    on_good: Callable[[pa.Table], object] = lambda _rows: None,
    on_rejects: OnRejects,
    on_issues: Callable[[list[Issue]], object] = lambda _issues: None,
    before_commit: Callable[[], object] = lambda: None,
) -> ExtractResult:
    """Stage the rows of a statement. The earlier file of the partition is replaced.

    Args:
        warehouse: Gives the rows.
        staging: Takes the rows, as asset `statement`.
        statement: One of `schemas.EXTRACTS`.
        partition: Key of the partition.
        window: Bounds of the orders' `completed_at`, [start, end).
        extra_columns: Columns beyond the contract that are staged too.
        on_good: Called with the staged rows, chunk by chunk.
        on_rejects: Called with the refused rows, chunk by chunk.
        on_issues: Called with the data issues of the staged rows, chunk by chunk.
        before_commit: Called when all rows were read. If it raises, the earlier file
            stays.

    Raises:
        WarehouseError: The statement gave no usable rows.
    """
    rows = rejects = 0
    schema = arrow_schema(EXTRACTS[statement])
    with (
        staging.writer(statement, partition, schema) as writer,
        refused_writer(staging, statement, partition) as refused,
    ):
        for frame in warehouse.frames(statement, *window, extra_columns):
            chunk = validate(
                frame,
                statement,
                partition,
                first_row_no=rows + rejects + 1,
                zone=warehouse.zone,
                extra_columns=extra_columns,
            )
            writer.write_table(chunk.good)
            on_good(chunk.good)
            if chunk.issues:
                on_issues(chunk.issues)
            if chunk.rejects:
                on_rejects(chunk.rejects)
                if refused:
                    refused.write(chunk.refused_rows)
            rows += len(chunk.good)
            rejects += len(chunk.rejects)
        before_commit()
    return ExtractResult(rows, rejects)
