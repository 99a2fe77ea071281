"""What the Olist orders come to, worked out in plain Python from the files themselves.

Nothing here reads the product's statements, tables or code: a test compares the two.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from olist.visitors import MadeUp

ZONE = ZoneInfo("America/Sao_Paulo")
COMPLETED = frozenset({"delivered", "shipped", "invoiced"})


@dataclass(frozen=True)
class Order:
    """One completed order.

    Attributes:
        day: In the shop's own clock.
        at: The instant, in UTC.
        cents: Sum of the prices of its units.
    """

    order_id: str
    visitor_id: str
    day: date
    at: datetime
    cents: int


def completed_orders(data: Path) -> list[Order]:
    """Read the delivered, shipped and invoiced orders, in the order of the file."""
    visitors = {
        row["customer_id"]: row["customer_unique_id"]
        for row in _rows(data / "customers.csv")
    }
    money: dict[str, Decimal] = {}
    for row in _rows(data / "order_items.csv"):
        known = money.get(row["order_id"], Decimal(0))
        money[row["order_id"]] = known + Decimal(row["price"])
    return [
        _order(row, visitors[row["customer_id"]], money[row["order_id"]])
        for row in _rows(data / "orders.csv")
        if row["order_status"] in COMPLETED
    ]


def sent_to(orders: Iterable[Order], made_up: "MadeUp") -> dict[str, set[str]]:
    """Return, by destination of `destinations.toml`, the orders it is to be sent."""
    sent: dict[str, set[str]] = {}
    visitors, own = _by(made_up.identifiers, "visitor_id", "order_id")
    exposures = _by(made_up.bucketing, "visitor_id")[0]
    for order in orders:
        rows = [*visitors.get(order.visitor_id, []), *own.get(order.order_id, [])]
        ids = {
            row["kind"]: row["value"]
            for row in sorted(rows, key=lambda row: row["captured_at"])
            if row["captured_at"] <= order.at
        }
        visitor = ids.get("convert_visitor_id", order.visitor_id)
        has_click = _is_ours(ids.get("trackdesk_cid"))
        takes = {
            "impact_shop": "impact_click_id" in ids,
            "impact_app": True,
            "convert_web": _is_bucketed(exposures.get(visitor, []), order),
            "trackdesk_clicks": has_click,
            "trackdesk_linked": has_click and "trackdesk_external_cid" in ids,
            "idme_wallet": "idme_conversion_tracking_id" in ids,
        }
        for name, is_taken in takes.items():
            if is_taken:
                sent.setdefault(name, set()).add(order.order_id)
    return sent


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _order(row: Mapping[str, str], visitor_id: str, revenue: Decimal) -> Order:
    text = row["order_purchase_timestamp"]
    local = datetime.strptime(text, "%m/%d/%Y %H:%M").replace(tzinfo=ZONE)
    return Order(
        order_id=row["order_id"],
        visitor_id=visitor_id,
        day=local.date(),
        at=local.astimezone(UTC),
        cents=_whole(revenue * 100),
    )


def _whole(amount: Decimal) -> int:
    if amount != int(amount):
        message = f"expected whole cents, got {amount}"
        raise ValueError(message)
    return int(amount)


def _by(
    rows: Iterable[dict[str, Any]], *names: str
) -> tuple[dict[str, list[dict[str, Any]]], ...]:
    """Group rows by each of the named columns, where it is not null."""
    groups: tuple[dict[str, list[dict[str, Any]]], ...] = tuple({} for _ in names)
    for row in rows:
        for group, name in zip(groups, names, strict=True):
            if row[name] is not None:
                group.setdefault(row[name], []).append(row)
    return groups


def _is_bucketed(exposures: Iterable[dict[str, Any]], order: Order) -> bool:
    """Whether one experience at least showed one variation only before the order."""
    shown: dict[str, set[str]] = {}
    for row in exposures:
        if row["bucketed_at"] <= order.at:
            shown.setdefault(row["experience_id"], set()).add(row["variation_id"])
    return any(len(variations) == 1 for variations in shown.values())


def _is_ours(cookie: str | None) -> bool:
    return cookie is not None and json.loads(unquote(cookie))["tenantId"] == "olist"
