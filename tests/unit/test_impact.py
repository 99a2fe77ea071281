"""impact.com: who is reported, which settings are wrong, what replies mean."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from assets.money import minor_digits
from assets.providers.base import Request, Settling, Withheld
from assets.providers.conversion import Conversion
from assets.providers.impact import Impact, ImpactSettings
from assets.providers.replies import Outcome, Phase, Reply, Verdict

Make = Callable[..., Any]

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SUBMISSION = "/Advertisers/SID1/APISubmissions/A-5f2b"
QUEUED = {"Status": "QUEUED", "QueuedUri": SUBMISSION}


def settings(**changes: Any) -> ImpactSettings:
    account = {
        "provider": "impact",
        "account_sid": "SID1",
        "auth_token": "s3cret-token",
        "campaign_id": 1000,
        "event_type_id": 9876,
    }
    return ImpactSettings.model_validate({**account, **changes})


def impact(**changes: Any) -> Impact:
    return Impact(settings(**changes))


def answer(
    status: int, body: Any = b"", headers: Mapping[str, str] | None = None
) -> Reply:
    """A complete reply; a body that is not bytes goes as JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(
        phase=Phase.DONE, status=status, body=text, headers=headers or {}, at=NOW
    )


def sent(reply: Reply, order: Conversion) -> Outcome:
    """What becomes of an order that is answered so."""
    exchange = impact().exchange([order])
    next(exchange)
    with pytest.raises(StopIteration) as end:
        exchange.send(reply)
    (outcome,) = end.value.value
    return outcome


def settled(reply: Reply, order_id: str = "O1") -> Outcome | None:
    """What becomes of a queued submission that is answered so."""
    settlement = impact().settlement("A-5f2b", order_id)
    next(settlement)
    with pytest.raises(StopIteration) as end:
        settlement.send(reply)
    return end.value.value


# --- settings


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
    account: Settling = impact(in_flight=None, requests_per_hour=1000)
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
        ("OrderDiscountRate", "extra.rate", "must not stand beside OrderDiscount"),
        ("MediaId", "extra.partner", "forces the credit"),
        ("MediaPartnerId", "extra.partner", "forces the credit"),
        ("OrderId", "extra.other_id", "sends it"),
        ("ActionTrackerId", "extra.tracker", "sends it"),
        ("PromoCode", "promo_code", "sends it"),
        ("CurrencyCode", "currency", "sends it"),
        ("CustomerEmail", "extra.login", "only from the column customer_email_sha1"),
        ("ItemMpn1", "extra.mpn", "parameters of items cannot be mapped"),
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


