"""Copies the delivery tables of a partition into the warehouse, for analysts.

The copy is replaced, never appended to, so that publishing again changes nothing. Runs
never decide from the copy; only `resolution/recover.py` reads it back.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Engine,
    MetaData,
    Select,
    Table,
    Text,
    delete,
    select,
    text,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from assets.ledger.bind_limit import bind_batches
from assets.ledger.database import Database, LedgerError
from assets.ledger.tables import (
    data_issue,
    delivery,
    delivery_attempt,
    export_run,
    quarantine_row,
    source_total,
)

SCHEMA = "attribution"
CHUNK_ROWS = 5_000
_LOCK = int.from_bytes(sha256(b"attribution:publish").digest()[:8], "big", signed=True)
_BY_PARTITION = (delivery, quarantine_row, data_issue, source_total, export_run)


def publish(
    database: Database, warehouse: Engine, partition_key: str
) -> dict[str, int]:
    """Replace the rows of a partition in schema `attribution` of the warehouse.

    Args:
        database: The delivery tables.
        warehouse: Holds the copy; the schema and its tables are created if missing.
        partition_key: The partition.

    Returns:
        Number of copied rows by table.

    Raises:
        LedgerError: The warehouse refused the write; the copy is unchanged.
    """
    try:
        with warehouse.begin() as target:
            _lock_copy(target)
            target.execute(CreateSchema(SCHEMA, if_not_exists=True))
            with database.read() as source:
                return {
                    name: _replace(source, target, name, rows, partition_key)
                    for name, rows in _selects(partition_key).items()
                }
    except SQLAlchemyError as error:
        message = (
            f"Publishing failed for {partition_key}: expected to write schema "
            f"{SCHEMA} of the warehouse, got {type(error).__name__}. Give the "
            "warehouse user that right, close other programs that hold the file, or "
            "set publish = false."
        )
        raise LedgerError(message) from None


def _lock_copy(target: Connection) -> None:
    """Wait for other runs that publish at the same time, before anything is read.

    Otherwise both would delete the old rows and both would insert the new ones. DuckDB
    admits one process only and needs no lock.
    """
    if target.dialect.name == "postgresql":
        lock = text("select pg_advisory_xact_lock(:key)")
        target.execute(lock, {"key": _LOCK})


def _selects(partition_key: str) -> dict[str, Select[Any]]:
    selects = {
        table.name: select(table).where(table.c.partition_key == partition_key)
        for table in _BY_PARTITION
    }
    # An attempt belongs to the partition of its delivery, not of the run.
    own = [one for one in delivery_attempt.c if one.name != "partition_key"]
    selects[delivery_attempt.name] = (
        select(delivery.c.partition_key, *own)
        .join_from(delivery_attempt, delivery)
        .where(delivery.c.partition_key == partition_key)
    )
    return selects


def _replace(
    source: Connection,
    target: Connection,
    name: str,
    rows: Select[Any],
    partition_key: str,
) -> int:
    copy = published_table(name, rows.selected_columns)
    copy.create(target, checkfirst=True)
    target.execute(delete(copy).where(copy.c.partition_key == partition_key))
    count = 0
    for chunk in _chunks(source, rows):
        if "delivery_id" in copy.c:
            _delete_moved(target, copy, chunk)
        _insert(target, copy, chunk)
        count += len(chunk)
    return count


def _delete_moved(target: Connection, copy: Table, chunk: list[dict[str, Any]]) -> None:
    """Delete deliveries that moved here from a partition not published since."""
    for batch in bind_batches(sorted({row["delivery_id"] for row in chunk})):
        moved = (
            copy.c.delivery_id.in_(batch),
            copy.c.partition_key != chunk[0]["partition_key"],
        )
        target.execute(delete(copy).where(*moved))


def published_table(name: str, columns: Iterable[Any]) -> Table:
    """Return a table as it is in the copy: without keys, and with JSON as text."""
    copied = [
        Column(one.name, Text() if isinstance(one.type, JSON) else one.type)
        for one in columns
    ]
    return Table(name, MetaData(schema=SCHEMA), *copied)


def _chunks(source: Connection, rows: Select[Any]) -> Iterator[list[dict[str, Any]]]:
    found = source.execution_options(yield_per=CHUNK_ROWS).execute(rows)
    for part in found.mappings().partitions():
        yield [{name: _plain(value) for name, value in row.items()} for row in part]


def _plain(value: Any) -> Any:
    is_json = isinstance(value, Mapping | list)
    return json.dumps(value, ensure_ascii=False) if is_json else value


def _insert(target: Connection, copy: Table, chunk: list[dict[str, Any]]) -> None:
    if target.dialect.name != "duckdb":
        target.execute(copy.insert(), chunk)
        return
    # DuckDB inserts an Arrow table at once, and takes minutes for single rows.
    raw = target.connection.driver_connection
    assert raw is not None  # noqa: S101 - the connection is open
    raw.register("chunk", pa.Table.from_pylist(chunk))
    raw.execute(f"insert into {copy.fullname} by name select * from chunk")  # noqa: S608
    raw.unregister("chunk")
