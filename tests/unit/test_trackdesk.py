"""Trackdesk: who is sent, by which identifier, and what each reply means."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from assets.providers.base import Exchange, Provider, Request
from assets.providers.conversion import Conversion
from assets.providers.replies import Outcome, Phase, Reply
from assets.providers.trackdesk import Trackdesk, TrackdeskSettings

MakeConversion = Callable[..., Conversion]

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
CID = "2d2ce3d8-7c58-4f7f-9e07-0e1b2c3d4e5f"
COOKIE = json.dumps({"tenantId": "example-shop", "cid": CID})
ORIGIN = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
REQUIRED = {
    "provider": "trackdesk",
    "tenant_id": "example-shop",
    "conversion_type_code": "sale",
}
BY_EXTERNAL_CID = {"identify_by": "external_cid", "revenue_origin_id": ORIGIN}
BY_COUPON = {"identify_by": "coupon", "revenue_origin_id": ORIGIN}
PAGE = b"<html><p>already exists</p></html>"


def trackdesk(**changes: Any) -> Trackdesk:
    return Trackdesk(TrackdeskSettings.model_validate(REQUIRED | changes))


def answer(status: int, body: str | bytes = b"", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body.encode() if isinstance(body, str) else body
    return Reply(phase=Phase.DONE, status=status, body=content, headers=named)


def broken(phase: Phase) -> Reply:
    return Reply(phase=phase, error="connection_reset")


def converse(exchange: Exchange, *replies: Reply) -> tuple[list[Request], Outcome]:
    """The requests that were made, and the outcome; every reply must be used."""
    made = [next(exchange)]
    waiting = list(replies)
    while True:
        try:
            made.append(exchange.send(waiting.pop(0)))
        except StopIteration as end:
            assert not waiting
            (outcome,) = end.value
            return made, outcome


# Settings


def test_the_shipped_defaults() -> None:
    settings = TrackdeskSettings.model_validate(REQUIRED)
    assert settings.base_url == "https://example-shop.trackdesk.com"
    assert settings.identify_by == "cid"
    assert settings.revenue_origin_id is None
    assert settings.link
    assert settings.amount == "revenue"
    assert settings.send_currency
    assert settings.api_key is None
    assert settings.external_cid_conversion_path == "/tracking/conversion/v1"
    assert not settings.require_consent


def test_an_address_that_is_given_stands() -> None:
    settings = TrackdeskSettings.model_validate(
        REQUIRED | {"base_url": "http://127.0.0.1:8000/"}
    )
    assert settings.base_url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tenant_id": "evil.example.com/"}, "tenant_id"),
        ({"tenant_id": ""}, "tenant_id"),
        ({"tenant_id": None}, "tenant_id"),
        ({"conversion_type_code": ""}, "conversion_type_code"),
        ({"base_url": "http://example-shop.trackdesk.com"}, "https"),
        ({"identify_by": "email"}, "'cid', 'external_cid' or 'coupon'"),
        ({"identify_by": "external_cid"}, "needs revenue_origin_id"),
        ({"identify_by": "coupon"}, "needs revenue_origin_id"),
        ({"amount": "subtotal"}, "'revenue', 'total' or 'none'"),
        ({"external_cid_conversion_path": "tracking"}, "external_cid_conversion_path"),
        ({"external_cid_conversion_path": "/a?b"}, "external_cid_conversion_path"),
        (
            {"fields": {"customParams.advS1": "affiliation"}},
            "no field of this provider",
        ),
        ({"tenant": "example-shop"}, "tenant\n"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        TrackdeskSettings.model_validate(REQUIRED | changes)


@pytest.mark.parametrize("missing", ["tenant_id", "conversion_type_code"])
def test_only_what_is_missing_is_told(missing: str) -> None:
    given = {name: value for name, value in REQUIRED.items() if name != missing}
    with pytest.raises(ValidationError) as caught:
        TrackdeskSettings.model_validate(given)
    assert [error["loc"] for error in caught.value.errors()] == [(missing,)]


def test_no_message_about_settings_quotes_the_key() -> None:
    with pytest.raises(ValidationError) as caught:
        trackdesk(identify_by="coupon", api_key="key-value")
    assert "key-value" not in str(caught.value)


def test_what_the_engine_is_told() -> None:
    provider: Provider = trackdesk(api_key="key-value", requests_per_second=3)
    assert provider.event == "sale"
    assert provider.channel == "http"
    assert provider.limits.conversions_per_request == 1
    assert provider.limits.in_flight == 32
    assert provider.limits.requests_per_second == 3
    assert provider.resend.kind == "dedupe"
    assert provider.resend.window is None
    assert provider.secrets == ("key-value",)
    assert trackdesk().secrets == ()


# Eligibility


@pytest.mark.parametrize(
    ("settings", "order", "why"),
    [
        ({}, {}, None),
        ({}, {"is_test": True}, "test_order"),
        ({}, {"tracking_consent": False}, "consent_refused"),
        ({}, {"tracking_consent": None}, None),
        ({"require_consent": True}, {"tracking_consent": None}, "no_consent"),
        ({}, {"identifiers": {}}, "no_click_id"),
        ({}, {"identifiers": {"trackdesk_external_cid": "e"}}, "no_click_id"),
        (BY_EXTERNAL_CID, {}, None),
        (BY_EXTERNAL_CID, {"identifiers": {}}, "no_external_cid"),
        (BY_EXTERNAL_CID, {"identifiers": {"trackdesk_cid": CID}}, "no_external_cid"),
        (
            BY_EXTERNAL_CID,
            {"identifiers": {"trackdesk_external_cid": "e"}},
            "no_click_id",
        ),
        (
            BY_EXTERNAL_CID,
            {"identifiers": {"trackdesk_external_cid": "e", "trackdesk_cid": "?"}},
            "unreadable_identifier",
        ),
        (
            BY_EXTERNAL_CID | {"link": False},
            {"identifiers": {"trackdesk_external_cid": "e"}},
            None,
        ),
        (BY_COUPON, {"identifiers": {}}, None),
        (BY_COUPON, {"promo_code": None}, "no_coupon"),
        (BY_COUPON, {"promo_code": ""}, "no_coupon"),
    ],
)
def test_who_is_sent(
    conversion: MakeConversion,
    settings: dict[str, Any],
    order: dict[str, Any],
    why: str | None,
) -> None:
    withheld = trackdesk(**settings).eligibility(conversion(**order), NOW)
    assert (withheld and (withheld.state, withheld.reason)) == (
        why and ("suppressed", why)
    )


OTHER = COOKIE.replace("example-shop", "other-shop")


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (CID, None),
        (CID.upper(), None),
        (quote(CID), None),
        (COOKIE, None),
        (COOKIE.replace("example-shop", "Example-Shop"), None),
        (quote(COOKIE), None),
        (quote(COOKIE, safe=""), None),
        (quote(quote(COOKIE)), None),
        (quote(quote(quote(COOKIE))), "unreadable_identifier"),
        (OTHER, "wrong_tenant"),
        (quote(quote(OTHER)), "wrong_tenant"),
        ("", "no_click_id"),
        (" ", "unreadable_identifier"),
        ("OUR_CID", "unreadable_identifier"),
        (CID + CID, "unreadable_identifier"),
        (f" {CID}", "unreadable_identifier"),
        (f"{CID}\n", "unreadable_identifier"),
        (COOKIE[:-1], "unreadable_identifier"),
        (json.dumps({"cid": CID}), "unreadable_identifier"),
        (json.dumps({"tenantId": 5, "cid": CID}), "unreadable_identifier"),
        (json.dumps({"tenantId": "example-shop"}), "unreadable_identifier"),
        (
            json.dumps({"tenantId": "example-shop", "cid": "x"}),
            "unreadable_identifier",
        ),
        (json.dumps([CID]), "unreadable_identifier"),
        ("null", "unreadable_identifier"),
        ("[" * 100_000, "unreadable_identifier"),
        ("\ud800", "unreadable_identifier"),
    ],
)
def test_what_a_stored_click_id_may_look_like(
    conversion: MakeConversion, stored: str, why: str | None
) -> None:
    order = conversion(identifiers={"trackdesk_cid": stored})
    withheld = trackdesk().eligibility(order, NOW)
    assert (withheld and withheld.reason) == why


@pytest.mark.parametrize(
    ("amount", "order", "is_held"),
    [
        ("revenue", {"revenue": Decimal("1.005")}, True),
        ("revenue", {"total": Decimal("1.005")}, False),
        ("total", {"total": Decimal("1.005")}, True),
        ("none", {"revenue": Decimal("1.005")}, False),
        ("revenue", {"revenue": Decimal("1.500"), "currency_digits": 2}, False),
    ],
)
def test_a_fraction_of_a_cent_is_quarantined(
    conversion: MakeConversion, amount: str, order: dict[str, Any], is_held: bool
) -> None:
    withheld = trackdesk(amount=amount).eligibility(conversion(**order), NOW)
    assert (withheld is not None) == is_held
    if withheld:
        assert (withheld.state, withheld.reason) == ("quarantined", "amount_precision")


def test_an_order_that_is_not_eligible_gives_no_request(
    conversion: MakeConversion,
) -> None:
    with pytest.raises(ValueError, match="not eligible: no_click_id"):
        next(trackdesk().exchange([conversion(identifiers={})]))


def test_each_order_is_its_own_batch(conversion: MakeConversion) -> None:
    orders = [conversion(order_id="1"), conversion(order_id="2")]
    assert [list(batch) for batch in trackdesk().batches(orders)] == [
        [orders[0]],
        [orders[1]],
    ]


# What is stored


def test_what_is_stored_of_a_request(conversion: MakeConversion) -> None:
    request = next(trackdesk().exchange([conversion()]))
    assert request.path_template == "/tracking/conversion/v1"
    assert request.stored == (
        {
            "order_id": "O1234567",
            "conversion_type_code": "sale",
            "cid": CID,
            "amount": "112.00",
            "currency": "USD",
        },
    )


def test_an_external_cid_is_stored_as_a_hash(conversion: MakeConversion) -> None:
    provider = trackdesk(**BY_EXTERNAL_CID)
    (link, sale), _ = converse(
        provider.exchange([conversion()]), answer(200), answer(200)
    )
    hashed = "sha256:3060af73e827"
    assert link.path_template == "/tracking/external-cid/v1"
    assert link.stored == (
        {"order_id": "O1234567", "cid": CID, "external_cid": hashed},
    )
    assert sale.stored[0]["external_cid"] == hashed
    assert "cid" not in sale.stored[0]


# Replies


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Conversion already exists", "already_exists"),
        ("CONVERSION_ALREADY_EXISTS", "already_exists"),
        ("conversion source not found", "conversion_source_not_found"),
        (
            "Conversion source with the external cid not found",
            "conversion_source_not_found",
        ),
        ("conversion source with the client not found", "conversion_source_not_found"),
        ("Conversion type not found", "conversion_type_not_found"),
        ("conversion type is not configured", "conversion_type_not_configured"),
        ("no pricing on the offer", "no_pricing"),
        ("Expired source", "expired_source"),
        ("the source is expired", "expired_source"),
        ("Offer is not active", "offer_not_active"),
        ("Missing conversion amount", "missing_amount"),
        ("Conversion limit reached", "limit_reached"),
        ("Unsupported currency", "unsupported_currency"),
        ("currency EUR is not supported", "unsupported_currency"),
        ("After attribution expiration", "after_attribution_expiration"),
        ("Blocked traffic", "blocked_traffic"),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 403, 404, 409, 422, 500])
@pytest.mark.parametrize("written", ["{}", '"{}"', '{{"errors":[{{"message":"{}"}}]}}'])
def test_a_known_reason_outranks_the_status(
    conversion: MakeConversion,
    status: int,
    written: str,
    text: str,
    reason: str,
) -> None:
    reply = answer(status, written.format(text))
    _, outcome = converse(trackdesk().exchange([conversion()]), reply)
    verdict = "duplicate" if reason == "already_exists" else "rejected"
    assert (outcome.verdict, outcome.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("reply", "verdict", "reason"),
    [
        (answer(200), "accepted", None),
        (answer(200, "OK"), "accepted", None),
        (answer(201, '{"id": "c-1"}'), "accepted", None),
        (answer(204), "accepted", None),
        (answer(200, '{"attributionExpiration": "2027-01-01"}'), "accepted", None),
        (answer(200, '{"alreadyExists": false}'), "accepted", None),
        (answer(200, '{"status": "CONVERSION_STATUS_REJECTED"}'), "accepted", None),
        (answer(200, '{"error": "no idea"}'), "uncertain", "error_in_reply"),
        (answer(200, '{"success": false}'), "uncertain", "error_in_reply"),
        (answer(200, "Error: no idea"), "uncertain", "error_in_reply"),
        (answer(200, '"error"'), "uncertain", "error_in_reply"),
        (answer(200, PAGE), "retryable", "html_reply"),
        (answer(200, "x", content_type="text/html"), "retryable", "html_reply"),
        (answer(400, "bad"), "rejected", "http_400"),
        (answer(422), "rejected", "http_422"),
        (answer(409), "duplicate", "http_409"),
        (answer(409, PAGE), "retryable", "html_reply"),
        (answer(302), "configuration", "http_302"),
        (answer(401), "configuration", "http_401"),
        (answer(403), "configuration", "http_403"),
        (answer(403, PAGE), "configuration", "http_403"),
        (answer(404), "configuration", "http_404"),
        (
            answer(404, "the requested resource was not found"),
            "configuration",
            "http_404",
        ),
        (
            answer(404, "Cannot POST /tracking/conversion/v1: not found"),
            "configuration",
            "http_404",
        ),
        (answer(410, "resource expired"), "configuration", "http_410"),
        (answer(429), "retryable", "http_429"),
        (answer(429, "conversion limit reached"), "retryable", "http_429"),
        (answer(403, "rate limit reached"), "configuration", "http_403"),
        (answer(500), "retryable", "http_500"),
        (answer(503), "retryable", "http_503"),
        (broken(Phase.CONNECTING), "retryable", "not_sent"),
        (broken(Phase.WAITING), "retryable", "no_reply"),
        (
            Reply(phase=Phase.READING, status=200, body=b"already exists"),
            "retryable",
            "no_reply",
        ),
    ],
)
def test_what_a_reply_means(
    conversion: MakeConversion, reply: Reply, verdict: str, reason: str | None
) -> None:
    _, outcome = converse(trackdesk().exchange([conversion()]), reply)
    assert (outcome.verdict, outcome.reason) == (verdict, reason)


def test_how_long_to_wait_is_passed_on(conversion: MakeConversion) -> None:
    reply = answer(429, retry_after="30")
    _, outcome = converse(trackdesk().exchange([conversion()]), reply)
    assert outcome.retry_after_s == 30.0


# The link before the conversion


@pytest.mark.parametrize(
    "linked",
    [
        answer(200),
        answer(204),
        answer(200, '{"linked": true}'),
        answer(400, "External CID already linked"),
        answer(409),
        answer(409, '{"message": "already exists"}'),
        answer(400, '{"error": "external cid exists"}'),
        answer(500, "EXTERNAL_CID_ALREADY_EXISTS"),
    ],
)
def test_once_linked_the_conversion_is_sent(
    conversion: MakeConversion, linked: Reply
) -> None:
    exchange = trackdesk(**BY_EXTERNAL_CID).exchange([conversion()])
    made, outcome = converse(exchange, linked, answer(200))
    assert [request.path_template for request in made] == [
        "/tracking/external-cid/v1",
        "/tracking/conversion/v1",
    ]
    assert outcome.verdict == "accepted"


@pytest.mark.parametrize(
    ("reply", "verdict", "reason"),
    [
        (broken(Phase.CONNECTING), "retryable", "link_failed"),
        (broken(Phase.WAITING), "retryable", "link_failed"),
        (answer(429), "retryable", "link_failed"),
        (answer(500), "retryable", "link_failed"),
        (answer(503), "retryable", "link_failed"),
        (answer(200, PAGE), "retryable", "link_failed"),
        (answer(200, '{"error": "no idea"}'), "retryable", "link_failed"),
        (answer(400, "bad cid"), "rejected", "link_refused"),
        (answer(404, "conversion source not found"), "rejected", "link_refused"),
        (answer(401), "configuration", "http_401"),
        (answer(404), "configuration", "http_404"),
        (answer(302), "configuration", "http_302"),
    ],
)
def test_without_the_link_no_conversion_is_sent(
    conversion: MakeConversion, reply: Reply, verdict: str, reason: str
) -> None:
    exchange = trackdesk(**BY_EXTERNAL_CID).exchange([conversion()])
    made, outcome = converse(exchange, reply)
    assert len(made) == 1
    assert (outcome.verdict, outcome.reason) == (verdict, reason)


def test_a_failed_link_tells_how_long_to_wait(conversion: MakeConversion) -> None:
    exchange = trackdesk(**BY_EXTERNAL_CID).exchange([conversion()])
    _, outcome = converse(exchange, answer(429, retry_after="30"))
    assert outcome.retry_after_s == 30.0
    assert outcome.detail == "http_429"


def test_a_failed_link_tells_what_broke(conversion: MakeConversion) -> None:
    exchange = trackdesk(**BY_EXTERNAL_CID).exchange([conversion()])
    _, outcome = converse(exchange, broken(Phase.WAITING))
    assert outcome.detail == "connection_reset"


def test_the_conversion_after_a_link_has_its_own_outcome(
    conversion: MakeConversion,
) -> None:
    exchange = trackdesk(**BY_EXTERNAL_CID).exchange([conversion()])
    _, outcome = converse(exchange, answer(200), answer(403, "offer not active"))
    assert (outcome.verdict, outcome.reason) == ("rejected", "offer_not_active")


def test_a_site_that_links_itself_needs_one_request(
    conversion: MakeConversion,
) -> None:
    exchange = trackdesk(**BY_EXTERNAL_CID, link=False).exchange([conversion()])
    (request,), _ = converse(exchange, answer(200))
    assert request.path_template == "/tracking/conversion/v1"


def test_the_path_of_the_manual_can_be_chosen(conversion: MakeConversion) -> None:
    manual = "/tracking/external-cid/v1"
    provider = trackdesk(**BY_EXTERNAL_CID, external_cid_conversion_path=manual)
    made, _ = converse(provider.exchange([conversion()]), answer(200), answer(200))
    assert [request.path_template for request in made] == [manual, manual]
    by_cid = trackdesk(external_cid_conversion_path=manual)
    request = next(by_cid.exchange([conversion()]))
    assert request.path_template == "/tracking/conversion/v1"
