"""Folds the values of a chunk, and records what was left out as data issues.

How a value is folded is in `ids.py`, which columns are folded in `schemas.py`.
"""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from assets.validation.ids import Fold
from assets.validation.schemas import EXTRACTS

Issue = dict[str, str | None]
"""`order_id`, `code`, `subject` and `detail` of a data issue."""

OF_THE_DAY = "-"
"""The order id of a data issue about rows that name no order. No order has this id."""


class FoldedValues:
    """What was folded in one chunk of a statement.

    Args:
        statement: One of `schemas.EXTRACTS`.
    """

    def __init__(self, statement: str) -> None:
        self._statement = statement
        self._columns = EXTRACTS[statement].columns
        self._folded: list[tuple[int, str, Fold]] = []

    def fold(self, name: str, values: "pa.Array[Any]") -> "pa.Array[Any]":
        """Return the values of a column as they count."""
        folds: tuple[Fold, ...] = self._columns[name].metadata["folds"]
        if not folds:
            return values
        counted = [
            self._counted(position, name, value, folds)
            for position, value in enumerate(values.to_pylist())
        ]
        folded: pa.Array[Any] = pa.array(counted, values.type)
        return folded

    def _counted(
        self, position: int, name: str, value: str | None, folds: tuple[Fold, ...]
    ) -> str | None:
        counted = value
        for fold in folds:
            before = counted
            if before is not None:
                counted = fold.change(before)
            if counted != before:
                self._folded.append((position, name, fold))
        return counted

    def issues(self, table: pa.Table, is_good: "np.ndarray[Any, Any]") -> list[Issue]:
        """Return one data issue per order and column.

        Rows that name no order share one issue per column.

        Args:
            table: The rows of the chunk.
            is_good: Whether each row is kept. A refused row has its own record.
        """
        if not self._folded:
            return []
        order_ids: list[str | None] = (
            table["order_id"].to_pylist()
            if "order_id" in table.column_names
            else [None] * len(table)
        )
        found = Counter(
            (order_ids[position] or OF_THE_DAY, name, fold)
            for position, name, fold in self._folded
            if is_good[position]
        )
        return [
            {
                "order_id": order_id,
                "code": fold.code,
                "subject": f"{self._statement}.{name}",
                "detail": f"expected {fold.expected}",
            }
            for order_id, name, fold in found
        ]
