"""Trackdesk: every example of the manual, field by field.

`externalId` is the one field that is sent and that no example shows (help 10290309).
"""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from assets.providers.base import Request
from assets.providers.conversion import Conversion
from support.trackdesk_account import (
    BY_COUPON,
    BY_EXTERNAL_CID,
    CID,
    ORIGIN,
    answer,
    trackdesk,
)
from support.trackdesk_account import converse as talk

MakeConversion = Callable[..., Conversion]

HOST = "https://example-shop.trackdesk.com"
OURS = {"externalId": "O1234567"}


def body_of_request(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.body)
    return found


def sent(order: Conversion, **settings: Any) -> list[Request]:
    replies = [answer(200)]
    if settings.get("identify_by") == "external_cid":
        replies *= 2
    made, _ = talk(trackdesk(**settings).exchange([order]), *replies)
    return made


def test_section_2_scenario_a_fixed_amount(conversion: MakeConversion) -> None:
    (request,) = sent(conversion(), amount="none")
    assert (request.method, request.url) == (
        "POST",
        f"{HOST}/tracking/conversion/v1",
    )
    assert body_of_request(request) == {"cid": CID, "conversionTypeCode": "sale"} | OURS


@pytest.mark.parametrize(
    ("currency", "digits", "amount", "text"),
    [("JPY", 0, "100", "100"), ("USD", 2, "100.5", "100.50")],
)
def test_section_2_scenario_b_the_amount_is_a_string(
    conversion: MakeConversion, currency: str, digits: int, amount: str, text: str
) -> None:
    order = conversion(
        currency=currency, currency_digits=digits, revenue=Decimal(amount)
    )
    (request,) = sent(order, send_currency=False)
    assert body_of_request(request) == {
        "cid": CID,
        "conversionTypeCode": "sale",
        "amount": {"value": text},
        **OURS,
    }


def test_section_3_step_a_links_the_external_cid(conversion: MakeConversion) -> None:
    link, _ = sent(conversion(), **BY_EXTERNAL_CID)
    assert (link.method, link.url) == ("POST", f"{HOST}/tracking/external-cid/v1")
    assert body_of_request(link) == {
        "externalCid": "ext-77",
        "revenueOriginId": ORIGIN,
        "cid": CID,
    }


@pytest.mark.parametrize(
    "path", ["/tracking/conversion/v1", "/tracking/external-cid/v1"]
)
def test_section_3_step_b_fixed_amount(conversion: MakeConversion, path: str) -> None:
    _, sale = sent(
        conversion(),
        **BY_EXTERNAL_CID,
        amount="none",
        external_cid_conversion_path=path,
    )
    assert sale.url == HOST + path
    assert body_of_request(sale) == {
        "externalCid": "ext-77",
        "revenueOriginId": ORIGIN,
        "conversionTypeCode": "sale",
        **OURS,
    }


def test_section_3_step_b_dynamic_amount(conversion: MakeConversion) -> None:
    _, sale = sent(conversion(), **BY_EXTERNAL_CID, send_currency=False)
    assert body_of_request(sale) == {
        "externalCid": "ext-77",
        "revenueOriginId": ORIGIN,
        "conversionTypeCode": "sale",
        "amount": {"value": "112.00"},
        **OURS,
    }


def test_the_example_of_a_coupon(conversion: MakeConversion) -> None:
    (request,) = sent(conversion(), **BY_COUPON, amount="none")
    assert body_of_request(request) == {
        "couponCodes": ["15BUCKSOFF"],
        "revenueOriginId": ORIGIN,
        "conversionTypeCode": "sale",
        **OURS,
    }


def test_signup_is_a_conversion_type_too(conversion: MakeConversion) -> None:
    (request,) = sent(conversion(), conversion_type_code="signup")
    assert body_of_request(request)["conversionTypeCode"] == "signup"


@pytest.mark.parametrize(
    "word",
    [
        *("approved", "pending", "on_hold", "rejected"),
        *("refunded", "test", "fraud", "not_allowed"),
    ],
)
def test_every_status_carries_its_prefix(conversion: MakeConversion, word: str) -> None:
    (request,) = sent(conversion(), status=word)
    assert body_of_request(request)["status"] == f"CONVERSION_STATUS_{word.upper()}"
