"""The example calls of impact.com's two documents, parameter by parameter."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

import pytest

from assets.providers.base import Request
from assets.providers.conversion import Conversion
from support.impact_account import impact, sandbox_errors

GUIDE = """
CampaignId=1000 EventTypeId=9876 EventDate=2024-08-01T23:55:24-08:00
ClickId=QiiWXOVnrQ3SQHl24jQjyxBGUkmzfJ3i1VHrWM0
CustomerId=BCZ2WVSH674563PDPYOTM3AXDQ CurrencyCode=USD OrderId=O1234567
OrderDiscount=15.00 OrderPromoCode=15BUCKSOFF
ItemSku1=1ABC2345 ItemName1=Product_Name_1 ItemCategory1=Hardware ItemQuantity1=2
ItemSubTotal1=28.00
ItemSku2=9ZXY7654 ItemName2=Product_Name_2 ItemCategory2=Gardening ItemQuantity2=3
ItemSubTotal2=99.00
"""
"""With the number that the guide leaves out of its two `ItemSubTotal`."""

REFERENCE = """
EventTypeId=12345 ClickId=QiiWXOVnrQ3SQHl24jQjyxBGUkmzfJ3i1VHrWM0
CustomerId=BCZ2WVSH674563PDPYOTM3AXDQ OrderPromoCode=10OFF-ROCKET
EventDate=2023-12-01T23:55:24-08:00 CampaignId=1000 OrderId=9217374917471
OrderDiscount=5
ItemSku1=12345 ItemName1=Anvil ItemCategory1=Blacksmithing ItemQuantity1=1
ItemPrice1=10
ItemSku2=78909 ItemName2=Tennis_Balls ItemCategory2=Sports ItemQuantity2=6
ItemPrice2=3.14
CustomerStatus=NEW CustomerPostCode=93101 CurrencyCode=USD IpAddress=
CustomerEmail=7076656fee27c02fd8a1cbd17828c9cf28f2c250
"""


def meant(form: Mapping[str, str]) -> dict[str, object]:
    """What a form says: numbers by value, times by instant, nothing for nothing."""
    return {name: value_of(name, text) for name, text in form.items() if text}


def value_of(name: str, text: str) -> object:
    if name == "EventDate":
        return datetime.fromisoformat(text)
    try:
        return Decimal(text)
    except InvalidOperation:
        return text.replace("_", " ")


def printed(example: str) -> dict[str, object]:
    pairs = (one.split("=", 1) for one in example.split())
    return meant(dict(pairs))


def sent(request: Request) -> dict[str, object]:
    assert sandbox_errors(request) == []
    return meant(dict(parse_qsl(request.body.decode())))


def test_the_example_of_the_guide(conversion: Callable[..., Conversion]) -> None:
    order = conversion(
        completed_at=datetime.fromisoformat("2024-08-01T23:55:24-08:00"),
    )
    request = next(impact().exchange([order]))
    informative = {"OrderShipping": Decimal("5.99"), "OrderTax": Decimal("9.21")}
    assert sent(request) == printed(GUIDE) | informative
    assert request.url == "https://api.impact.com/Advertisers/SID1/Conversions"
    assert request.method == "POST"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["Authorization"].startswith("Basic ")


def test_the_example_of_the_reference(reference_order: Conversion) -> None:
    fields = {
        "CustomerStatus": "customer_status",
        "CustomerPostCode": "customer_postcode",
        "CustomerEmail": "customer_email_sha1",
    }
    account = impact(event_type_id=12345, item_money="price", fields=fields)
    informative = {"OrderShipping": Decimal(0), "OrderTax": Decimal(0)}
    request = next(account.exchange([reference_order]))
    assert sent(request) == printed(REFERENCE) | informative


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("Date1", "2022-03-28", "2022-03-28"),
        ("Date3", "2022-05-21T07:25:00Z", "2022-05-21T07:25:00Z"),
        ("PaymentType", "Credit", "Credit"),
        ("CustomerStatus", "EXISTING", "EXISTING"),
        ("CustomerCity", "Santa Barbara", "Santa Barbara"),
        ("CustomerPostCode", "93101", "93101"),
        ("CustomerCountry", "USA", "USA"),
        ("CustomerRegion", "AMER", "AMER"),
        ("AppInstallRef", "clickid={clickidvalue}", "clickid={clickidvalue}"),
    ],
)
def test_a_value_that_the_reference_names(
    conversion: Callable[..., Conversion], name: str, text: str, says: Any
) -> None:
    account = impact(fields={name: "extra.a"})
    request = next(account.exchange([conversion(extra={"a": text})]))
    assert sandbox_errors(request) == []
    assert dict(parse_qsl(request.body.decode()))[name] == says


def test_the_delivery_type_that_the_reference_names(
    conversion: Callable[..., Conversion], item: Callable[..., Any]
) -> None:
    account = impact(item_fields={"ItemDeliveryType": "extra.a"})
    order = conversion(items=(item(extra={"a": "INSTORE"}),))
    request = next(account.exchange([order]))
    assert sandbox_errors(request) == []
    assert b"ItemDeliveryType1=INSTORE" in request.body
