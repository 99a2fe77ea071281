"""The exact event that ID.me is to be handed for orders with a name.

Field by field against `idme-conversion-tracking.txt`, "Event shape".
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from assets.providers.base import Request
from assets.providers.conversion import Conversion
from assets.providers.idme import IdMe, IdMeSettings

Make = Callable[..., Any]


def only_request(conversion: Conversion, **changes: Any) -> list[Request]:
    """The one request of an order that is eligible."""
    account = {"provider": "idme", "app_id": "app-1", **changes}
    idme = IdMe(IdMeSettings.model_validate(account))
    assert idme.eligibility(conversion, conversion.completed_at) is None
    return [next(idme.exchange([conversion]))]


def test_order_of_the_page(conversion: Make, item: Make, golden: Make) -> None:
    widget = item(
        sku="SKU-001",
        name="Widget",
        product_id=None,
        category=None,
        unit_price=Decimal("49.99"),
        quantity=Decimal(3),
        subtotal=Decimal("149.97"),
    )
    order = conversion(
        order_id="ORD-123",
        total=Decimal("149.99"),
        revenue=Decimal("139.99"),
        discount=Decimal("9.98"),
        shipping=Decimal("10.00"),
        tax=Decimal(0),
        promo_code=None,
        items=(widget,),
    )
    url = "https://events.example.com/v1/"
    golden("idme/page_order", only_request(order, endpoint_url=url))


def test_what_is_not_stored_is_left_out(
    conversion: Make, item: Make, golden: Make
) -> None:
    bare = item(name=None, category=None, product_id=None)
    order = conversion(items=(bare,), promo_code=None, affiliation=None)
    golden("idme/missing_optionals", only_request(order))


def test_yen_have_no_decimals(conversion: Make, item: Make, golden: Make) -> None:
    tea = item(unit_price=Decimal("1200.00"), quantity=Decimal("1.500"))
    order = conversion(
        currency="JPY",
        currency_digits=0,
        total=Decimal(2300),
        revenue=Decimal("1700"),
        discount=Decimal(100),
        shipping=Decimal("5E+2"),
        tax=Decimal("100.0"),
        items=(tea,),
    )
    golden("idme/jpy", only_request(order))


def test_coupon_and_discounts_of_order_and_lines(
    conversion: Make, item: Make, golden: Make
) -> None:
    lines = (item(discount=Decimal("2.50"), variant="blue", brand="Acme"),)
    order = conversion(items=lines, affiliation="Web Store")
    golden("idme/coupon", only_request(order))


def test_unicode(conversion: Make, item: Make, golden: Make) -> None:
    lines = (item(name='寿司 🍣 "fresh"\n', category="Crème", brand="\u2028"),)
    golden("idme/unicode", only_request(conversion(items=lines)))
