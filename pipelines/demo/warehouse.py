"""The seeded demo warehouse: a small shop whose tables are those of the contract.

Putting the rows into a DuckDB file belongs here; what they hold is made in `orders.py`
and `visitors.py`. A day has, by default, 1,000 orders:

- 1 to 6 lines each, discounts on lines and by promo code, some free shipping; USD
  mostly, some CAD, EUR and GBP; an extra column `store_code`;
- clicks up to 30 days old: about 45 % of the orders with an impact click id, 25 % with
  a Trackdesk cookie (some percent-encoded), 8 % with an external cid, 15 % with an
  ID.me tracking id bound to the order;
- 60 % of the visitors in one to three experiences, a few shown two variations or seen
  after the order only; segments of 80 %; consent true, false and unknown;
- four test orders, one order whose money does not add up, one in a currency that does
  not exist: the last two show what quarantine is for.
"""

from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from assets.validation.schemas import EXTRACTS, TEXT, arrow_schema, contract_columns
from pipelines.demo.orders import Order, orders_of
from pipelines.demo.visitors import (
    bucketing_of,
    identifiers_of,
    segments_of,
    tracking_id_of,
)

Tables = dict[str, list[dict[str, Any]]]

_CENTS = pa.decimal128(18, 2)


def seed(
    path: Path,
    *,
    last_day: date,
    days: int = 3,
    orders_per_day: int = 1000,
    seed: int = 7,
    timezone: str,
) -> None:
    """Write a warehouse; an earlier file is replaced when the new one is complete.

    Args:
        path: The DuckDB file.
        last_day: The last day with orders, a day of `timezone`.
        days: Days with orders.
        orders_per_day: Orders of each day, the two bad ones among them.
        seed: The same seed makes the same rows.
        timezone: IANA name of the shop's zone.
    """
    random = Random(seed)  # noqa: S311
    tables: Tables = {name: [] for name in EXTRACTS}
    visitors: list[str] = []
    seen: set[str] = set()
    for ago in reversed(range(days)):
        day = last_day - timedelta(days=ago)
        for order in orders_of(
            day, ZoneInfo(timezone), orders_per_day, random, visitors
        ):
            _add(tables, order, seen, random)
    _write(path, tables)


def _add(tables: Tables, order: Order, seen: set[str], random: Random) -> None:
    visitor, at = order.row["visitor_id"], order.row["completed_at"]
    tables["completed_orders"].append(order.row)
    tables["order_items"].extend(order.items)
    tables["visitor_identifiers"].extend(tracking_id_of(order.row, random))
    if visitor in seen:
        return
    seen.add(visitor)
    identifiers = list(identifiers_of(visitor, at, random))
    tables["visitor_identifiers"].extend(identifiers)
    ids = [row["value"] for row in identifiers if row["kind"] == "convert_visitor_id"]
    # Segments may be stored under either id.
    owner = ids[0] if ids and len(seen) % 2 else visitor
    tables["visitor_segments"].extend(segments_of(owner, at, random))
    for convert_id in ids:
        tables["visitor_bucketing"].extend(bucketing_of(convert_id, at, random))


def _write(path: Path, tables: Tables) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with duckdb.connect(str(unfinished)) as database:
        for name, rows in tables.items():
            database.register("rows", pa.Table.from_pylist(rows, _schema(name)))
            database.execute(f"create table {name} as select * from rows")  # noqa: S608
            database.unregister("rows")
    unfinished.replace(path)


def _schema(name: str) -> pa.Schema:
    contract = arrow_schema(EXTRACTS[name])
    kinds = {column: contract.field(column).type for column in contract_columns(name)}
    if name == "completed_orders":
        kinds["store_code"] = TEXT
    return pa.schema(
        [
            (column, _CENTS if pa.types.is_decimal(kind) else kind)
            for column, kind in kinds.items()
        ]
    )
