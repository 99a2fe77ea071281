"""impact.com: who is reported, and who is held back."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from assets.money import minor_digits
from assets.providers.eligibility import Ineligible
from support.impact_account import NOW, impact

Make = Callable[..., Any]


CLICK = "impact_click_id"


@pytest.mark.parametrize(
    ("order", "account", "expected"),
    [
        ({}, {}, None),
        ({}, {"enabled": False}, ("suppressed", "destination_disabled")),
        ({"is_test": True}, {}, ("suppressed", "test_order")),
        ({"tracking_consent": False}, {}, ("suppressed", "consent_refused")),
        ({"tracking_consent": None}, {}, None),
        (
            {"tracking_consent": None},
            {"require_consent": True},
            ("suppressed", "no_consent"),
        ),
        ({"completed_at": NOW - timedelta(days=88)}, {}, None),
        (
            {"completed_at": NOW - timedelta(days=88, seconds=1)},
            {},
            ("suppressed", "too_old"),
        ),
        ({"identifiers": {}}, {}, ("suppressed", "no_click_id")),
        ({"identifiers": {CLICK: ""}}, {}, ("suppressed", "no_click_id")),
        ({"identifiers": {CLICK: " "}}, {}, ("suppressed", "no_click_id")),
        ({"identifiers": {}}, {"attribution_keys": ["customer_id"]}, None),
        ({"identifiers": {}}, {"attribution_keys": ["click_id", "promo_code"]}, None),
        (
            {"identifiers": {}, "promo_code": None},
            {"attribution_keys": ["promo_code"]},
            ("suppressed", "no_click_id"),
        ),
        (
            {"identifiers": {"custom_profile_id": "p"}},
            {"attribution_keys": ["custom_profile_id"]},
            None,
        ),
        ({"items": ()}, {}, ("quarantined", "no_items")),
        ({"identifiers": {CLICK: "c" * 64}}, {}, None),
        ({"identifiers": {CLICK: "c" * 65}}, {}, ("quarantined", "too_long")),
        ({"order_id": "o" * 64}, {}, None),
        ({"order_id": "o" * 65}, {}, ("quarantined", "too_long")),
        ({"customer_id": "c" * 256}, {}, ("quarantined", "too_long")),
        ({"promo_code": "c" * 256}, {}, ("quarantined", "too_long")),
        (
            {"identifiers": {CLICK: "c", "custom_profile_id": "p" * 71}},
            {},
            ("quarantined", "too_long"),
        ),
        (
            {"customer_status": "N" * 41},
            {"fields": {"CustomerStatus": "customer_status"}},
            ("quarantined", "too_long"),
        ),
        ({"customer_id": "ann@example.com"}, {}, ("quarantined", "pii_as_id")),
    ],
)
def test_who_is_reported(
    conversion: Make,
    order: dict[str, Any],
    account: dict[str, Any],
    expected: tuple[str, str] | None,
) -> None:
    withheld = impact(**account).eligibility(conversion(**order), NOW)
    assert (withheld and (withheld.state, withheld.reason)) == expected


@pytest.mark.parametrize(
    ("currency", "subtotal", "is_sent"),
    [
        ("USD", "1.2300", True),
        ("USD", "1.234", False),
        ("KWD", "1.230", True),
        ("KWD", "1.234", False),
        ("JPY", "1200.00", True),
        ("JPY", "1200.50", False),
    ],
)
def test_an_amount_that_would_lose_a_digit_is_quarantined(
    conversion: Make, item: Make, currency: str, subtotal: str, is_sent: bool
) -> None:
    order = conversion(
        currency=currency,
        currency_digits=minor_digits(currency),
        discount=Decimal(0),
        shipping=Decimal(0),
        tax=Decimal(0),
        items=(item(subtotal=Decimal(subtotal)),),
    )
    withheld = impact().eligibility(order, NOW)
    assert (withheld is None) == is_sent
    if not is_sent:
        assert withheld.reason == "amount_precision"
        assert withheld.detail.startswith("ItemSubTotal1 has more than")


@pytest.mark.parametrize("name", ["discount", "shipping", "tax"])
def test_every_amount_of_the_order_is_looked_at(conversion: Make, name: str) -> None:
    withheld = impact().eligibility(conversion(**{name: Decimal("0.005")}), NOW)
    said = f"Order{name.title()} has more than 2 decimals"
    assert withheld == Ineligible("quarantined", "amount_precision", said)


def test_a_line_discount_and_a_sku_are_looked_at_too(
    conversion: Make, item: Make
) -> None:
    cheap = conversion(items=(item(discount=Decimal("0.001")),))
    long = conversion(items=(item(sku="s" * 256),))
    assert impact().eligibility(cheap, NOW).reason == "amount_precision"
    assert impact().eligibility(long, NOW).reason == "too_long"


def test_a_reason_never_shows_the_value(conversion: Make) -> None:
    withheld = impact().eligibility(conversion(customer_id="secretive" * 40), NOW)
    assert withheld.detail == "CustomerId is longer than 255 characters"


BIG = Decimal("100000000.00")


@pytest.mark.parametrize(
    ("order", "reason", "detail"),
    [
        ({"discount": BIG * 100}, "amount_too_large", "OrderDiscount has more than 10"),
        ({"shipping": BIG * 10_000}, "amount_too_large", "OrderShipping has more"),
        ({"items": {"subtotal": BIG * 10_000}}, "amount_too_large", "ItemSubTotal1"),
        ({"items": {"discount": BIG}}, "amount_too_large", "ItemTotalDiscount1 has"),
        ({"items": {"quantity": Decimal(10**16)}}, "amount_too_large", "ItemQuantity1"),
        ({"items": {"sku": " "}}, "missing_sku", "ItemSku1 is blank"),
        ({"items": {"sku": None}}, "missing_sku", "ItemSku1 is blank"),
        ({"order_id": " "}, "missing_order_id", "OrderId is blank"),
        ({"items": {"quantity": Decimal(0)}}, None, ""),
        ({"items": {"subtotal": Decimal("999999999999.99")}}, None, ""),
    ],
)
def test_sizes_are_those_of_the_documents(
    conversion: Make, item: Make, order: dict[str, Any], reason: str | None, detail: str
) -> None:
    lines = {"items": (item(**order["items"]),)} if "items" in order else {}
    withheld = impact().eligibility(conversion(**{**order, **lines}), NOW)
    assert (withheld and withheld.reason) == reason
    assert not reason or withheld.detail.startswith(detail)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("Numeric1", "12.50", None),
        ("Numeric1", "-3", None),
        ("Numeric1", "1,234.50", "unfit_field"),
        ("Numeric1", "1e3", "unfit_field"),
        ("Numeric1", "NaN", "unfit_field"),
        ("Numeric1", "fifty", "unfit_field"),
        ("Numeric1", "1.234", "amount_precision"),
        ("Numeric1", "9" * 16, None),
        ("Numeric1", "9" * 17, "amount_too_large"),
        ("Money3", "-1.00", None),
        ("Money3", "1.001", "amount_precision"),
        ("OrderMargin", "-12345678.90", None),
        ("OrderMargin", "123456789", "amount_too_large"),
        ("Date1", "2022-03-28", None),
        ("Date1", "2022-05-21T07:25:00Z", None),
        ("Date1", "2022-05-21 07:25:00+02:00", None),
        ("Date1", "2022-05-21T07:25:00", "unfit_field"),
        ("Date1", "2022-02-30", "unfit_field"),
        ("Date1", "28.03.2022", "unfit_field"),
        ("Date1", "NOW", "unfit_field"),
        ("Date1", "0001-01-01T00:00:00+14:00", "unfit_field"),
        ("GiftPurchase", "TRUE", None),
        ("GiftPurchase", "yes", "unfit_field"),
        ("TrackingConsent", "1", "unfit_field"),
        ("PaymentType", "p" * 32, None),
        ("PaymentType", "p" * 33, "too_long"),
        ("LocationId", "l" * 256, "too_long"),
        ("LocationName", "l" * 256, None),
        ("Text50", "t" * 65, None),
        ("MediaId", "10000", None),
        ("MediaId", "partner", "unfit_field"),
        ("MediaId", "1.5", "unfit_field"),
        ("MediaId", "-1", "unfit_field"),
        ("SubId3", "s" * 256, "too_long"),
        ("CustomerCountry", "USA", None),
    ],
)
def test_a_mapped_value_has_the_documented_form_or_the_order_is_quarantined(
    conversion: Make, name: str, text: str, reason: str | None
) -> None:
    account = impact(fields={name: "extra.a"}, force_credit=True)
    withheld = account.eligibility(conversion(extra={"a": text}), NOW)
    assert (withheld and (withheld.state, withheld.reason)) == (
        reason and ("quarantined", reason)
    )
    assert not reason or withheld.detail.startswith(name)


def test_an_email_goes_only_as_a_hash(conversion: Make) -> None:
    account = impact(fields={"CustomerEmail": "customer_email_sha1"})
    digest = hashlib.sha1(b"customer@gmail.com").hexdigest()
    assert account.eligibility(conversion(customer_email_sha1=digest), NOW) is None
    for other in (digest.upper(), "customer@gmail.com", digest[:39]):
        withheld = account.eligibility(conversion(customer_email_sha1=other), NOW)
        assert withheld.reason == "unfit_field"
        assert other not in withheld.detail


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("ItemMpn", "m" * 64, None),
        ("ItemMpn", "m" * 65, "too_long"),
        ("ItemNumeric_10", "heavy", "unfit_field"),
        ("ItemMoney_3", "1.005", "amount_precision"),
        ("ItemDate_2", "tomorrow", "unfit_field"),
        ("ItemText_50", "t" * 65, None),
        ("ItemDeliveryType", "INSTORE", None),
        ("ItemPromoCode", "p" * 256, "too_long"),
        ("ItemMargin", "-4.20", None),
    ],
)
def test_a_mapped_value_of_a_line_has_the_documented_form(
    conversion: Make, item: Make, name: str, text: str, reason: str | None
) -> None:
    account = impact(item_fields={name: "extra.a"})
    lines = (item(), item(line_no=2, extra={"a": text}))
    withheld = account.eligibility(conversion(items=lines), NOW)
    assert (withheld and withheld.reason) == reason


@pytest.mark.parametrize(
    ("account", "order", "expected"),
    [
        ({"currencies": ["USD", "EUR"]}, {}, None),
        ({"currencies": ["EUR"]}, {}, ("suppressed", "currency_not_taken")),
        ({"max_items": 2}, {}, None),
        ({"max_items": 1}, {}, ("quarantined", "too_many_items")),
        (
            {"max_body_bytes": 1024, "fields": {"Note": "extra.a"}},
            {"extra": {"a": "ä" * 255}},
            ("quarantined", "body_too_large"),
        ),
        ({"report": "order"}, {"items": ()}, None),
        ({"report": "order", "max_items": 1}, {}, None),
        ({"customer_id_pattern": r"\S{7,}"}, {}, None),
        ({"customer_id_pattern": r"\S{7,}"}, {"customer_id": None}, None),
        (
            {"customer_id_pattern": r"\S{7,}"},
            {"customer_id": "short"},
            ("quarantined", "unfit_field"),
        ),
        (
            {"attribution_keys": ["mapped"], "fields": {"UniqueUrl": "extra.a"}},
            {"identifiers": {}, "extra": {"a": "https://go.example"}},
            None,
        ),
        (
            {"attribution_keys": ["mapped"], "fields": {"UniqueUrl": "extra.a"}},
            {},
            ("suppressed", "no_click_id"),
        ),
    ],
)
def test_settings_decide_which_orders_are_ineligible(
    conversion: Make,
    account: dict[str, Any],
    order: dict[str, Any],
    expected: tuple[str, str] | None,
) -> None:
    withheld = impact(**account).eligibility(conversion(**order), NOW)
    assert (withheld and (withheld.state, withheld.reason)) == expected


def test_discounts_on_two_levels_may_be_quarantined(
    conversion: Make, item: Make
) -> None:
    both = conversion(items=(item(discount=Decimal(1)),))
    assert impact().eligibility(both, NOW) is None
    one_level = impact(discount_level="one")
    assert one_level.eligibility(both, NOW).reason == "two_discounts"
    on_a_line = conversion(items=both.items, discount=Decimal(0))
    assert one_level.eligibility(on_a_line, NOW) is None
    assert one_level.eligibility(conversion(), NOW) is None


@pytest.mark.parametrize("written", ["0", "null", "(not set)", "N/A", ""])
def test_a_placeholder_is_no_mapped_attribution_key(
    conversion: Make, written: str
) -> None:
    keys: dict[str, Any] = {
        "fields": {"CallerId": "extra.caller"},
        "attribution_keys": ["click_id", "mapped"],
    }
    order = conversion(identifiers={}, extra={"caller": written})
    refused = impact(**keys).eligibility(order, NOW)
    assert refused is not None
    assert refused.reason == "no_click_id"


@pytest.mark.parametrize("name", ["DispositionCode", "EventCode"])
def test_a_code_has_at_most_64_characters(conversion: Make, name: str) -> None:
    account = impact(fields={name: "extra.code"})
    fitting, longer = ({"code": "c" * size} for size in (64, 65))
    assert account.eligibility(conversion(extra=fitting), NOW) is None
    refused = account.eligibility(conversion(extra=longer), NOW)
    assert refused is not None
    assert (refused.state, refused.reason) == ("quarantined", "too_long")


def test_a_blank_amount_leaves_the_total_after_discounts(conversion: Make) -> None:
    account = impact(fields={"Amount": "extra.amount"}, report="order")
    body = account.payload(conversion(extra={"amount": " "})).decode()
    assert "OrderSubTotalPostDiscount=" in body
    assert "&Amount=" not in body
