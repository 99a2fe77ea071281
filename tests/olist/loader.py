"""Loads the Olist orders into DuckDB as they are, beside made-up visitors.

The orders are not part of the product: they lie beside its checkout, below `shared`,
and are only read. What is made up about the visitors is in `visitors.py`.
"""

from pathlib import Path

import duckdb
import pyarrow as pa

from olist.visitors import MadeUp
from support.project import ROOT

DATA = ROOT.parent / "shared" / "data" / "olist"
STATEMENTS = Path(__file__).parent / "extract"

TABLES = ("orders", "order_items", "order_payments", "customers", "products")

_TEXTS = {
    "identifiers": ("order_id", "visitor_id", "kind", "value"),
    "bucketing": ("visitor_id", "experience_id", "variation_id"),
    "segments": (
        *("visitor_id", "browser", "device", "source", "visitor_type"),
        *("country", "campaign"),
    ),
}
_OTHERS: dict[str, list[tuple[str, pa.DataType]]] = {
    "identifiers": [("captured_at", pa.timestamp("us", tz="UTC"))],
    "bucketing": [("bucketed_at", pa.timestamp("us", tz="UTC"))],
    "segments": [
        ("custom_segments", pa.list_(pa.string())),
        ("captured_at", pa.timestamp("us", tz="UTC")),
    ],
}

# Orders are written in the shop's own clock, so the window is converted to that clock:
# each order is in one day, also where the clock skips or repeats an hour. The tracker
# keeps aware instants, so the local time of a visit is converted to one.
_MACROS = """
create macro olist_window_orders(window_start, window_end) as table
select order_id, customer_id, order_status, completed_at
from (
    select
        *,
        strptime(order_purchase_timestamp, '%m/%d/%Y %H:%M') as completed_at
    from olist_orders
)
where completed_at
    >= timezone('America/Sao_Paulo', cast(window_start as timestamptz))
    and completed_at < timezone('America/Sao_Paulo', cast(window_end as timestamptz));

create macro olist_visits(window_start, window_end) as table
select
    o.order_id,
    o.order_status,
    c.customer_unique_id as visitor_id,
    timezone('America/Sao_Paulo', o.completed_at) as completed_at
from olist_window_orders(window_start, window_end) as o
inner join olist_customers as c on o.customer_id = c.customer_id;
"""
"""The part that the five statements share."""


def load(path: Path, made_up: MadeUp) -> None:
    """Make a warehouse: `olist_*` as found, all columns text, `made_up_*`, macros."""
    with duckdb.connect(str(path)) as database:
        for name in TABLES:
            rows = database.read_csv(str(DATA / f"{name}.csv"), all_varchar=True)
            rows.create(f"olist_{name}")
        for name, texts in _TEXTS.items():
            columns = [(text, pa.string()) for text in texts] + _OTHERS[name]
            table = pa.Table.from_pylist(getattr(made_up, name), pa.schema(columns))
            database.from_arrow(table).create(f"made_up_{name}")
        database.execute(_MACROS)


def add_order(path: Path, order_id: str, purchased_at: str, *, like: str) -> None:
    """Add a copy of the order `like`, purchased at another time.

    Args:
        path: The warehouse.
        order_id: Of the copy.
        purchased_at: As the source writes it, `M/D/YYYY H:MM`.
        like: Id of the order that is copied, lines included.
    """
    with duckdb.connect(str(path)) as database:
        for table, changes in (
            ("olist_orders", {"order_purchase_timestamp": purchased_at}),
            ("olist_order_items", {}),
        ):
            changed = {"order_id": order_id} | changes
            new = ", ".join(f"'{value}' as {name}" for name, value in changed.items())
            database.execute(
                f"insert into {table} select * replace ({new}) from {table} "
                "where order_id = $1",
                [like],
            )
