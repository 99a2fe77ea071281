"""Joins the staged extracts of a partition into the staged `conversions`.

Running `sql/transform/conversions.sql` and staging its good rows belong here. That file
holds the rules of the join; `conversion_checks.py` checks the joined orders.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandera.errors import SchemaErrors

import sql
from assets.joining.conversion_checks import check_joined_orders, refuse_orphans
from assets.joining.orphan_identifiers import count_identifiers, orphan_issues
from assets.ledger.identifier_counts import IdentifierCount
from assets.money import to_minor
from assets.staging import Staging
from assets.validation.folded_values import Issue
from assets.validation.refused_rows import (
    WITH_REFUSED_ROWS,
    refused_asset,
    refused_schema,
)
from assets.validation.rejects import OnRejects
from assets.validation.schemas import CONVERSIONS, EXTRACTS, arrow_schema

ASSET = "conversions"
SLICE_ORDERS = 25_000
BATCH_ROWS = 10_000
_ZERO = pa.scalar(0)
_SLICED = frozenset({"completed_orders", "order_items"})
_SCHEMA = arrow_schema(CONVERSIONS)
_NULLABLE = pa.schema([one.with_nullable(True) for one in _SCHEMA])  # noqa: FBT003
# The join makes lists and structs from validated rows only.
_SCALARS = CONVERSIONS.select_columns(
    [one.name for one in _SCHEMA if not pa.types.is_nested(one.type)]
)

OnIssues = Callable[[list[Issue]], object]


class JoinError(Exception):
    """The join made invalid conversions. It is a fault of the join, not of the data."""


@dataclass(frozen=True, slots=True)
class JoinResult:
    """The result of a join.

    Attributes:
        orders: Number of staged conversions.
        rejected: Number of orders that the join refused.
        totals: Currency -> (conversions, their revenue in minor units).
        orphans: Number of lines refused because they belong to no order.
        identifiers: Rows and orphans of each kind of identifier.
    """

    orders: int
    rejected: int
    totals: dict[str, tuple[int, int]]
    orphans: int = 0
    identifiers: Sequence[IdentifierCount] = ()


def join(
    staging: Staging,
    partition: str,
    *,
    refused_order_ids: Iterable[str] = (),
    left_out_order_ids: Iterable[str] = (),
    allow_orders_without_items: bool = False,
    memory_limit: str = "1GB",
    on_rejects: OnRejects,
    on_issues: OnIssues,
    before_commit: Callable[[int], object] = lambda _orders: None,
) -> JoinResult:
    """Stage one row per order, ordered by order id.

    Args:
        staging: Holds the five extracts of the partition; takes `conversions`.
        partition: Key of the partition.
        refused_order_ids: Orders with a row that was refused before. They are refused
            as a whole, `unfit_row`.
        left_out_order_ids: Orders that are recorded under another id. Nothing is
            staged of them.
        allow_orders_without_items: Report an order that has no stored line.
        memory_limit: Memory of DuckDB. Beyond it, DuckDB spills to a temporary folder.
        on_rejects: Called with the refused orders and lines, batch by batch.
        on_issues: Called with the data issues of good orders, batch by batch:
            `{"order_id", "code", "subject", "detail"}`.
        before_commit: Called with the number of good orders when all were joined. If it
            raises, the earlier file stays.

    Raises:
        JoinError: The join is wrong. The message names the columns.
        StagingError: An extract is not staged. The message names it.
    """
    totals = _JoinTotals()
    with (
        _database(staging, partition, memory_limit) as database,
        staging.writer(ASSET, partition, _SCHEMA) as writer,
    ):
        _fill(database, "refused_rows", refused_order_ids)
        _fill(database, "left_out", left_out_order_ids)
        database.execute(
            "set variable allow_orders_without_items = $1", [allow_orders_without_items]
        )
        for batch in _joined_batches(database):
            good, rejects = check_joined_orders(
                batch, partition, first_row_no=totals.rows + 1
            )
            if rejects:
                on_rejects(rejects)
            if issues := _data_issues(good):
                on_issues(issues)
            writer.write_table(_validated(good, partition))
            totals.add(good, len(batch))
        orphans = _refuse_orphans(database, partition, on_rejects)
        identifiers = count_identifiers(database)
        if issues := orphan_issues(identifiers):
            on_issues(issues)
        before_commit(totals.good)
    return JoinResult(
        totals.good,
        totals.rows - totals.good,
        totals.by_currency(),
        orphans,
        identifiers,
    )


class _JoinTotals:
    """Counts and sums over the batches."""

    def __init__(self) -> None:
        self.rows = self.good = 0
        self._sums: dict[tuple[str, int], list[Any]] = defaultdict(lambda: [0, 0])

    def add(self, good: pa.Table, rows: int) -> None:
        self.rows += rows
        self.good += len(good)
        grouped = good.group_by(["currency", "currency_digits"]).aggregate(
            [("revenue", "count"), ("revenue", "sum")]
        )
        for row in grouped.to_pylist():
            entry = self._sums[row["currency"], row["currency_digits"]]
            entry[0] += row["revenue_count"]
            entry[1] += to_minor(row["revenue_sum"], row["currency_digits"])

    def by_currency(self) -> dict[str, tuple[int, int]]:
        return {
            currency: (count, minor)
            for (currency, _), (count, minor) in sorted(self._sums.items())
        }


@contextmanager
def _database(
    staging: Staging, partition: str, memory_limit: str
) -> Iterator[duckdb.DuckDBPyConnection]:
    paths = {
        name: staging.existing(name, partition, schema=arrow_schema(schema))
        for name, schema in EXTRACTS.items()
    }
    for name in WITH_REFUSED_ROWS:
        refused, schema = refused_asset(name), refused_schema(name)
        paths[refused] = staging.existing(refused, partition, name, schema)
    with (
        tempfile.TemporaryDirectory(prefix="attribution-join-") as folder,
        duckdb.connect(
            config={"memory_limit": memory_limit, "temp_directory": folder}
        ) as database,
    ):
        database.execute("set timezone = 'UTC'")
        database.execute("create temp table refused_rows (order_id varchar)")
        database.execute("create temp table left_out (order_id varchar)")
        for name, path in paths.items():
            database.read_parquet(str(path)).create_view(f"staged_{name}")
            database.execute(_view(name))
        yield database


def _view(name: str) -> str:
    # DuckDB does not spill lists of items and bucketing, so each join reads a slice.
    condition = (
        """
        where order_id >= getvariable('first_order_id')
            and order_id <= getvariable('last_order_id')
            and order_id not in (select order_id from left_out)
        """
        if name in _SLICED
        else ""
    )
    return f"create temp view {name} as select * from staged_{name} {condition}"  # noqa: S608


def _fill(
    database: duckdb.DuckDBPyConnection, table: str, order_ids: Iterable[str]
) -> None:
    given = pa.table({"order_id": pa.array(set(order_ids), pa.string())})
    database.register("given", given)
    database.execute(f"insert into {table} select order_id from given")  # noqa: S608
    database.unregister("given")


def _joined_batches(database: duckdb.DuckDBPyConnection) -> Iterator[pa.Table]:
    statement = sql.load("transform/conversions")
    for first, last in _slices(database):
        database.execute("set variable first_order_id = $1", [first])
        database.execute("set variable last_order_id = $1", [last])
        for batch in database.sql(statement).to_arrow_reader(BATCH_ROWS):
            yield pa.Table.from_batches([batch])


def _refuse_orphans(
    database: duckdb.DuckDBPyConnection, partition: str, on_rejects: OnRejects
) -> int:
    found = 0
    statement = sql.load("transform/orphan_items")
    for batch in database.sql(statement).to_arrow_reader(BATCH_ROWS):
        if batch.num_rows:
            rows = batch.to_pylist()
            on_rejects(refuse_orphans(rows, partition, first_row_no=found + 1))
            found += len(rows)
    return found


def _slices(database: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return database.execute(
        """
        select min(order_id), max(order_id)
        from (
            select order_id, row_number() over (order by order_id) as row_no
            from (select distinct order_id from staged_completed_orders)
        )
        group by (row_no - 1) // $1
        order by 1
        """,
        [SLICE_ORDERS],
    ).fetchall()


def _validated(good: pa.Table, partition: str) -> pa.Table:
    """Return the rows in the schema of `conversions`, after checking scalar columns."""
    rows = good.select(_SCHEMA.names).cast(_NULLABLE)
    scalars = rows.select(list(_SCALARS.columns))
    try:
        _SCALARS.validate(scalars.to_pandas(types_mapper=pd.ArrowDtype), lazy=True)
    except SchemaErrors as errors:
        columns = sorted({str(one.schema.name) for one in errors.schema_errors})
        message = (
            f"Joining failed for {partition}: expected conversions that fit their "
            f"schema, got others in {', '.join(columns)}. Report it: this is a fault "
            "of sql/transform/conversions.sql, not of the orders."
        )
        # The text of pandera's error quotes rows, so it is not chained.
        raise JoinError(message) from None
    return rows.cast(_SCHEMA)


def _data_issues(good: pa.Table) -> list[Issue]:
    columns = ["bucketing_conflicts", "unfit_experiences", "unfit_identifiers"]
    lengths = [pc.list_value_length(good[name]) for name in columns]
    is_shared = good["has_shared_segments"]
    is_long = [pc.greater(one, _ZERO) for one in lengths]
    has_issue = reduce(pc.or_, [is_shared, *is_long])
    names = ["order_id", "has_shared_segments", *columns]
    rows = good.filter(has_issue).select(names).to_pylist()
    return [
        {"order_id": row["order_id"], "code": code, "subject": subject, "detail": why}
        for row in rows
        for code, subject, why in _row_issues(row)
    ]


def _row_issues(row: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    for experience_id in row["bucketing_conflicts"]:
        yield "bucketing_conflict", experience_id, None
    for experience_id in row["unfit_experiences"]:
        yield "unfit_exposure", experience_id, None
    for unfit in row["unfit_identifiers"]:
        yield "unfit_identifier", unfit["kind"], unfit["reasons"]
    if row["has_shared_segments"]:
        yield "shared_segments", "visitor_segments", None
