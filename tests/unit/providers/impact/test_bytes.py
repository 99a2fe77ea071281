"""impact.com: the requests and what is kept of them."""

import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from support.impact_account import impact, request_of

Make = Callable[..., Any]

CLICK = "impact_click_id"

SUBMISSION = "/Advertisers/SID1/APISubmissions/A-5f2b"


def test_the_same_order_gives_the_same_bytes(conversion: Make) -> None:
    fields = {"Text1": "promo_code", "Note": "customer_status"}
    turned = dict(reversed(fields.items()))
    one = request_of(conversion(), fields=fields)
    assert one.body == request_of(conversion(), fields=turned).body
    assert one.hash == hashlib.sha256(one.body).hexdigest()


def test_line_ends_in_a_name_cannot_make_a_second_parameter(
    conversion: Make, item: Make
) -> None:
    body = request_of(conversion(items=(item(name="a\r\nb&OrderId=2"),))).body
    assert b"ItemName1=a%0D%0Ab%26OrderId%3D2" in body
    assert parse_qs(body.decode())["OrderId"] == ["O1234567"]


FIELDS = {"Note": "extra.note", "Text2": "extra.text", "SubId1": "extra.sub"}
OF_ITEMS = {"ItemText_2": "extra.text"}


def test_only_values_that_are_cut_are_data_issues(conversion: Make, item: Make) -> None:
    lines = (
        item(line_no=1, name="n" * 256, brand="b" * 255, extra={"text": "t" * 65}),
        item(line_no=2, name=" " * 300, category="é" * 300, extra={"text": "t" * 64}),
    )
    extra = {"note": "n" * 255, "text": "t" * 70, "sub": "s" * 255}
    order = conversion(items=lines, extra=extra)
    data_issues = impact(fields=FIELDS, item_fields=OF_ITEMS).data_issues(order)
    assert {one.code for one in data_issues} == {"value_cut"}
    assert [(one.subject, one.detail) for one in data_issues] == [
        ("Text2", "cut to 64 characters, got 70"),
        ("ItemName1", "cut to 255 characters, got 256"),
        ("ItemText1_2", "cut to 64 characters, got 65"),
        ("ItemCategory2", "cut to 255 characters, got 300"),
    ]
    request = request_of(order, fields=FIELDS, item_fields=OF_ITEMS)
    sent = parse_qs(request.body.decode())
    assert [len(sent[one.subject][0]) for one in data_issues] == [64, 255, 64, 255]


def test_of_lines_that_are_not_sent_nothing_is_cut(
    conversion: Make, item: Make
) -> None:
    order = conversion(items=(item(name="n" * 256),))
    assert impact(report="order").data_issues(order) == []
    assert len(impact().data_issues(order)) == 1


def test_addresses_are_shown_without_the_account(conversion: Make) -> None:
    request = request_of(conversion())
    assert request.path_template == "/Advertisers/{account_sid}/Conversions"
    assert "SID1" not in repr(request)
    assert "s3cret-token" not in repr(request)


def test_what_is_stored_of_a_request_names_no_customer(conversion: Make) -> None:
    order = conversion(
        customer_email_sha1="7076656fee27c02fd8a1cbd17828c9cf28f2c250",
        customer_postcode="93101",
        customer_city="Goleta",
        extra={"ip": "203.0.113.7", "agent": "Mozilla", "caller": "+1555"},
    )
    fields = {
        "CustomerEmail": "customer_email_sha1",
        "CustomerPostCode": "customer_postcode",
        "CustomerCity": "customer_city",
        "IpAddress": "extra.ip",
        "UserAgent": "extra.agent",
        "PhoneNumber": "extra.caller",
    }
    request = request_of(order, fields=fields)
    (stored,) = request.stored
    text = json.dumps(stored)
    for private in ("7076656f", "93101", "Goleta", "203.0", "Mozilla", "1555"):
        assert private not in text
    assert order.customer_id not in text
    digest = hashlib.sha256(order.customer_id.encode()).hexdigest()
    assert stored["CustomerId"] == f"sha256:{digest[:12]}"
    assert "CustomerEmail" not in stored
    assert stored["ClickId"] == order.identifiers[CLICK]
    assert (stored["OrderId"], stored["ItemSubTotal1"]) == ("O1234567", "28.00")


def test_a_submission_is_asked_for_at_our_own_account() -> None:
    request = next(impact().settlement("A-5f2b", "O1"))
    assert request.method == "GET"
    assert request.url == f"https://api.impact.com{SUBMISSION}"
    assert request.body == b""
    assert "Content-Type" not in request.headers
    assert "SID1" not in request.path_template


def test_a_reference_cannot_leave_the_submissions() -> None:
    request = next(impact().settlement("../../X?y", "O1"))
    assert request.url.endswith("/APISubmissions/..%2F..%2FX%3Fy")
