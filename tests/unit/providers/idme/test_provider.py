"""ID.me: who is reported, what is handed over, what replies mean; JSON with money."""

import json
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from assets.providers.base import Provider
from assets.providers.conversion import Conversion
from assets.providers.encode import json_bytes
from assets.providers.idme.event import event_id
from assets.providers.idme.provider import IdMe, IdMeSettings
from assets.providers.replies import Outcome, Phase, Reply, Verdict

Make = Callable[..., Any]

NOW = datetime(2026, 11, 21, tzinfo=UTC)
URL = "https://events.example.com/v1/"
WRITTEN = Reply(phase=Phase.DONE)


def settings(**changes: Any) -> IdMeSettings:
    return IdMeSettings.model_validate(
        {"provider": "idme", "app_id": "app-1", **changes}
    )


def idme(**changes: Any) -> IdMe:
    return IdMe(settings(**changes))


def outcome_of(order: Conversion, reply: Reply, **changes: Any) -> Outcome:
    exchange = idme(**changes).exchange([order])
    next(exchange)
    with pytest.raises(StopIteration) as end:
        exchange.send(reply)
    (outcome,) = end.value.value
    return outcome


def answer(status: int, body: bytes = b"", content_type: str = "") -> Reply:
    headers = {"content-type": content_type} if content_type else {}
    return Reply(phase=Phase.DONE, status=status, body=body, headers=headers)


# --- settings and eligibility


def test_without_a_url_events_go_to_the_outbox(conversion: Make) -> None:
    account: Provider = idme()
    request = next(account.exchange([conversion()]))
    assert account.channel == "outbox"
    assert (request.method, request.url) == ("POST", "outbox:")
    assert account.secrets == ()


def test_with_a_url_events_are_posted_to_exactly_that_url(conversion: Make) -> None:
    account = idme(endpoint_url=URL)
    request = next(account.exchange([conversion()]))
    assert account.channel == "http"
    assert request.url == URL
    assert "events.example.com" not in request.path_template


def test_stated_headers_go_out_and_are_secret(conversion: Make) -> None:
    stated = {"Authorization": "Bearer t0ken", "content-type": "text/plain"}
    account = idme(endpoint_url=URL, endpoint_headers=stated)
    headers = next(account.exchange([conversion()])).headers
    assert headers == {
        "Accept": "application/json",
        "User-Agent": "attribution-exporter",
        **stated,
    }
    assert {URL, "Bearer t0ken"} <= set(account.secrets)
    shown = repr(settings(endpoint_url=URL, endpoint_headers=stated))
    assert "t0ken" not in shown
    assert "example.com" not in shown


def test_without_headers_of_its_own_nothing_is_made_up(conversion: Make) -> None:
    request = next(idme(endpoint_url=URL).exchange([conversion()]))
    assert set(request.headers) == {"Accept", "Content-Type", "User-Agent"}
    assert b"app-1" not in request.body


def test_a_flat_envelope_holds_the_same(conversion: Make) -> None:
    nested = json.loads(idme().payload(conversion()))
    flat = json.loads(idme(envelope="flat").payload(conversion()))
    properties = nested.pop("properties")
    assert flat == nested | properties


def test_context_is_sent_only_where_it_is_configured(conversion: Make) -> None:
    event = json.loads(idme(context={"source": "server"}).payload(conversion()))
    assert event["context"] == {"source": "server"}
    assert b"context" not in idme().payload(conversion())


def test_where_repeats_may_count_twice_a_lost_reply_is_uncertain(
    conversion: Make,
) -> None:
    account = {"endpoint_url": URL, "resend_policy": "never"}
    assert not idme(**account).resend.is_safe
    for reply in (Reply(phase=Phase.WAITING), answer(500), answer(200, b"<html>")):
        outcome = outcome_of(conversion(), reply, **account)
        assert outcome.verdict is Verdict.UNCERTAIN


def test_the_outbox_may_always_be_written_again(conversion: Make) -> None:
    assert idme(resend_policy="never").resend.is_safe


