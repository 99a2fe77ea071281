"""impact.com: whatever the order and the settings, no request breaks a limit.

The module and the sandbox read the same documents apart from each other: what one
builds, the other must take.
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from assets.money import minor_digits
from assets.providers.conversion import Conversion, Item
from assets.providers.impact.fields import ITEM, ORDER, may_be_quoted
from assets.providers.impact.mapping import check_fields, check_item_fields
from support.engine import order as small_order
from support.examples import examples
from support.impact_account import NOW, impact, sandbox_errors


def make_order(**changes: Any) -> Conversion:
    plain = {"identifiers": {"impact_click_id": "click"}, "order_id": "O1"}
    return small_order(**plain | changes)


def make_line(**changes: Any) -> Item:
    nothing = Decimal(0)
    plain = {"sku": "SKU 1", "line_no": 1, "quantity": Decimal(1), "discount": nothing}
    return Item(**plain | {"unit_price": nothing, "subtotal": nothing} | changes)


quickly = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def text(most: int) -> st.SearchStrategy[str]:
    return st.text(CHARACTERS, max_size=most) | st.text("ab c", max_size=most)


EDGES = st.builds(
    str.__mul__, CHARACTERS, st.sampled_from([1, 64, 65, 70, 71, 255, 256])
)
"""Texts as long as a parameter may be, and one character longer."""
SHORT = text(12) | EDGES
VALUES = (
    SHORT
    | st.sampled_from(["true", "False", "yes", "2022-03-28", "NOW", "-0", "-0.00"])
    | st.decimals(-(10**9), 10**9, places=3).map(str)
    | st.integers(0, 10**17).map(str)
    | st.datetimes().map(lambda at: at.isoformat() + "Z")
)


def is_mappable(name: str) -> bool:
    try:
        if name in ITEM:
            check_item_fields({name: "extra.a"})
        else:
            check_fields({name: "extra.a"}, force_credit=False, has_items=False)
    except ValueError:
        return False
    return True


MAPPABLE = sorted(name for name in (*ORDER, *ITEM) if is_mappable(name))


def cents(most: int, digits: int = 2) -> st.SearchStrategy[Decimal]:
    """Amounts that a currency of so many digits has."""
    return st.integers(0, most * 10**digits).map(lambda n: Decimal(n).scaleb(-digits))


def amounts(digits: int, *, odd: bool) -> st.SearchStrategy[Decimal]:
    """What fits; odd ones are about as large as a parameter may be, or too exact."""
    edges = st.sampled_from([8, 10, 12]).flatmap(
        lambda size: st.sampled_from([10**size, 10**size - 1])
    )
    small = cents(10**4, digits)
    return edges.map(Decimal) | cents(9, 3) if odd else small


@st.composite
def items(draw: st.DrawFn, digits: int, odd: str) -> Item:
    quantity = draw(st.integers(0, 50).map(Decimal) | cents(50, 3))
    price = draw(amounts(digits, odd=odd == "price"))
    exact = quantity == quantity.to_integral_value() and draw(st.booleans())
    subtotal = amounts(digits, odd=odd == "subtotal")
    return make_line(
        line_no=draw(st.integers(-5, 10**9)),
        sku=draw(EDGES if odd == "sku" else st.just("SKU 1")),
        name=draw(st.none() | SHORT),
        category=draw(st.none() | SHORT),
        sub_category=draw(st.none() | SHORT),
        brand=draw(st.none() | SHORT),
        variant=draw(st.none() | SHORT),
        quantity=quantity,
        unit_price=price,
        subtotal=price * quantity if exact else draw(subtotal),
        discount=draw(amounts(digits, odd=odd == "line discount")),
        extra={"a": draw(VALUES)},
    )


ODD = (
    *("nothing", "order id", "click id", "profile id", "customer id", "promo code"),
    *("sku", "price", "subtotal", "line discount", "discount", "shipping", "tax"),
    *("revenue", "items"),
)
"""What of an order may be beyond the limits: one thing at a time."""


@st.composite
def orders(draw: st.DrawFn) -> Conversion:
    odd = draw(st.sampled_from(ODD))
    currency = draw(st.sampled_from(["USD", "JPY", "KWD"]))
    digits = minor_digits(currency)
    lines = items(min(digits, 2), odd)

    def money(name: str) -> Decimal:
        return draw(amounts(min(digits, 2), odd=odd == name))

    def name(of: str, plain: str | None) -> str | None:
        return draw(EDGES) if odd == of else plain

    return make_order(
        order_id=name("order id", "O:1/ä"),
        completed_at=NOW - draw(st.timedeltas(timedelta(0), timedelta(days=88))),
        currency=currency,
        currency_digits=digits,
        items=tuple(draw(st.lists(lines, min_size=odd != "items", max_size=4))),
        discount=money("discount"),
        shipping=money("shipping"),
        tax=money("tax"),
        revenue=money("revenue"),
        customer_id=name("customer id", None),
        promo_code=name("promo code", "10 % & more"),
        identifiers={
            "impact_click_id": name("click id", "a:b/c%253A D"),
            "custom_profile_id": name("profile id", ""),
        },
        extra={"a": draw(VALUES), "b": draw(VALUES)},
    )


@st.composite
def accounts(draw: st.DrawFn) -> dict[str, Any]:
    columns = st.sampled_from(["extra.a", "extra.b", "customer_status", "revenue"])
    chosen = draw(st.lists(st.sampled_from(MAPPABLE), max_size=3, unique=True))
    fields = {
        name: draw(columns)
        for name in chosen
        if name in ORDER and name != "CustomerEmail"
    }
    if draw(st.booleans()):
        return {"report": "order", "fields": fields}
    fields.pop("Amount", None)
    return {
        "fields": fields,
        "item_fields": {
            name: draw(st.sampled_from(["extra.a", "variant", "quantity", "line_no"]))
            for name in chosen
            if name in ITEM
        },
        "item_money": draw(st.sampled_from(["subtotal", "price"])),
        "item_discount": draw(st.sampled_from(["line", "unit", "rate"])),
        "order_discount": draw(st.sampled_from(["amount", "rate"])),
    }


@given(orders(), accounts())
@settings(quickly, max_examples=examples(600))
def test_no_request_breaks_a_documented_limit(
    order: Conversion, account: dict[str, Any]
) -> None:
    withheld = impact(**account).eligibility(order, NOW)
    event(withheld.reason if withheld else "sent")
    if withheld is None:
        request = next(impact(**account).exchange([order]))
        assert sandbox_errors(request) == []


LINES = st.tuples(cents(10**4), st.integers(0, 9), st.integers(0, 20), cents(100))
"""Price, quantity, a discount in percent, and one in cents."""


@pytest.mark.parametrize("order_discount", ["amount", "rate"])
@pytest.mark.parametrize("item_discount", ["line", "unit", "rate"])
@given(prices=st.lists(LINES, min_size=1, max_size=5), off=st.integers(0, 20))
@settings(quickly, max_examples=examples(60))
def test_the_money_that_is_sent_can_be_read_back_to_the_cent(
    item_discount: str,
    order_discount: str,
    prices: list[tuple[Decimal, int, int, Decimal]],
    off: int,
) -> None:
    lines = tuple(
        make_line(
            line_no=number,
            unit_price=price,
            quantity=Decimal(quantity),
            subtotal=price * quantity,
            discount=min(
                (price * quantity * percent / 100).quantize(Decimal("0.01")) or odd,
                price * quantity,
            ),
        )
        for number, (price, quantity, percent, odd) in enumerate(prices)
    )
    gross = sum(line.subtotal for line in lines)
    if off % 2:
        lines = tuple(replace(line, discount=Decimal(0)) for line in lines)
    discount = (gross * off / 100).quantize(Decimal("0.01"))
    order = make_order(items=lines, discount=discount)
    account = impact(
        item_money="price", item_discount=item_discount, order_discount=order_discount
    )
    assert account.eligibility(order, NOW) is None
    request = next(account.exchange([order]))
    assert sandbox_errors(request) == []
    form = dict(parse_qsl(request.body.decode()))
    read_amount = [read_back(form, number) for number in range(1, len(lines) + 1)]
    assert read_amount == [(line.subtotal, line.discount) for line in lines]
    rate = Decimal(form.get("OrderDiscountRate", 0)) * gross / 100
    assert Decimal(form.get("OrderDiscount", 0)) + rate == discount


def read_back(form: dict[str, str], number: int) -> tuple[Decimal, Decimal]:
    """Subtotal and discount of a line, as the reference says they are worked out."""

    def read_amount(name: str) -> Decimal:
        return Decimal(form.get(f"{name}{number}", 0))

    quantity = read_amount("ItemQuantity")
    subtotal = read_amount("ItemSubTotal") + read_amount("ItemPrice") * quantity
    by_unit = read_amount("ItemDiscount") * quantity
    by_rate = read_amount("ItemDiscountRate") * subtotal / 100
    return subtotal, read_amount("ItemTotalDiscount") + by_unit + by_rate


@given(orders(), accounts())
@settings(quickly, max_examples=examples(60))
def test_the_same_order_gives_the_same_bytes_and_its_copy_no_personal_text(
    order: Conversion, account: dict[str, Any]
) -> None:
    if impact(**account).eligibility(order, NOW) is not None:
        return
    first, second = (next(impact(**account).exchange([order])) for _ in range(2))
    assert first.body == second.body == impact(**account).payload(order)
    (stored,) = first.stored
    sent = dict(parse_qsl(first.body.decode(), keep_blank_values=True))
    for name, value in stored.items():
        assert value == sent[name] or not may_be_quoted(name)


@pytest.mark.parametrize("name", MAPPABLE)
def test_every_mappable_parameter_can_reach_the_sandbox(name: str) -> None:
    """A value of the documented form, for each parameter in turn."""
    base = name.removeprefix("Item")
    value = next(
        (
            good
            for start, good in {
                "Date": "2022-03-28",
                "Numeric": "1.5",
                "Money": "-1.50",
                "OrderMargin": "2.00",
                "Margin": "2.00",
                "Amount": "2.00",
                "TrackingConsent": "true",
                "GiftPurchase": "false",
            }.items()
            if base.startswith(start)
        ),
        "text",
    )
    is_email = name == "CustomerEmail"
    column = "customer_email_sha1" if is_email else "extra.a"
    table = "item_fields" if name in ITEM else "fields"
    order = make_order(
        extra={"a": value},
        items=(make_line(extra={"a": value}),),
        customer_email_sha1="0" * 40,
        completed_at=NOW - timedelta(days=1),
    )
    report = {"report": "order"} if name == "Amount" else {}
    account = impact(**{table: {name: column}}, **report)
    assert account.eligibility(order, NOW) is None
    request = next(account.exchange([order]))
    assert sandbox_errors(request) == []
    number = "1" if name in ITEM else ""
    head, _, tail = name.partition("_")
    sent_as = f"{head}{number}_{tail}" if tail else f"{head}{number}"
    assert sent_as in dict(parse_qsl(request.body.decode()))
