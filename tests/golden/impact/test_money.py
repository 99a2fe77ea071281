"""How money goes to impact.com: items, totals, discounts in every form, currencies."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest

from support.impact_account import line, only_request

Make = Callable[..., Any]


def test_a_quantity_of_zero_stays(conversion: Make, item: Make, golden: Make) -> None:
    nothing = line(item, 2, "0.00", sku="PREORDER", quantity=Decimal(0))
    golden("impact/quantity_zero", only_request(conversion(items=(item(), nothing))))


def test_a_fractional_quantity_with_a_discount(
    conversion: Make, item: Make, golden: Make
) -> None:
    rope = line(item, 2, "20.00", quantity=Decimal("2.500"), discount=Decimal("5.00"))
    cloth = line(item, 1, "14.99", quantity=Decimal("1.50"), discount=Decimal("1.50"))
    order = conversion(items=(cloth, rope), discount=Decimal(0))
    made = only_request(order, item_money="price", item_discount="rate")
    golden("impact/fractional_discounts", made)


def test_dinars_have_two_decimals_where_the_third_is_zero(
    conversion: Make, item: Make, golden: Make
) -> None:
    order = conversion(
        currency="KWD",
        currency_digits=3,
        discount=Decimal("1.250"),
        shipping=Decimal("0.500"),
        tax=Decimal(0),
        items=(line(item, 1, "12.340"),),
    )
    golden("impact/kwd", only_request(order))


def test_amounts_at_the_documented_sizes(
    conversion: Make, item: Make, golden: Make
) -> None:
    most = "999999999999.99"
    order = conversion(
        discount=Decimal("9999999999.99"),
        shipping=Decimal(most),
        tax=Decimal(most),
        items=(line(item, 1, most, discount=Decimal("99999999.99")),),
    )
    golden("impact/largest_amounts", only_request(order, item_money="price"))


def test_a_free_order(conversion: Make, item: Make, golden: Make) -> None:
    order = conversion(
        discount=Decimal("28.00"),
        shipping=Decimal(0),
        tax=Decimal(0),
        items=(item(),),
    )
    golden("impact/free_order", only_request(order))


def test_only_the_total_of_an_order(conversion: Make, golden: Make) -> None:
    golden("impact/order_total", only_request(conversion(), report="order"))


def test_the_total_of_an_order_without_items(conversion: Make, golden: Make) -> None:
    order = conversion(items=(), revenue=Decimal("112.00"))
    golden("impact/order_total_without_items", only_request(order, report="order"))


@pytest.fixture
def discounted(conversion: Make, item: Make) -> Any:
    """Three lines: a tenth off, a third off, and a cent off in all."""
    tenth = item(discount=Decimal("2.80"))
    third = line(item, 2, "9.99", quantity=Decimal(3), discount=Decimal("3.33"))
    cent = line(item, 3, "7.00", quantity=Decimal(3), discount=Decimal("0.01"))
    return conversion(items=(tenth, third, cent), discount=Decimal(0))


@pytest.mark.parametrize("form", ["line", "unit", "rate"])
def test_line_discounts_in_each_form(discounted: Any, golden: Make, form: str) -> None:
    made = only_request(discounted, item_discount=form, item_money="price")
    golden(f"impact/item_discount_{form}", made)


def test_an_order_discount_as_a_rate(conversion: Make, golden: Make) -> None:
    order = conversion(discount=Decimal("12.70"))
    golden("impact/order_discount_rate", only_request(order, order_discount="rate"))


def test_a_rate_that_is_not_exact_gives_way_to_the_amount(
    conversion: Make, golden: Make
) -> None:
    order = conversion(discount=Decimal("15.00"))
    golden("impact/order_discount_inexact", only_request(order, order_discount="rate"))


def test_a_rate_beside_line_discounts_gives_way_to_the_amount(
    discounted: Any, conversion: Make, golden: Make
) -> None:
    order = conversion(items=discounted.items, discount=Decimal("4.49"))
    golden("impact/both_discounts", only_request(order, order_discount="rate"))


@pytest.mark.parametrize(
    ("amounts", "sent"),
    [
        (("10.00", "3", "3.00"), "ItemDiscountRate1"),
        (("9.99", "10", "9.99"), "ItemTotalDiscount1"),
        (("0.05", "2", "0.01"), "ItemTotalDiscount1"),
        (("9.00", "1.5", "1.35"), "ItemDiscountRate1"),
        (("9.00", "0", "0"), None),
    ],
    ids=["exact", "9.99 less 10 %", "half a cent each", "sent as one unit", "no unit"],
)
def test_a_rate_is_sent_where_the_discount_of_each_unit_is_exact(
    conversion: Make, item: Make, amounts: tuple[str, ...], sent: str | None
) -> None:
    price, quantity, discount = map(Decimal, amounts)
    bought = item(
        unit_price=price,
        quantity=quantity,
        subtotal=price * quantity,
        discount=discount,
    )
    (request,) = only_request(conversion(items=(bought,)), item_discount="rate")
    form = dict(parse_qsl(request.body.decode()))
    named = [name for name in form if "Item" in name and "Discount" in name]
    assert named == ([sent] if sent else [])


@pytest.mark.parametrize(
    ("subtotals", "sent"),
    [
        (("10.00", "20.00"), ["OrderDiscountRate"]),
        (("10.05", "19.95"), ["OrderDiscount"]),
    ],
)
def test_a_rate_of_the_order_is_sent_where_it_is_exact_for_each_line(
    conversion: Make, item: Make, subtotals: tuple[str, ...], sent: list[str]
) -> None:
    lines = tuple(line(item, no, one) for no, one in enumerate(subtotals, 1))
    order = conversion(items=lines, discount=Decimal("3.00"))
    (request,) = only_request(order, order_discount="rate")
    form = dict(parse_qsl(request.body.decode()))
    assert [name for name in form if name.startswith("OrderDiscount")] == sent