def test_policies() -> None:
    assert idme().event == "Order Completed"
    assert idme().resend.kind == "dedupe"
    assert idme().resend.window is None
    assert idme().limits.in_flight == 1
    assert idme(in_flight=4).limits.in_flight == 4
    assert settings().enabled
    assert settings().require_consent


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"app_id": ""}, "at least 1"),
        ({"endpoint_url": "http://events.example.com"}, "expected an https URL"),
        ({"base_url": "https://api.id.me"}, "set endpoint_url"),
        ({"fields": {"orderId": "extra.note"}}, "the exporter sends it itself"),
        ({"fields": {"ORDERID": "extra.note"}}, "the exporter sends it itself"),
        ({"fields": {"eventId": "extra.note"}}, "the exporter sends it itself"),
        ({"fields": {"products": "extra.note"}}, "the exporter sends it itself"),
        ({"fields": {"a.b": "extra.note"}}, "a name of letters, digits and _"),
        ({"fields": {"": "extra.note"}}, "a name of letters, digits and _"),
        ({"fields": {"note": "extra.email"}}, "without names, addresses or numbers"),
        ({"endpoint_headers": {"X-App": "a"}}, "needs endpoint_url"),
        ({"endpoint_url": URL, "endpoint_headers": {"X App": "a"}}, "name of a header"),
        ({"endpoint_url": URL, "endpoint_headers": {"X": "a\r\nB: c"}}, "one line"),
        ({"envelope": "xml"}, "'nested' or 'flat'"),
        ({"resend_policy": "lookup"}, "'dedupe' or 'never'"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_settings_fail_with_the_reason(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**changes)


@pytest.mark.parametrize(
    ("order", "account", "expected"),
    [
        ({}, {}, None),
        ({}, {"enabled": False}, ("suppressed", "destination_disabled")),
        ({"identifiers": {}}, {}, ("suppressed", "no_tracking_id")),
        (
            {"identifiers": {"idme_conversion_tracking_id": " "}},
            {},
            ("suppressed", "no_tracking_id"),
        ),
        ({"tracking_consent": None}, {}, ("suppressed", "no_consent")),
        ({"tracking_consent": None}, {"require_consent": False}, None),
        (
            {"tracking_consent": False},
            {"require_consent": False},
            ("suppressed", "consent_refused"),
        ),
        ({"total": Decimal("1.234")}, {}, ("quarantined", "amount_precision")),
        (
            {"total": Decimal("1.234"), "currency": "KWD", "currency_digits": 3},
            {},
            None,
        ),
        ({"currency_digits": 0}, {}, ("quarantined", "amount_precision")),
    ],
)
def test_who_is_reported(
    conversion: Make,
    order: dict[str, Any],
    account: dict[str, Any],
    expected: tuple[str, str] | None,
) -> None:
    withheld = idme(**account).eligibility(conversion(**order), NOW)
    assert (withheld and (withheld.state, withheld.reason)) == expected


def test_a_line_discount_that_would_lose_a_digit_is_quarantined(
    conversion: Make, item: Make
) -> None:
    order = conversion(items=(item(discount=Decimal("0.001")),))
    withheld = idme().eligibility(order, NOW)
    assert withheld is not None
    assert withheld.reason == "amount_precision"


def test_a_finer_unit_price_is_no_obstacle(conversion: Make, item: Make) -> None:
    order = conversion(items=(item(unit_price=Decimal("3.3330")),))
    assert idme().eligibility(order, NOW) is None
    assert b'"price":3.333,' in next(idme().exchange([order])).body


# --- the event


def test_the_event_id_is_the_same_on_every_attempt() -> None:
    one = event_id("app-1", "O1")
    assert one == event_id("app-1", "O1")
    assert len({one, event_id("app-1", "O2"), event_id("app-2", "O1")}) == 3
    assert event_id("a", "bc") != event_id("ab", "c")
    assert (UUID(one).version, UUID(one).variant) == (8, "specified in RFC 4122")


def test_only_documented_properties_leave(conversion: Make, item: Make) -> None:
    order = conversion(
        affiliation="Store",
        customer_email_sha1="7076656f",
        customer_city="Goleta",
        extra={"email": "ann@example.com"},
        items=(item(brand="b", variant="v", extra={"engraving": "Ann"}),),
    )
    event = json.loads(next(idme().exchange([order])).body)
    assert set(event) == {
        *("event", "eventId", "timestamp", "conversionTrackingId", "properties")
    }
    assert set(event["properties"]) == {
        *("orderId", "total", "revenue", "shipping", "tax", "discount", "currency"),
        *("coupon", "affiliation", "products"),
    }
    assert set(event["properties"]["products"][0]) == {
        *("productId", "sku", "name", "brand", "category", "variant"),
        *("price", "quantity"),
    }


def test_what_is_stored_keeps_money_exact_as_text(conversion: Make) -> None:
    (stored,) = next(idme().exchange([conversion()])).stored
    properties = json.loads(json.dumps(stored))["properties"]
    assert properties["total"] == "127.20"
    assert properties["products"][0]["quantity"] == "2"


# --- replies


def test_an_event_in_the_outbox_is_staged(conversion: Make) -> None:
    assert outcome_of(conversion(), WRITTEN) == Outcome(verdict=Verdict.STAGED)


def test_an_event_that_could_not_be_written_is_not_staged(conversion: Make) -> None:
    outcome = outcome_of(conversion(), Reply(phase=Phase.NONE, error="disk_full"))
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRYABLE, "not_sent")


