"""Orders with a name, as changes to the guide's order (`tests/conftest.py`)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from assets.providers.conversion import Item

NOTHING = Decimal(0)


def priced(total: str, **changes: Any) -> dict[str, Any]:
    """An order of which only the goods cost anything."""
    nothing = dict.fromkeys(("discount", "shipping", "tax"), NOTHING)
    return {**nothing, "total": Decimal(total), "revenue": Decimal(total), **changes}


def line(price: str = "14.00", quantity: str = "1", **changes: Any) -> Item:
    """A line without a discount."""
    each, count = Decimal(price), Decimal(quantity)
    plain = {
        "line_no": 1,
        "sku": "1ABC2345",
        "product_id": "p-1",
        "name": "Product Name 1",
        "category": "Hardware",
        "unit_price": each,
        "quantity": count,
        "subtotal": each * count,
        "discount": NOTHING,
    }
    return Item(**plain | changes)


FORTY = tuple(
    line(f"{number}.05", line_no=number, sku=f"SKU-{number:03}", product_id=None)
    for number in range(1, 41)
)

ORDERS: dict[str, dict[str, Any]] = {
    "page_order": {
        "order_id": "ORD-123",
        "total": Decimal("149.99"),
        "revenue": Decimal("139.99"),
        "discount": Decimal("9.98"),
        "shipping": Decimal("10.00"),
        "tax": NOTHING,
        "promo_code": None,
        "items": (
            line(
                *("49.99", "3"),
                sku="SKU-001",
                name="Widget",
                product_id=None,
                category=None,
            ),
        ),
    },
    "every_property": {
        "affiliation": "Web Store",
        "items": (line(brand="Acme", variant="blue", discount=Decimal("2.50")),),
    },
    "missing_optionals": {
        "items": (line(name=None, category=None, product_id=None),),
        "promo_code": None,
        "affiliation": None,
    },
    "blank_optionals": {
        "items": (line(name=" ", category="", brand="\t"),),
        "promo_code": "",
        "affiliation": "  ",
    },
    "no_items": {"items": ()},
    "no_promo": {"promo_code": None},
    "coupon": {"promo_code": "MILITARY-10%", "discount": Decimal("11.20")},
    "affiliation": {"affiliation": "Outlet, Zürich"},
    "free_item": priced(
        "28.00", items=(line(), line("0", line_no=2, sku="GIFT", name="Sticker"))
    ),
    "free_order": priced("0", items=(line("0", sku="SAMPLE"),)),
    "quantity_zero": priced("14.00", items=(line("14.00"), line("9.00", "0"))),
    "fractional_quantity": priced("8.99", items=(line("3.33", "2.700"),)),
    "finer_unit_price": priced("10.00", items=(line("0.0125", "800"),)),
    "whole_quantity_with_decimals": priced("28.00", items=(line("14", "2.000000"),)),
    "forty_items": priced("822.00", items=FORTY),
    "lines_out_of_order": priced(
        "3.00",
        items=(
            line("1.00", line_no=2, sku="SECOND"),
            line("2.00", line_no=1, sku="FIRST"),
        ),
    ),
    "order_discount": priced(
        "13.00", discount=Decimal("15.00"), items=(line("14.00", "2"),)
    ),
    "line_discount": priced(
        "25.50", items=(line("14.00", "2", discount=Decimal("2.50")),)
    ),
    "discounts_of_order_and_lines": priced(
        "10.50",
        discount=Decimal("15.00"),
        items=(
            line("14.00", "1", discount=Decimal("1.25")),
            line("14.00", "1", line_no=2, discount=Decimal("1.25")),
        ),
    ),
    "everything_discounted": priced(
        "0", discount=Decimal("28.00"), items=(line("14.00", "2"),)
    ),
    "shipping_and_tax_only": {
        "total": Decimal("15.20"),
        "revenue": NOTHING,
        "discount": Decimal("28.00"),
    },
    "jpy": {
        "currency": "JPY",
        "currency_digits": 0,
        "total": Decimal(2300),
        "revenue": Decimal(1700),
        "discount": Decimal(100),
        "shipping": Decimal("5E+2"),
        "tax": Decimal("100.0"),
        "items": (line("1200.00", "1.500"),),
    },
    "kwd": priced("12.345", currency="KWD", currency_digits=3, items=(line("12.345"),)),
    "uyw_with_four_decimals": priced(
        "1.2345", currency="UYW", currency_digits=4, items=(line("1.2345"),)
    ),
    "large_amounts": priced(
        "123456789012345678.90", items=(line("123456789012345678.90"),)
    ),
    "unicode": {
        "order_id": "注文-17",
        "promo_code": "ÉTÉ",
        "items": (line(name='寿司 🍣 "fresh"\n', category="Crème", brand="\u202eB"),),
    },
    "very_long_names": {
        "items": (line(name="Gartenstuhl " * 60, variant="grün-" * 100),)
    },
    "control_characters": {"items": (line(name="a\x00b\x1f\x7f\\/</script>"),)},
    "opaque_tracking_id": {
        "identifiers": {"idme_conversion_tracking_id": "v1|AbC%3D== .x"}
    },
    "plain_digits_as_order_id": {"order_id": "0012345678901234567890"},
    "unknown_beyond_the_page": {
        "extra": {"email": "ann@example.com"},
        "customer_city": "Goleta",
        "items": (line(extra={"engraving": "Ann"}),),
    },
    "other_time_zone": {
        "completed_at": datetime.fromisoformat("2026-03-29T01:30:59.999999-05:30")
    },
}
