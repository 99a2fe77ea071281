"""impact.com: which settings are wrong, and what they become."""

import re
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from assets.providers.base import QueueingProvider
from assets.providers.impact.fields import ITEM, ORDER
from support.impact_account import impact, settings

Make = Callable[..., Any]


def test_defaults_are_those_of_the_design() -> None:
    made = settings()
    assert made.base_url == "https://api.impact.com"
    assert made.item_money == "subtotal"
    assert made.attribution_keys == ("click_id",)
    assert made.default_category == "uncategorized"
    assert (made.dedup_window_hours, made.settle_delay_minutes) == (24, 45)
    assert (made.settle_after_minutes, made.settle_timeout_hours) == (30, 48)
    assert made.max_age_days == 88


def test_settings_become_policies() -> None:
    account: QueueingProvider = impact(in_flight=None, requests_per_hour=1000)
    assert account.event == "9876"
    assert account.channel == "http"
    assert account.resend.kind == "dedupe"
    assert account.resend.window == timedelta(hours=24)
    assert account.resend.settle_delay == timedelta(minutes=45)
    assert account.settle_after == timedelta(minutes=30)
    assert account.settle_timeout == timedelta(hours=48)
    assert account.limits.in_flight == 32
    assert account.limits.conversions_per_request == 1
    assert account.limits.requests_per_hour == 1000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"event_type_id": None}, "exactly one of event_type_id and event_type_code"),
        ({"event_type_code": "SALE"}, "exactly one of event_type_id and"),
        ({"event_type_id": None, "event_type_code": "x" * 65}, "at most 64"),
        ({"campaign_id": 12_345_678_901}, "less than or equal to 9999999999"),
        ({"item_money": "both"}, "'subtotal' or 'price'"),
        ({"attribution_keys": []}, "at least 1"),
        ({"attribution_keys": ["email"]}, "'click_id', 'customer_id'"),
        ({"account_sid": "SID/../x"}, "letters, digits"),
        ({"auth_token": ""}, "at least 1"),
        ({"base_url": "http://api.impact.com"}, "https"),
        ({"settle_delay_minutes": 1440}, "shorter than dedup_window_hours"),
        ({"settle_timeout_hours": 91 * 24}, "less than or equal to 2160"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_settings_fail_with_the_reason(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**changes)


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("OrderSubTotalPostDiscount", "revenue", "must not stand beside items"),
        ("Amount", "total", "must not stand beside items"),
        ("OrderDiscount", "discount", "choose it with order_discount"),
        ("OrderDiscountRate", "extra.rate", "choose it with order_discount"),
        ("MediaId", "extra.partner", "set force_credit = true"),
        ("MediaPartnerId", "extra.partner", "set force_credit = true"),
        ("OrderId", "extra.other_id", "sends it"),
        ("ActionTrackerId", "extra.tracker", "sends it"),
        ("PromoCode", "promo_code", "sends it"),
        ("CurrencyCode", "currency", "sends it"),
        ("CustomerEmail", "extra.login", "only from the column customer_email_sha1"),
        ("ItemMpn1", "extra.mpn", "map it in item_fields, without a number"),
        ("CustomerStaus", "customer_status", "did you mean CustomerStatus"),
        ("Text51", "extra.a", "Text1-Text50"),
        ("Money4", "extra.a", "Money1-Money3"),
        ("Text0", "extra.a", "choose from"),
    ],
)
def test_a_wrong_mapping_fails_with_what_may_stand_there(
    name: str, column: str, message: str
) -> None:
    with pytest.raises(ValidationError, match=message) as error:
        settings(fields={name: column})
    assert f"{name} cannot be mapped" in str(error.value)


PHONE = "extra.caller_phone"


@pytest.mark.parametrize("name", ["PhoneNumber", "CallerId"])
def test_a_column_of_telephone_numbers_needs_call_tracking(name: str) -> None:
    with pytest.raises(ValidationError, match="without names, addresses or numbers"):
        settings(fields={name: PHONE})
    assert settings(fields={name: PHONE}, call_tracking=True).fields == {name: PHONE}


@pytest.mark.parametrize(
    "tables",
    [
        {"fields": {"PhoneNumber": PHONE, "Text1": PHONE}},
        {"fields": {"PhoneNumber": PHONE}, "item_fields": {"ItemText_1": PHONE}},
        {"fields": {"PhoneNumber": "extra.customer_email"}},
        {"fields": {"PhoneNumber": "extra.billing_name"}},
    ],
    ids=["another parameter", "a line", "an e-mail address", "a name"],
)
def test_call_tracking_lets_no_other_personal_column_pass(
    tables: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError, match="without names, addresses or numbers"):
        settings(**tables, call_tracking=True)


def test_the_whole_amount_is_mapped_only_where_no_items_are_reported() -> None:
    with pytest.raises(ValidationError, match="must not stand beside items"):
        settings(fields={"Amount": "total"})
    assert settings(fields={"Amount": "total"}, report="order").fields