@pytest.mark.parametrize(
    ("reply", "verdict", "reason"),
    [
        (answer(200), "accepted", None),
        (answer(204), "accepted", None),
        (answer(202, b'{"status": "ok", "errors": []}'), "accepted", None),
        (answer(200, b"[]"), "accepted", None),
        (answer(200, b"<html>"), "retryable", "unclear_reply"),
        (answer(200, b"x", "text/html"), "retryable", "unclear_reply"),
        (answer(200, b'{"Error": "no app"}'), "retryable", "unclear_reply"),
        (answer(200, b'{"errors": [{}]}'), "retryable", "unclear_reply"),
        (answer(200, b'{"success": false}'), "retryable", "unclear_reply"),
        (answer(200, b'{"ok": false}'), "retryable", "unclear_reply"),
        (answer(200, b'{"status": "FAILED"}'), "retryable", "unclear_reply"),
        (answer(200, b" ERROR 17"), "retryable", "unclear_reply"),
        (answer(302), "configuration", "http_302"),
        (answer(400), "rejected", "http_400"),
        (answer(401), "configuration", "http_401"),
        (answer(409), "duplicate", "http_409"),
        (answer(429), "retryable", "http_429"),
        (answer(500), "retryable", "http_500"),
        (Reply(phase=Phase.WAITING), "retryable", "no_reply"),
        (Reply(phase=Phase.READING, status=200), "retryable", "no_reply"),
        (WRITTEN, "retryable", "no_reply"),
    ],
)
def test_what_a_reply_of_the_url_means(
    conversion: Make, reply: Reply, verdict: str, reason: str | None
) -> None:
    outcome = outcome_of(conversion(), reply, endpoint_url=URL)
    assert (outcome.verdict, outcome.reason) == (verdict, reason)


# --- JSON with exact money


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (9007199254740993, "9007199254740993"),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("-0.10"), "-0.10"),
        (Decimal("0.1") + Decimal("0.2"), "0.3"),
        ('é\n"寿司', '"é\\n\\"寿司"'),
        ([1, (2, [])], "[1,[2,[]]]"),
        (OrderedDict(b=1, a={}), '{"b":1,"a":{}}'),
    ],
)
def test_json_is_exact_and_compact(value: object, text: str) -> None:
    assert json_bytes(value) == text.encode()


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (1.5, TypeError),
        ({"a": [1.5]}, TypeError),
        ({1: "a"}, TypeError),
        (b"bytes", TypeError),
        ({1, 2}, TypeError),
        (NOW, TypeError),
        (Decimal("NaN"), ValueError),
        (Decimal("Infinity"), ValueError),
        ("\ud800", ValueError),
    ],
)
def test_what_is_not_json_is_refused(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        json_bytes(value)


# --- additional properties

FIELDS = {
    "storeCode": "extra.store",
    "name": "extra.label",
    "tags": "extra.tags",
    "status": "customer_status",
}
STORED = {"store": "B-77", "label": "Ann", "tags": '["a", "b"]'}


def test_additional_properties_are_those_that_fields_names(conversion: Make) -> None:
    order = conversion(
        extra={**STORED, "other": "kept back"},
        lists={"tags": ("a", "b")},
        customer_status="NEW",
    )
    plain = json.loads(idme().payload(order))["properties"]
    sent = json.loads(idme(fields=FIELDS).payload(order))["properties"]
    assert sent == plain | {
        "storeCode": "B-77",
        "name": "Ann",
        "tags": ["a", "b"],
        "status": "NEW",
    }


def test_an_additional_property_without_a_value_is_left_out(conversion: Make) -> None:
    nothing = sha256(b"").hexdigest()
    order = conversion(
        extra={"store": " ", "label": nothing, "tags": "[]"},
        lists={"tags": ()},
        customer_status=None,
    )
    assert idme(fields=FIELDS).payload(order) == idme().payload(order)


def test_of_an_additional_property_only_a_fingerprint_is_stored(
    conversion: Make,
) -> None:
    order = conversion(extra=STORED, lists={"tags": ("a", "b")})
    (stored,) = next(idme(fields=FIELDS).exchange([order])).stored
    assert "Ann" not in repr(stored)
    assert "B-77" not in repr(stored)
    assert order.order_id in repr(stored)
