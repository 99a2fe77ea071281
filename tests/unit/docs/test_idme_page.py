"""Every example of ID.me's page, and that no valid order leads beyond the page.

`idme-conversion-tracking.txt`: "Enable tracking on the button", "Send conversion
events", "Event shape".
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.providers.conversion import Conversion, Item
from assets.providers.idme.provider import IdMe, IdMeSettings
from pipelines.sandbox.simulator import Sandbox
from support.examples import examples
from support.project import ROOT, TESTS

Make = Callable[..., Any]

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PAGE = (ROOT / "docs/providers/idme.md").read_text()
ENVELOPE = {"event", "eventId", "timestamp", "conversionTrackingId", "properties"}
TEXTS = {"orderId", "currency", "coupon", "affiliation"}
NUMBERS = {"total", "revenue", "shipping", "tax", "discount"}
TEXTS_OF_PRODUCT = {"productId", "sku", "name", "brand", "category", "variant"}
NUMBERS_OF_PRODUCT = {"price", "quantity"}


def idme(**changes: Any) -> IdMe:
    account = {"provider": "idme", "app_id": "app-1", **changes}
    return IdMe(IdMeSettings.model_validate(account))


def event_of(order: Conversion, **changes: Any) -> dict[str, Any]:
    """The event, its numbers as they stand in the bytes."""
    body = idme(**changes).payload(order)
    return dict(json.loads(body, parse_float=Decimal, parse_int=Decimal))


def reason(order: Conversion, **changes: Any) -> str | None:
    withheld = idme(**changes).eligibility(order, NOW)
    return withheld and withheld.reason


# --- the examples


def test_the_call_of_the_example_has_the_same_properties(
    conversion: Make, item: Make
) -> None:
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
        promo_code=None,
        items=(widget,),
    )
    event = event_of(order)
    of_example = ("orderId", "total", "revenue", "currency", "products")
    assert event["event"] == "Order Completed"
    assert {name: event["properties"][name] for name in of_example} == {
        "orderId": "ORD-123",
        "total": Decimal("149.99"),
        "revenue": Decimal("139.99"),
        "currency": "USD",
        "products": [
            {
                "sku": "SKU-001",
                "name": "Widget",
                "price": Decimal("49.99"),
                "quantity": Decimal(3),
            }
        ],
    }


def test_the_cookie_of_the_button_is_attached_as_it_was_stored(
    conversion: Make,
) -> None:
    cookie = {"idme_conversion_tracking_id": "v1|AbC%3D== .x"}
    event = event_of(conversion(identifiers=cookie))
    assert event["conversionTrackingId"] == "v1|AbC%3D== .x"


def test_without_a_cookie_the_call_is_a_safe_no_op(conversion: Make) -> None:
    assert reason(conversion(identifiers={})) == "no_tracking_id"


@pytest.mark.parametrize(
    ("consent", "expected"),
    [(True, None), (False, "consent_refused"), (None, "no_consent")],
)
def test_consent_gating_fails_closed(
    conversion: Make, consent: bool | None, expected: str | None
) -> None:
    assert reason(conversion(tracking_consent=consent)) == expected


def test_the_sdk_s_part_of_the_envelope_is_filled_in(conversion: Make) -> None:
    event = event_of(conversion())
    assert set(event) == ENVELOPE
    assert event["timestamp"] == "2026-11-20T07:55:24Z"


def test_total_is_with_shipping_and_tax_and_revenue_without(conversion: Make) -> None:
    properties = event_of(conversion())["properties"]
    extras = properties["shipping"] + properties["tax"]
    assert properties["total"] == properties["revenue"] + extras


# --- any valid order

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
MAYBE = st.none() | TEXT
CURRENCIES = st.sampled_from([("USD", 2), ("JPY", 0), ("KWD", 3), ("UYW", 4)])


def amounts(digits: int) -> st.SearchStrategy[Decimal]:
    return st.integers(0, 10**17).map(lambda minor: Decimal(minor).scaleb(-digits))


@st.composite
def items(draw: Any, digits: int) -> Item:
    fine = st.integers(0, 10**12).map(lambda number: Decimal(number).scaleb(-6))
    names = ("product_id", "name", "category", "sub_category", "brand", "variant")
    return Item(
        line_no=draw(st.integers(1, 99)),
        sku=draw(TEXT),
        quantity=draw(fine),
        unit_price=draw(fine),
        subtotal=draw(amounts(digits)),
        discount=draw(amounts(digits)),
        extra={"engraving": "Ann"},
        **{name: draw(MAYBE) for name in names},
    )


@st.composite
def orders(draw: Any) -> Conversion:
    """Whatever the schema of `conversions` lets through."""
    currency, digits = draw(CURRENCIES)
    revenue, shipping, tax = (draw(amounts(digits)) for _ in range(3))
    moment = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1))  # noqa: DTZ001
    return Conversion(
        order_id=draw(TEXT.filter(str.strip)),
        completed_at=draw(moment).replace(tzinfo=UTC),
        currency=currency,
        currency_digits=digits,
        total=revenue + shipping + tax,
        revenue=revenue,
        discount=draw(amounts(digits)),
        shipping=shipping,
        tax=tax,
        items=tuple(draw(st.lists(items(digits), max_size=5))),
        customer_email_sha1="7076656f",
        customer_city="Goleta",
        promo_code=draw(MAYBE),
        affiliation=draw(MAYBE),
        tracking_consent=True,
        identifiers={"idme_conversion_tracking_id": draw(TEXT.filter(str.strip))},
        extra={"email": "ann@example.com"},
    )


any_order = given(order=orders())
quick = settings(
    derandomize=True, max_examples=examples(150), deadline=None, database=None
)


@quick
@any_order
def test_nothing_leaves_that_the_page_does_not_name(order: Conversion) -> None:
    event = event_of(order)
    properties = event["properties"]
    assert set(event) == ENVELOPE
    assert set(properties) <= TEXTS | NUMBERS | {"products"}
    for product in properties.get("products", []):
        assert set(product) <= TEXTS_OF_PRODUCT | NUMBERS_OF_PRODUCT


@quick
@any_order
def test_every_value_has_the_type_that_the_page_names(order: Conversion) -> None:
    properties = event_of(order)["properties"]
    assert re.fullmatch("[A-Z]{3}", properties["currency"])
    assert properties["orderId"] == order.order_id
    assert all(isinstance(properties[name], Decimal) for name in NUMBERS)
    for product in properties.get("products", []):
        for name, value in product.items():
            assert isinstance(value, str if name in TEXTS_OF_PRODUCT else Decimal)


@quick
@any_order
def test_money_and_quantities_are_exact(order: Conversion) -> None:
    properties = event_of(order)["properties"]
    for name in ("total", "revenue", "shipping", "tax"):
        assert properties[name] == getattr(order, name)
    assert properties["discount"] == order.discount + sum(
        one.discount for one in order.items
    )
    lines = sorted(order.items, key=lambda one: one.line_no)
    told = properties.get("products", [])
    assert [one["price"] for one in told] == [one.unit_price for one in lines]
    assert [one["quantity"] for one in told] == [one.quantity for one in lines]


@quick
@any_order
def test_the_sandbox_takes_any_valid_order_and_counts_it_once(
    order: Conversion,
) -> None:
    account, sandbox = idme(), Sandbox()
    assert account.eligibility(order, NOW) is None
    applied = []
    for _ in range(2):
        request = next(account.exchange([order]))
        headers = {name.lower(): value for name, value in request.headers.items()}
        taken = sandbox.receive("POST", "/idme/events", headers, request.body)
        assert taken.reply.status == 200, taken.reply.body
        applied.append(taken.reply.applied)
    assert applied == [True, False]


# --- our own page


def test_the_page_says_where_each_field_is_sent_from_and_which_test_holds_it() -> None:
    fields = {
        *(ENVELOPE - {"properties"}),
        *(f"properties.{name}" for name in TEXTS | NUMBERS),
        *(f"products[].{name}" for name in TEXTS_OF_PRODUCT | NUMBERS_OF_PRODUCT),
        "context",
    }
    table = PAGE.partition("## What is sent")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", table, re.M))
    assert fields <= set(rows)
    tests = [path for path in TESTS.rglob("test_*.py") if "idme" in str(path)]
    sources = "\n".join(path.read_text() for path in tests)
    goldens = {path.stem for path in TESTS.glob("golden/idme/*.txt")}
    for field in fields:
        named = re.findall(r"`([^`]+)`", rows[field].rpartition("|")[2])
        assert named, field
        for test in named:
            known = test in goldens or f"def {test}(" in sources
            assert known, f"{field}: {test}"


def test_the_page_names_every_setting_of_its_own() -> None:
    shared = set(IdMeSettings.__mro__[1].model_fields)  # type: ignore[attr-defined]
    for name in set(IdMeSettings.model_fields) - shared:
        assert f"`{name}`" in PAGE, name
