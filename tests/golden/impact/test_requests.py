"""The exact form that impact.com is sent for orders with a name.

Field by field against `impact-integration-guide.txt` and
`impact-conversions-reference.txt`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from assets.providers.conversion import Conversion
from support.impact_account import line, only_request

Make = Callable[..., Any]


def test_order_of_the_integration_guide(conversion: Make, golden: Make) -> None:
    order = conversion(completed_at=datetime(2024, 8, 2, 7, 55, 24, tzinfo=UTC))
    golden("impact/guide_order", only_request(order))


def test_order_of_the_reference(reference_order: Conversion, golden: Make) -> None:
    fields = {
        "CustomerStatus": "customer_status",
        "CustomerPostCode": "customer_postcode",
        "CustomerEmail": "customer_email_sha1",
    }
    made = only_request(
        reference_order, event_type_id=12345, item_money="price", fields=fields
    )
    golden("impact/reference_order", made)


def test_a_free_item_stays(conversion: Make, item: Make, golden: Make) -> None:
    gift = line(item, 2, "0", sku="GIFT", name="Sticker")
    golden("impact/free_item", only_request(conversion(items=(item(), gift))))


def test_forty_items_are_numbered_without_gaps_in_line_order(
    conversion: Make, item: Make, golden: Make
) -> None:
    lines = [
        line(item, 10 * number, f"{number}.5", sku=f"SKU-{number:02}")
        for number in range(40, 0, -1)
    ]
    golden("impact/forty_items", only_request(conversion(items=tuple(lines))))


def test_a_fractional_quantity_goes_as_one_with_its_subtotal(
    conversion: Make, item: Make, golden: Make
) -> None:
    cloth = item(
        quantity=Decimal("1.5"),
        unit_price=Decimal("9.99"),
        subtotal=Decimal("14.99"),
    )
    order = conversion(items=(cloth,))
    golden("impact/fractional_quantity", only_request(order, item_money="price"))


def test_line_discounts(conversion: Make, item: Make, golden: Make) -> None:
    lines = (
        item(discount=Decimal("2.5")),
        line(item, 2, "99.00", discount=Decimal("0.00")),
    )
    order = conversion(items=lines, discount=Decimal(0), promo_code=None)
    golden("impact/line_discounts", only_request(order))


def test_yen_have_no_decimals(conversion: Make, item: Make, golden: Make) -> None:
    order = conversion(
        currency="JPY",
        currency_digits=0,
        discount=Decimal("100.00"),
        shipping=Decimal(500),
        tax=Decimal("110.0"),
        items=(line(item, 1, "1200"),),
    )
    golden("impact/jpy", only_request(order))


def test_no_promo_code(conversion: Make, golden: Make) -> None:
    order = conversion(promo_code=None, discount=Decimal(0))
    golden("impact/no_promo", only_request(order))


def test_unicode_and_reserved_characters(
    conversion: Make, item: Make, golden: Make
) -> None:
    lines = (
        line(item, 1, "3.20", name="Crème brûlée & café = 100 %", brand="Łódź+"),
        line(item, 2, "8.00", name="寿司 🍣", category="食品", sub_category="魚 & 飯"),
    )
    golden("impact/unicode_names", only_request(conversion(items=lines)))


def test_very_long_names_are_cut_and_ids_are_not(
    conversion: Make, item: Make, golden: Make
) -> None:
    lines = (line(item, 1, "3.20", name="ä" * 300, brand="x" * 256, sku="S" * 255),)
    golden("impact/very_long_names", only_request(conversion(items=lines)))


def test_prices_give_way_to_subtotals_where_they_would_not_add_up(
    conversion: Make, item: Make, golden: Make
) -> None:
    lines = (
        item(),
        item(
            line_no=2,
            sku="THIRDS",
            quantity=Decimal(3),
            unit_price=Decimal("3.333"),
            subtotal=Decimal("10.00"),
        ),
    )
    order = conversion(items=lines)
    golden("impact/price_mode", only_request(order, item_money="price"))


def test_what_is_not_stored_is_left_out(
    conversion: Make, item: Make, golden: Make
) -> None:
    bare = item(name=None, category=None, product_id=None)
    order = conversion(
        items=(bare,),
        customer_id=None,
        promo_code="",
        visitor_id=None,
        customer_status=None,
        tracking_consent=None,
        identifiers={"impact_click_id": "a:b/c%253A D"},
    )
    golden("impact/missing_optionals", only_request(order))


def test_mapped_fields(conversion: Make, golden: Make) -> None:
    order = conversion(
        payment_type="Credit",
        extra={"store_code": "S-12", "note": "n" * 300, "gift": "True", "empty": ""},
        identifiers={"impact_click_id": "click", "custom_profile_id": "profile-9"},
    )
    fields = {
        "Text1": "extra.store_code",
        "Note": "extra.note",
        "GiftPurchase": "extra.gift",
        "Text2": "extra.empty",
        "Text3": "extra.not_there",
        "PaymentType": "payment_type",
        "CustomerStatus": "customer_status",
    }
    made = only_request(
        order, event_type_id=None, event_type_code="SALE", fields=fields
    )
    golden("impact/mapped_fields", made)