# --- eligibility


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
def test_an_amount_that_would_lose_a_digit_is_held_back(
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
    held = None if is_sent else Withheld("quarantined", "amount_precision")
    assert impact().eligibility(order, NOW) == held


@pytest.mark.parametrize("name", ["discount", "shipping", "tax"])
def test_every_amount_of_the_order_is_looked_at(conversion: Make, name: str) -> None:
    withheld = impact().eligibility(conversion(**{name: Decimal("0.005")}), NOW)
    assert withheld == Withheld("quarantined", "amount_precision")


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


# --- requests


def request_of(order: Conversion, **changes: Any) -> Request:
    return next(impact(**changes).exchange([order]))


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


# --- replies to a conversion


ERROR = {"Status": "ERROR", "errors": [{"field": "Margin", "message": "Invalid"}]}
GENERIC = {"message": "Bad", "Errors": [{"Field": "Margin", "Message": "Invalid"}]}
HTML = b"<!DOCTYPE html><p>Log in"


@pytest.mark.parametrize(
    ("reply", "verdict", "reason"),
    [
        (answer(200, QUEUED), "queued", None),
        (answer(201, QUEUED), "queued", None),
        (answer(200, {"STATUS": "queued", "queuedURI": SUBMISSION}), "queued", None),
        (answer(200, {"Status": "OK", "Uri": "/x"}), "accepted", None),
        (answer(201, {"Status": "OK"}), "accepted", None),
        (answer(200, ERROR), "rejected", "error_in_reply"),
        (answer(200, {"Status": "ERROR", "errors": "x"}), "rejected", "error_in_reply"),
        (answer(200), "uncertain", "unclear_reply"),
        (answer(204), "uncertain", "unclear_reply"),
        (answer(200, {}), "uncertain", "unclear_reply"),
        (answer(200, {"Status": "ACCEPTED"}), "uncertain", "unclear_reply"),
        (answer(200, {"Status": 5}), "uncertain", "unclear_reply"),
        (answer(200, {"Status": None}), "uncertain", "unclear_reply"),
        (answer(200, [QUEUED]), "uncertain", "unclear_reply"),
        (answer(200, b'{"Status": NaN}'), "uncertain", "unclear_reply"),
        (answer(200, b"[" * 60_000), "uncertain", "unclear_reply"),
        (answer(200, b'{"Status": "QUEU'), "uncertain", "unclear_reply"),
        (answer(200, b"\xff\xfe"), "uncertain", "unclear_reply"),
        (answer(200, b"<ImpactRadiusResponse/>"), "uncertain", "unclear_reply"),
        (answer(200, HTML), "uncertain", "html_reply"),
        (answer(400, HTML), "uncertain", "html_reply"),
        (answer(400, ERROR), "rejected", "http_400"),
        (answer(400, GENERIC), "rejected", "http_400"),
        (answer(422, ERROR), "rejected", "http_422"),
        (answer(400), "rejected", "http_400"),
        (answer(402), "rejected", "http_402"),
        (answer(409), "duplicate", "http_409"),
        (answer(413), "rejected", "http_413"),
        (answer(301), "configuration", "http_301"),
        (answer(401, HTML), "configuration", "http_401"),
        (answer(403), "configuration", "http_403"),
        (answer(404), "configuration", "http_404"),
        (answer(405), "configuration", "http_405"),
        (answer(408), "retryable", "http_408"),
        (answer(429), "retryable", "http_429"),
        (answer(500), "retryable", "http_500"),
        (answer(502, HTML), "retryable", "http_502"),
        (answer(503), "retryable", "http_503"),
        (answer(504), "retryable", "http_504"),
        (Reply(phase=Phase.NONE), "retryable", "not_sent"),
        (Reply(phase=Phase.CONNECTING), "retryable", "not_sent"),
        (Reply(phase=Phase.SENDING), "uncertain", "no_reply"),
        (Reply(phase=Phase.WAITING), "uncertain", "no_reply"),
        (Reply(phase=Phase.READING, status=200), "uncertain", "no_reply"),
        (Reply(phase=Phase.DONE), "uncertain", "no_reply"),
    ],
)
def test_what_a_reply_means(
    conversion: Make, reply: Reply, verdict: str, reason: str | None
) -> None:
    outcome = sent(reply, conversion())
    assert (outcome.verdict, outcome.reason) == (verdict, reason)


@pytest.mark.parametrize(
    "uri",
    [
        None,
        5,
        "",
        "A-5f2b",
        "https://api.impact.com" + SUBMISSION,
        "https://evil.example/Advertisers/SID1/APISubmissions/A-1",
        "//evil.example" + SUBMISSION,
        "/Advertisers/OTHER/APISubmissions/A-1",
        "/Advertisers/SID1/APISubmissions/",
        "/Advertisers/SID1/APISubmissions/../Actions",
        "/Advertisers/SID1/APISubmissions/A-1/x",
        "/Advertisers/SID1/APISubmissions/A-1?x=1",
        "/Advertisers/SID1/APISubmissions/A-1\n",
        "/Advertisers/SID1/Actions/A-1",
    ],
)
def test_a_submission_elsewhere_is_queued_but_never_followed(
    conversion: Make, uri: Any
) -> None:
    outcome = sent(answer(200, {"Status": "QUEUED", "QueuedUri": uri}), conversion())
    assert outcome.verdict is Verdict.QUEUED
    assert outcome.reason == "queued_without_ref"
    assert outcome.provider_ref is None


def test_only_the_submission_id_is_kept(conversion: Make) -> None:
    outcome = sent(answer(200, QUEUED), conversion())
    assert (outcome.provider_ref, outcome.provider_status) == ("A-5f2b", "QUEUED")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (ERROR, "Margin: Invalid"),
        (GENERIC, "Margin: Invalid"),
        ({"Message": "Not well"}, "Not well"),
        ({"errors": []}, None),
        ({"errors": [None]}, None),
        ({"errors": {"field": "x"}}, None),
        ({"errors": [{"field": 5, "message": ["x"]}]}, None),
        (
            {"errors": [{"field": "CustomerId", "message": "Bad id (ann)"}]},
            "CustomerId",
        ),
        (
            {"errors": [{"field": "A", "message": "x\r\n" + "y" * 300}]},
            "A: x " + "y" * 198,
        ),
    ],
)
def test_a_refusal_keeps_the_first_errors_field_and_message(
    conversion: Make, body: Any, detail: str | None
) -> None:
    assert sent(answer(400, body), conversion()).detail == detail


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {}, None),
        (429, {"retry-after": "2"}, 2),
        (429, {"retry-after": "2", "x-ratelimit-reset": "900"}, 2),
        (429, {"x-ratelimit-reset": "900"}, 900),
        (429, {"x-ratelimit-reset": str(int(NOW.timestamp()) + 60)}, 60),
        (429, {"x-ratelimit-reset": str(int(NOW.timestamp()) - 60)}, 0),
        (429, {"ratelimit-reset": "5"}, 5),
        (429, {"x-ratelimit-reset": "soon"}, None),
        (429, {"x-ratelimit-reset": "9" * 400}, None),
        (500, {"x-ratelimit-reset": "3600"}, None),
    ],
)
def test_a_full_quota_tells_how_long_to_wait(
    conversion: Make, status: int, headers: dict[str, str], seconds: float | None
) -> None:
    assert sent(answer(status, b"", headers), conversion()).retry_after_s == seconds


