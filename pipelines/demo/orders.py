"""Orders and their lines for the demo warehouse; money adds up to the cent.

What a visitor clicked and saw belongs in `visitors.py`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.demo.catalog import PLACES, PRODUCTS, PROMO_CODES

Row = dict[str, Any]

MISMATCH, UNKNOWN_CURRENCY = 1, 2
"""The orders of a day, counted from 0, that the pipeline must quarantine."""

TEST_ORDERS = range(3, 7)
ORDER_ID = r"D\d{8}-\d{6}"
"""What the ids of the demo's orders look like."""

_RETURNING = 0.15


@dataclass(frozen=True, slots=True)
class Order:
    """An order with its lines, each as a row of its table."""

    row: Row
    items: list[Row]


def orders_of(
    day: date, zone: ZoneInfo, count: int, random: Random, visitors: list[str]
) -> Iterator[Order]:
    """Make the orders of one local day.

    Args:
        day: The day, in `zone`.
        zone: Zone of the demo shop.
        count: Orders to make.
        random: Source of chance.
        visitors: Everybody who has ordered so far; new ones are added.
    """
    start = datetime.combine(day, time(), zone)
    end = datetime.combine(day + timedelta(days=1), time(), zone)
    seconds = end.timestamp() - start.timestamp()
    for number in range(count):
        elapsed = int(random.triangular(0, 1, 0.75) * (seconds - 1))
        at = datetime.fromtimestamp(start.timestamp() + elapsed, tz=UTC)
        order = _order(f"D{day:%Y%m%d}-{number:06}", at, random, visitors)
        yield _damaged(order, number)


def _order(
    order_id: str, completed_at: datetime, random: Random, visitors: list[str]
) -> Order:
    place = random.choices(PLACES, [place.weight for place in PLACES])[0]
    items = _items(order_id, random)
    has_promo = random.random() < 0.22  # noqa: PLR2004
    merchandise = sum(item["subtotal"] - item["discount"] for item in items)
    discount = _cents(merchandise * Decimal("0.10")) if has_promo else Decimal(0)
    revenue = merchandise - discount
    shipping = Decimal(0) if revenue >= 75 else Decimal("5.99")  # noqa: PLR2004
    tax = _cents(revenue * Decimal("0.0825"))
    row = {
        "order_id": order_id,
        "completed_at": completed_at,
        **_customer(random, visitors),
        "currency": place.currency,
        "total": revenue + shipping + tax,
        "revenue": revenue,
        "discount": discount,
        "shipping": shipping,
        "tax": tax,
        "promo_code": random.choice(PROMO_CODES) if has_promo else None,
        "affiliation": "Web shop",
        "customer_country": place.country,
        "customer_region": place.region,
        "customer_city": place.city,
        "customer_postcode": place.postcode,
        "payment_type": random.choice(["card", "paypal", "gift_card"]),
        "tracking_consent": random.choices([True, False, None], [80, 6, 14])[0],
        "is_test": False,
        "store_code": random.choice(["web-east", "web-west"]),
    }
    return Order(row, items)


def _customer(random: Random, visitors: list[str]) -> Row:
    returns = bool(visitors) and random.random() < _RETURNING
    visitor = random.choice(visitors) if returns else f"v-{random.getrandbits(48):012x}"
    if not returns:
        visitors.append(visitor)
    email = f"{visitor}@example.org"
    has_account = random.random() < 0.7  # noqa: PLR2004
    return {
        "visitor_id": visitor,
        "customer_id": f"c-{visitor[2:]}" if has_account else None,
        "customer_email_sha1": hashlib.sha1(email.encode()).hexdigest(),  # noqa: S324
        "customer_status": "EXISTING" if returns else "NEW",
    }


def _items(order_id: str, random: Random) -> list[Row]:
    lines = random.choices(range(1, 7), [40, 25, 15, 10, 6, 4])[0]
    products = random.sample(PRODUCTS, lines)
    items = []
    for line_no, product in enumerate(products, start=1):
        quantity = random.choices([1, 2, 3], [80, 15, 5])[0]
        price = Decimal(product.cents).scaleb(-2)
        subtotal = quantity * price
        reduced = random.random() < 0.15  # noqa: PLR2004
        items.append(
            {
                "order_id": order_id,
                "line_no": line_no,
                **product._asdict(),
                "quantity": quantity,
                "unit_price": price,
                "subtotal": subtotal,
                "discount": _cents(subtotal / 5) if reduced else Decimal(0),
            }
        )
    return items


def _damaged(order: Order, number: int) -> Order:
    if number == MISMATCH:
        one_more = {
            "revenue": order.row["revenue"] + 1,
            "total": order.row["total"] + 1,
        }
        return Order(order.row | one_more, order.items)
    if number == UNKNOWN_CURRENCY:
        return Order(order.row | {"currency": "ZZD"}, order.items)
    return Order(order.row | {"is_test": number in TEST_ORDERS}, order.items)


def _cents(amount: Decimal) -> Decimal:
    return round(amount, 2)
