"""Loads the Olist orders into DuckDB as they are, beside made-up visitors.

The orders are not part of the product: they lie beside its checkout, below `shared`,
and are only read. What is made up about the visitors is in `visitors.py`.
"""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from olist.visitors import MadeUp

PROJECT = Path(__file__).resolve().parents[2]
DATA = PROJECT.parent / "shared" / "data" / "olist"
STATEMENTS = Path(__file__).parent / "extract"

TABLES = ("orders", "order_items", "order_payments", "customers", "products")

_INSTANT = pa.timestamp("us", tz="UTC")
_MADE_UP = {
    "identifiers": [
        *((name, pa.string()) for name in ("order_id", "visitor_id", "kind", "value")),
        ("captured_at", _INSTANT),
    ],
    "bucketing": [
        *(
            (name, pa.string())
            for name in ("visitor_id", "experience_id", "variation_id")
        ),
        ("bucketed_at", _INSTANT),
    ],
    "segments": [
        *(
            (name, pa.string())
            for name in (
                *("visitor_id", "browser", "device", "source"),
                *("visitor_type", "country", "campaign"),
            )
        ),
        ("custom_segments", pa.list_(pa.string())),
        ("captured_at", _INSTANT),
    ],
}


def load(path: Path, made_up: MadeUp) -> None:
    """Make a warehouse: `olist_*` as found, all columns text, and `made_up_*`."""
    with duckdb.connect(str(path)) as database:
        for name in TABLES:
            rows = database.read_csv(str(DATA / f"{name}.csv"), all_varchar=True)
            rows.create(f"olist_{name}")
        for name, columns in _MADE_UP.items():
            _create(database, f"made_up_{name}", getattr(made_up, name), columns)


def _create(
    database: duckdb.DuckDBPyConnection,
    name: str,
    rows: list[dict[str, Any]],
    columns: list[tuple[str, pa.DataType]],
) -> None:
    table = pa.Table.from_pylist(rows, pa.schema(columns))
    database.from_arrow(table).create(name)
