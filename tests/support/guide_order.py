"""The order of impact.com's guide, with all that may be known of it."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from assets.providers.conversion import Conversion, Item, Segments


def make_item(**changes: Any) -> Item:
    item = Item(
        line_no=1,
        sku="1ABC2345",
        product_id="p-1",
        name="Product Name 1",
        category="Hardware",
        quantity=Decimal(2),
        unit_price=Decimal("14.00"),
        subtotal=Decimal("28.00"),
        discount=Decimal(0),
    )
    return replace(item, **changes)


def make_conversion(**changes: Any) -> Conversion:
    """The order of impact.com's guide, with all that may be known of it."""
    order = Conversion(
        order_id="O1234567",
        completed_at=datetime(2026, 11, 20, 7, 55, 24, tzinfo=UTC),
        currency="USD",
        currency_digits=2,
        total=Decimal("127.20"),
        revenue=Decimal("112.00"),
        discount=Decimal("15.00"),
        shipping=Decimal("5.99"),
        tax=Decimal("9.21"),
        items=(
            make_item(),
            make_item(
                line_no=2,
                sku="9ZXY7654",
                product_id="p-2",
                name="Product Name 2",
                category="Gardening",
                quantity=Decimal(3),
                unit_price=Decimal("33.00"),
                subtotal=Decimal("99.00"),
            ),
        ),
        visitor_id="v-1001",
        customer_id="BCZ2WVSH674563PDPYOTM3AXDQ",
        promo_code="15BUCKSOFF",
        customer_status="NEW",
        tracking_consent=True,
        identifiers={
            "impact_click_id": "QiiWXOVnrQ3SQHl24jQjyxBGUkmzfJ3i1VHrWM0",
            "trackdesk_cid": "2d2ce3d8-7c58-4f7f-9e07-0e1b2c3d4e5f",
            "trackdesk_external_cid": "ext-77",
            "idme_conversion_tracking_id": "ctid-5f2b",
            "convert_visitor_id": "visitor-abc123",
        },
        bucketing={"100127238": "1001186427"},
        segments=Segments(
            browser="CH",
            device=("DESK",),
            source="direct",
            visitor_type="returning",
            country="US",
        ),
    )
    return replace(order, **changes)
