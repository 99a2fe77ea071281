"""The failures of rows: reasons, columns and expectations.

Converting the errors of pandera belongs here. The checks are in `row_checks.py`, the
stored copy of a refused row in `rejects.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
import pandera.pandas as pap
import pyarrow as pa
from pandera.errors import SchemaError, SchemaErrorReason, SchemaErrors

from assets.validation.row_checks import columns_of

MISSING = "a value"


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is wrong with a row.

    Attributes:
        reason: A code of `docs/data-rules.md`.
        columns: The columns that show it.
        expected: What was expected of them.
    """

    reason: str
    columns: tuple[str, ...]
    expected: str


class Failures:
    """All failures of the rows of one chunk."""

    def __init__(self) -> None:
        self._by_row: dict[int, list[Failure]] = defaultdict(list)

    def add(self, rows: Iterable[int], failure: Failure) -> None:
        """Add a failure to each of `rows`, named by position."""
        for row in rows:
            self._by_row[row].append(failure)

    @property
    def rows(self) -> list[int]:
        """Positions of the rows that failed, sorted."""
        return sorted(self._by_row)

    def of(self, row: int) -> Sequence[Failure]:
        """Return all failures of one row."""
        return self._by_row.get(row, ())

    def check(self, schema: pap.DataFrameSchema, table: pa.Table) -> None:
        """Add the failures of `schema`. No failure hides another."""
        try:
            schema.validate(table.to_pandas(types_mapper=pd.ArrowDtype), lazy=True)
        except SchemaErrors as errors:
            for error in errors.schema_errors:
                self._add_schema_error(error)

    def _add_schema_error(self, error: SchemaError) -> None:
        name = str(error.schema.name)
        if error.reason_code is SchemaErrorReason.SERIES_CONTAINS_NULLS:
            rows = error.failure_cases["index"].tolist()
            # A value that could not be read is null here, but it is not missing.
            rows = [row for row in rows if not self._has_failed(row, name)]
            self.add(rows, Failure(f"missing_{name}", (name,), MISSING))
        elif error.reason_code is SchemaErrorReason.DATAFRAME_CHECK:
            holds = error.check_output.fillna(value=True).astype(bool)
            columns = columns_of(error.check, name)
            expected = str(error.check.description)
            failure = Failure(str(error.check.name), columns, expected)
            self.add(holds.index[~holds].tolist(), failure)
        else:
            raise error

    def _has_failed(self, row: int, column: str) -> bool:
        return any(column in failure.columns for failure in self.of(row))


def columns_failing(failures: Iterable[Failure], *reasons: str) -> set[str]:
    """Return the columns that fail for one of `reasons`."""
    return {name for one in failures if one.reason in reasons for name in one.columns}


def reasons_of(failures: Iterable[Failure]) -> tuple[str, ...]:
    """Return the reason codes, sorted."""
    return tuple(sorted({one.reason for one in failures}))


def expected_of(failures: Iterable[Failure]) -> dict[str, str]:
    """Return each failing column with everything that was expected of it."""
    found: dict[str, list[str]] = defaultdict(list)
    for failure in failures:
        for name in failure.columns:
            if failure.expected not in found[name]:
                found[name].append(failure.expected)
    return {name: "; ".join(texts) for name, texts in found.items()}