@pytest.mark.parametrize(
    "changes",
    [{"event_type_code": "SALE"}, {"account_sid": "sid of mine"}, {"colour": "red"}],
)
def test_a_message_about_settings_holds_no_secret(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as error:
        settings(**changes)
    assert "s3cret-token" not in str(error.value)
    assert "SID1" not in str(error.value)
    assert "sid of mine" not in str(error.value)


def test_secrets_are_named_for_the_scrubber() -> None:
    pair = b64encode(b"SID1:s3cret-token").decode()
    assert set(impact().secrets) == {"SID1", "s3cret-token", pair}
    assert "s3cret-token" not in repr(settings())


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("ItemPrice", "unit_price", "choose with item_money"),
        ("ItemSubTotal", "subtotal", "choose with item_money"),
        ("ItemDiscount", "discount", "choose it with item_discount"),
        ("ItemDiscountRate", "extra.rate", "choose it with item_discount"),
        ("ItemTotalDiscount", "discount", "choose it with item_discount"),
        ("ItemName", "variant", "sends it"),
        ("ItemText1_2", "variant", "did you mean ItemText_"),
        ("ItemText[i]_1", "variant", "did you mean ItemText_1"),
        ("ItemText_51", "variant", "ItemText_1-ItemText_50"),
        ("ItemMoney_4", "extra.a", "ItemMoney_1-ItemMoney_3"),
        ("ItemNumeric_11", "extra.a", "ItemNumeric_1-ItemNumeric_10"),
        ("ItemDate_0", "extra.a", "no such parameter"),
        ("Note", "name", "a parameter of the order; map it in fields"),
        ("ItemMpn", "mpn", "expected extra.<column> or one of line_no, sku"),
        ("ItemMpn", "order_id", "got 'order_id'"),
    ],
)
def test_a_wrong_mapping_of_items_fails_with_what_may_stand_there(
    name: str, column: str, message: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)) as error:
        settings(item_fields={name: column})
    assert f"{name} cannot be mapped" in str(error.value)


NOT_TO_BE_MAPPED = {
    *("CampaignId", "EventTypeId", "EventTypeCode", "EventDate", "OrderId"),
    *("ClickId", "CustomProfileId", "CustomerId", "CurrencyCode", "OrderPromoCode"),
    *("MediaId", "MediaPartnerId", "OrderSubTotalPostDiscount", "OrderDiscount"),
    *("OrderDiscountRate", "OrderShipping", "OrderTax", "ItemSku", "ItemName"),
    *("ItemCategory", "ItemSubCategory", "ItemBrand", "ItemQuantity", "ItemPrice"),
    *("ItemSubTotal", "ItemDiscount", "ItemDiscountRate", "ItemTotalDiscount"),
}
PARTNER = {"MediaId": "extra.partner"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {
                "force_credit": True,
                "fields": PARTNER | {"MediaPartnerId": "extra.partner"},
            },
            "must not stand beside MediaId",
        ),
        ({"attribution_keys": ["mapped"]}, "fields fills none of AndroidId"),
        ({"report": "order", "item_money": "price"}, "take out ['item_money']"),
        (
            {"report": "order", "item_fields": {"ItemMpn": "extra.mpn"}},
            "take out ['item_fields']",
        ),
        ({"report": "order", "order_discount": "rate"}, "take out ['order_discount']"),
        ({"currencies": ["usd"]}, "ISO 4217 codes in upper case"),
        ({"currencies": []}, "at least 1"),
        ({"customer_id_pattern": "("}, "a regular expression"),
        ({"default_category": "  "}, "match pattern"),
        ({"item_discount": "amount"}, "'line', 'unit' or 'rate'"),
        ({"lookup_page_size": 1_999}, "greater than or equal to 2000"),
        ({"lookup_page_size": 20_001}, "less than or equal to 20000"),
        ({"settle_requests_per_hour": 0}, "greater than or equal to 1"),
    ],
)
def test_what_must_not_stand_together_fails_when_configuration_is_read(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        settings(**changes)


@pytest.mark.parametrize("name", [*ORDER, *ITEM])
def test_every_parameter_can_be_mapped_or_is_refused_with_the_reason(name: str) -> None:
    table = "item_fields" if name in ITEM else "fields"
    column = "customer_email_sha1" if name == "CustomerEmail" else "extra.a"
    problem = ""
    try:
        report = {"report": "order"} if name == "Amount" else {}
        settings(**{table: {name: column}}, **report)
    except ValidationError as refused:
        problem = str(refused)
    assert "no such parameter" not in problem
    assert bool(problem) == (name in NOT_TO_BE_MAPPED)


def test_a_forced_credit_and_a_mapped_key_are_switched_on_by_name() -> None:
    made = settings(force_credit=True, fields=PARTNER, attribution_keys=["mapped"])
    assert list(made.mapped_columns["completed_orders"]) == ["extra.partner"]


def test_calls_have_budgets_below_the_documented_limit() -> None:
    made = settings()
    assert made.settle_requests_per_hour + made.lookup_requests_per_hour < 1_000
    account = impact(settle_requests_per_hour=5, lookup_requests_per_hour=6)
    assert (account.settle_calls, account.lookup_calls) == (5, 6)