# --- replies about a submission


def complete(reason: Any = "", kind: Any = "", order_id: Any = "O1") -> Reply:
    return answer(
        200,
        {
            "Status": "Complete",
            "OrderId": order_id,
            "ErrorType": kind,
            "ErrorReason": reason,
        },
    )


@pytest.mark.parametrize(
    ("reply", "verdict", "reason", "detail"),
    [
        (complete(), "settled", None, None),
        (complete(None, None), "settled", None, None),
        (complete(order_id=None), "settled", None, None),
        (complete("CONV_DUPLICATE"), "duplicate", "conv_duplicate", "CONV_DUPLICATE"),
        (
            complete("NO_ITEM CONV_DUPLICATE"),
            "duplicate",
            "conv_duplicate",
            "NO_ITEM CONV_DUPLICATE",
        ),
        (
            complete("CONTRACT_NOT_FOUND RESTRICTED_PROMOCODE", "Contract Error"),
            "rejected",
            "contract_not_found",
            "CONTRACT_NOT_FOUND RESTRICTED_PROMOCODE",
        ),
        (complete("", "Validation"), "rejected", "validation", "Validation"),
        (
            complete("", "Contract Error"),
            "rejected",
            "unknown_reason",
            "Contract Error",
        ),
        (
            complete("NEW_CODE NO_ITEM"),
            "rejected",
            "unknown_reason",
            "NEW_CODE NO_ITEM",
        ),
        (complete(order_id="O2"), "uncertain", "wrong_order_in_submission", None),
        (
            answer(200, {"Status": "Queued", "OrderId": "O2"}),
            "uncertain",
            "wrong_order_in_submission",
            None,
        ),
        (answer(404), "uncertain", "submission_not_found", None),
        (answer(401), "configuration", "http_401", None),
        (answer(403, HTML), "configuration", "http_403", None),
        (answer(302), "configuration", "http_302", None),
    ],
)
def test_how_a_submission_ends(
    reply: Reply, verdict: str, reason: str | None, detail: str | None
) -> None:
    outcome = settled(reply)
    assert outcome is not None
    assert (outcome.verdict, outcome.reason, outcome.detail) == (
        verdict,
        reason,
        detail,
    )


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, {"Status": "Queued", "OrderId": "O1"}),
        answer(200, {"Status": "In Progress", "OrderId": None}),
        answer(200, {"Status": "running"}),
        answer(200, {}),
        answer(200, []),
        answer(200, HTML),
        answer(200, b'{"Status": "Comp'),
        complete(reason=["NO_ITEM"]),
        complete(kind=7),
        answer(204),
        answer(400),
        answer(404, HTML),
        answer(429),
        answer(500),
        answer(503),
        Reply(phase=Phase.CONNECTING),
        Reply(phase=Phase.READING, status=200, body=b'{"Status":"Complete"}'),
        Reply(phase=Phase.DONE),
    ],
)
def test_a_submission_without_an_end_is_asked_for_again(reply: Reply) -> None:
    assert settled(reply) is None
