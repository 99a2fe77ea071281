"""impact.com: whatever the order and the settings, no request breaks a limit.

The module and the sandbox read the same documents apart from each other: what one
builds, the other must take.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest
from conftest import make_conversion, make_item
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from impact_account import NOW, impact, refusals

from assets.money import minor_digits
from assets.providers.conversion import Conversion, Item
from assets.providers.impact_fields import ITEM, ORDER, may_be_quoted
from assets.providers.impact_mapping import check_fields, check_item_fields

quickly = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def text(most: int) -> st.SearchStrategy[str]:
    return st.text(CHARACTERS, max_size=most) | st.text("ab c", max_size=most)


SHORT = text(12) | text(300)
IDS = st.none() | st.text("abcXYZ:%+& 09", max_size=66) | text(70)
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
            check_fields({name: "extra.a"}, force_credit=False)
    except ValueError:
        return False
    return True


MAPPABLE = sorted(name for name in (*ORDER, *ITEM) if is_mappable(name))


def amounts(digits: int, *, awkward: bool) -> st.SearchStrategy[Decimal]:
    """As the warehouse gives them; awkward ones do not fit the form."""
    plain = st.decimals(0, 10**4, places=digits) | st.just(Decimal("0.000000"))
    if not awkward:
        return plain
    return plain | st.decimals(0, 10**13, places=digits) | st.decimals(0, 9, places=6)


def names(*, awkward: bool) -> st.SearchStrategy[str]:
    plain = st.text(CHARACTERS, min_size=1).filter(str.strip)
    return SHORT if awkward else plain.map(lambda name: name[:64])


@st.composite
def items(draw: st.DrawFn, digits: int, *, awkward: bool) -> Item:
    quantity = draw(st.integers(0, 50).map(Decimal) | st.decimals(0, 50, places=3))
    money = amounts(digits, awkward=awkward)
    price, whole = draw(money), quantity == quantity.to_integral_value()
    exact = whole and draw(st.booleans())
    return make_item(
        line_no=draw(st.integers(-5, 10**9)),
        sku=draw(names(awkward=awkward)),
        name=draw(st.none() | SHORT),
        category=draw(st.none() | SHORT),
        sub_category=draw(st.none() | SHORT),
        brand=draw(st.none() | SHORT),
        variant=draw(st.none() | SHORT),
        quantity=quantity,
        unit_price=price,
        subtotal=price * quantity if exact else draw(money),
        discount=draw(money),
        extra={"a": draw(VALUES)},
    )


@st.composite
def orders(draw: st.DrawFn) -> Conversion:
    awkward = draw(st.booleans())
    currency = draw(st.sampled_from(["USD", "JPY", "KWD"]))
    digits = minor_digits(currency)
    money = amounts(min(digits, 2), awkward=awkward)
    lines = items(min(digits, 2), awkward=awkward)
    name = names(awkward=awkward)
    return make_conversion(
        order_id=draw(name),
        completed_at=NOW - draw(st.timedeltas(timedelta(0), timedelta(days=88))),
        currency=currency,
        currency_digits=digits,
        items=tuple(draw(st.lists(lines, min_size=not awkward, max_size=4))),
        discount=draw(money),
        shipping=draw(money),
        tax=draw(money),
        revenue=draw(money),
        customer_id=draw(IDS if awkward else st.none() | name),
        promo_code=draw(st.none() | SHORT),
        identifiers={
            "impact_click_id": draw(name),
            "custom_profile_id": draw(IDS) or "",
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
@settings(quickly, max_examples=300)
def test_no_request_breaks_a_documented_limit(
    order: Conversion, account: dict[str, Any]
) -> None:
    withheld = impact(**account).eligibility(order, NOW)
    event(withheld.reason if withheld else "sent")
    if withheld is None:
        request = next(impact(**account).exchange([order]))
        assert refusals(request) == []


def small(digits: int = 2) -> st.SearchStrategy[Decimal]:
    return st.decimals(0, 10**6, places=digits)


LINES = st.tuples(small(), st.integers(0, 9), small())
"""Price, quantity, discount."""


@given(
    prices=st.lists(
        st.tuples(small(), st.integers(0, 9), small()), min_size=1, max_size=6
    ),
    discount=small(),
    account=accounts(),
)
@settings(quickly, max_examples=150)
def test_an_ordinary_order_is_sent_and_its_money_can_be_read_back(
    prices: list[tuple[Decimal, int, Decimal]],
    discount: Decimal,
    account: dict[str, Any],
) -> None:
    account = {**account, "fields": {}, "item_fields": {}}
    if account.get("report") == "order":
        del account["item_fields"]
    lines = tuple(
        make_item(
            line_no=number,
            unit_price=price,
            quantity=Decimal(quantity),
            subtotal=price * quantity,
            discount=min(off, price * quantity),
        )
        for number, (price, quantity, off) in enumerate(prices)
    )
    order = make_conversion(items=lines, discount=discount)
    assert impact(**account).eligibility(order, NOW) is None
    request = next(impact(**account).exchange([order]))
    assert refusals(request) == []
    form = dict(parse_qsl(request.body.decode()))
    if account.get("report") == "order":
        assert Decimal(form["OrderSubTotalPostDiscount"]) == order.revenue
        return
    told = [read_back(form, number) for number in range(1, len(lines) + 1)]
    assert told == [(line.subtotal, line.discount) for line in lines]
    gross = sum(line.subtotal for line in lines)
    rate = Decimal(form.get("OrderDiscountRate", 0)) * gross / 100
    assert Decimal(form.get("OrderDiscount", 0)) + rate == discount


def read_back(form: dict[str, str], number: int) -> tuple[Decimal, Decimal]:
    """Subtotal and discount of a line, as the reference says they are worked out."""

    def told(name: str) -> Decimal:
        return Decimal(form.get(f"{name}{number}", 0))

    quantity = told("ItemQuantity")
    subtotal = told("ItemSubTotal") + told("ItemPrice") * quantity
    by_unit = told("ItemDiscount") * quantity
    by_rate = told("ItemDiscountRate") * subtotal / 100
    return subtotal, told("ItemTotalDiscount") + by_unit + by_rate


@given(orders(), accounts())
@settings(quickly, max_examples=60)
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
    order = make_conversion(
        extra={"a": value},
        items=(make_item(extra={"a": value}),),
        customer_email_sha1="0" * 40,
        completed_at=NOW - timedelta(days=1),
    )
    account = impact(**{table: {name: column}})
    assert account.eligibility(order, NOW) is None
    request = next(account.exchange([order]))
    assert refusals(request) == []
    number = "1" if name in ITEM else ""
    head, _, tail = name.partition("_")
    sent_as = f"{head}{number}_{tail}" if tail else f"{head}{number}"
    assert sent_as in dict(parse_qsl(request.body.decode()))
