"""What is mapped to impact.com's parameters: of orders and of lines."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha1, sha256
from typing import Any

import pytest

from support.impact_account import impact, line, only_request, sandbox_errors

Make = Callable[..., Any]


def test_an_event_type_code(conversion: Make, golden: Make) -> None:
    made = only_request(conversion(), event_type_id=None, event_type_code="SALE")
    golden("impact/event_type_code", made)


def test_a_time_near_new_year_goes_in_utc(conversion: Make, golden: Make) -> None:
    tokyo = timezone(timedelta(hours=9))
    at = datetime(2026, 1, 1, 0, 0, 0, 999_999, tzinfo=tokyo)
    golden("impact/new_year", only_request(conversion(completed_at=at)))


def test_a_promo_code_alone(conversion: Make, golden: Make) -> None:
    order = conversion(identifiers={}, customer_id=None)
    golden("impact/promo_only", only_request(order, attribution_keys=["promo_code"]))


def test_every_mapped_attribution_key(conversion: Make, golden: Make) -> None:
    stored = {
        "UniqueUrl": "https://shop.example/?p=1&q=2",
        "CustomClickId": "cc-9",
        "GoogAId": "38400000-8cf0-11bd-b23e-10b96e40000d",
        "AndroidId": "9774d56d682e549c",
        "AppleIfa": "EA7583CD-A667-48BC-B806-42ECB2B48606",
        "AppleIfv": "599F9C00-92DC-4B5C-9464-7971F01F8370",
        "CallerId": "caller-7",
        "PhoneNumber": "18055550100",
    }
    columns = {name: f"key_{number}" for number, name in enumerate(stored)}
    extra = {columns[name]: value for name, value in stored.items()}
    order = conversion(identifiers={}, customer_id=None, promo_code=None, extra=extra)
    fields = {name: f"extra.{column}" for name, column in columns.items()}
    made = only_request(order, fields=fields, attribution_keys=["mapped"])
    golden("impact/attribution_keys", made)


@pytest.mark.parametrize("name", ["MediaId", "MediaPartnerId"])
def test_a_forced_credit(conversion: Make, golden: Make, name: str) -> None:
    order = conversion(identifiers={}, extra={"partner": "10000"})
    made = only_request(
        order,
        fields={name: "extra.partner"},
        force_credit=True,
        attribution_keys=["mapped"],
    )
    golden(f"impact/forced_credit_{name}", made)


def test_all_that_is_known_of_a_customer(conversion: Make, golden: Make) -> None:
    order = conversion(
        customer_email_sha1=sha1(b"customer@gmail.com").hexdigest(),
        customer_city="Santa Barbara",
        customer_postcode="93101",
        customer_region="AMER",
        customer_country="USA",
        extra={"ip": "203.0.113.7", "agent": "Mozilla/5.0 (X11; Linux) +x"},
    )
    fields = {
        "CustomerEmail": "customer_email_sha1",
        "CustomerStatus": "customer_status",
        "CustomerCity": "customer_city",
        "CustomerPostCode": "customer_postcode",
        "CustomerRegion": "customer_region",
        "CustomerCountry": "customer_country",
        "IpAddress": "extra.ip",
        "UserAgent": "extra.agent",
    }
    golden("impact/customer", only_request(order, fields=fields))


def test_the_sha256_of_an_address(conversion: Make, golden: Make) -> None:
    order = conversion(customer_email_sha256=sha256(b"customer@gmail.com").hexdigest())
    fields = {"CustomerEmail": "customer_email_sha256"}
    golden("impact/customer_sha256", only_request(order, fields=fields))


def test_gift_and_location(conversion: Make, golden: Make) -> None:
    stored = {"gift": "FALSE", "id": "H-7", "name": "Grand Hôtel", "type": "hotel"}
    fields = {
        "GiftPurchase": "extra.gift",
        "LocationId": "extra.id",
        "LocationName": "extra.name",
        "LocationType": "extra.type",
    }
    golden(
        "impact/gift_and_location",
        only_request(conversion(extra=stored), fields=fields),
    )


def test_consent(conversion: Make, golden: Make) -> None:
    fields = {"TrackingConsent": "tracking_consent"}
    golden("impact/consent", only_request(conversion(), fields=fields))


def test_a_mobile_app(conversion: Make, golden: Make) -> None:
    stored = {
        "PropertyId": "4455",
        "DeviceMfr": "Apple",
        "DeviceModel": "iPhone17,3",
        "AppPackage": "com.shop.example",
        "AppInstallRef": "clickid=abc",
        "AppVer": "7.1",
    }
    fields = {name: f"extra.{name}" for name in stored}
    golden("impact/mobile_app", only_request(conversion(extra=stored), fields=fields))


def test_reporting_parameters_of_an_order(conversion: Make, golden: Make) -> None:
    stored = {
        "PaymentType": "Credit",
        "DispositionCode": "HOLD",
        "EventCode": "SALE-DE",
        "CountryCode": "DE",
        "OrderMargin": "-3.5",
        "SharedId": "s",
        "SubId1": "1",
        "SubId2": "2",
        "SubId3": "3",
        "Note": "left at the door",
    }
    fields = {name: f"extra.{name}" for name in stored}
    golden("impact/reporting", only_request(conversion(extra=stored), fields=fields))


def test_a_mapped_amount_is_the_only_total(conversion: Make, golden: Make) -> None:
    order = conversion(extra={"amount": "99.5"})
    made = only_request(order, fields={"Amount": "extra.amount"}, report="order")
    golden("impact/mapped_amount", made)


def test_a_telephone_number_of_call_tracking(conversion: Make, golden: Make) -> None:
    order = conversion(identifiers={}, extra={"caller_phone": "+1 (805) 555-0100"})
    made = only_request(
        order,
        fields={"PhoneNumber": "extra.caller_phone"},
        call_tracking=True,
        attribution_keys=["mapped"],
    )
    golden("impact/call_tracking", made)


def custom(prefix: str = "") -> dict[str, str]:
    """A value for every custom parameter; a prefix for those of a line."""
    dash = "_" if prefix else ""
    return {
        **{f"{prefix}Text{dash}{n}": f"text {n}" for n in range(1, 51)},
        **{f"{prefix}Numeric{dash}{n}": f"{n}.{n % 2}0" for n in range(1, 11)},
        **{f"{prefix}Money{dash}{n}": f"-{n}.5" for n in range(1, 4)},
        **{f"{prefix}Date{dash}{n}": f"2026-01-{n:02}" for n in range(1, 6)},
        **{
            f"{prefix}Date{dash}{n}": f"2026-01-{n:02} 07:25:00+02:00"
            for n in range(6, 11)
        },
    }


def test_every_custom_parameter_of_an_order(conversion: Make, golden: Make) -> None:
    stored = custom()
    fields = {name: f"extra.{name}" for name in stored}
    golden("impact/every_custom", only_request(conversion(extra=stored), fields=fields))


def test_every_custom_parameter_of_a_line(
    conversion: Make, item: Make, golden: Make
) -> None:
    stored = custom("Item")
    fields = {name: f"extra.{name}" for name in stored}
    order = conversion(items=(item(), line(item, 2, "1.00", extra=stored)))
    golden("impact/every_custom_of_items", only_request(order, item_fields=fields))


def test_mapped_fields_of_lines(conversion: Make, item: Make, golden: Make) -> None:
    stored = {
        "mpn": "M-1",
        "delivery": "INSTORE",
        "promo": "TWOFORONE",
        "margin": "1.20",
        "restock": "2026-12-01",
    }
    fields = {
        "ItemMpn": "extra.mpn",
        "ItemDeliveryType": "extra.delivery",
        "ItemPromoCode": "extra.promo",
        "ItemMargin": "extra.margin",
        "ItemDate_1": "extra.restock",
        "ItemText_1": "variant",
        "ItemText_2": "product_id",
        "ItemNumeric_1": "quantity",
        "ItemMoney_1": "unit_price",
    }
    lines = (
        item(variant="red", extra=stored),
        line(item, 2, "5.50", sub_category="Bulbs", brand="Acme", extra={"mpn": " "}),
    )
    golden(
        "impact/item_fields", only_request(conversion(items=lines), item_fields=fields)
    )


def test_a_category_of_our_own_where_none_is_stored(
    conversion: Make, item: Make, golden: Make
) -> None:
    order = conversion(items=(item(category=" "),), discount=Decimal(0))
    golden("impact/default_category", only_request(order, default_category="Other"))


def test_questions_about_what_was_sent(conversion: Make, golden: Make) -> None:
    at = conversion().completed_at
    account = impact(auth_token="token")
    asked = next(account.settlement("A-5f2b", "O1"))
    sought = next(account.lookup(["O1"], at - timedelta(days=1), at))
    assert sandbox_errors(sought) == []
    golden("impact/questions", [asked, sought])
