"""Trackdesk: what each reply means for a conversion."""

from collections.abc import Callable

import pytest

from assets.providers.conversion import Conversion
from assets.providers.replies import Phase, Reply
from support.trackdesk_account import answer, broken, converse, trackdesk

MakeConversion = Callable[..., Conversion]
PAGE = b"<html><p>already exists</p></html>"


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
@pytest.mark.parametrize("status", [200, 400, 403, 404, 409, 412, 422])
@pytest.mark.parametrize("written", ["{}", '"{}"', '{{"errors":[{{"message":"{}"}}]}}'])
def test_a_known_reason_outranks_a_status_that_may_be_about_the_order(
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
    ("status", "verdict"),
    [
        *((status, "configuration") for status in (301, 302, 308, 401, 407, 410)),
        *((status, "retryable") for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
)
@pytest.mark.parametrize(
    "text",
    ["table already exists", "Conversion type not found", "conversion limit reached"],
)
def test_no_known_reason_outranks_a_status_that_is_never_about_the_order(
    conversion: MakeConversion, status: int, verdict: str, text: str
) -> None:
    _, outcome = converse(trackdesk().exchange([conversion()]), answer(status, text))
    assert (outcome.verdict, outcome.reason) == (verdict, f"http_{status}")


@pytest.mark.parametrize(
    ("reply", "verdict", "reason"),
    [
        (answer(200), "accepted", None),
        (answer(200, '{"message": "ok"}'), "accepted", None),
        (answer(200, '{"status": "PENDING"}'), "accepted", None),
        (
            answer(200, '{"id": "c-1", "status": "CONVERSION_STATUS_APPROVED"}'),
            "accepted",
            None,
        ),
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
        (answer(200, '{"status": "SYSTEM_ERROR"}'), "uncertain", "error_in_reply"),
        (answer(200, '{"status": "REJECTED"}'), "uncertain", "error_in_reply"),
        (answer(200, "Invalid cid"), "uncertain", "error_in_reply"),
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


@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_a_configured_text_means_already_exists(
    conversion: MakeConversion, status: int
) -> None:
    provider = trackdesk(duplicate_markers=["EXTERNAL_ID taken"])
    reply = answer(status, '{"reason": "the External Id: taken!"}')
    _, outcome = converse(provider.exchange([conversion()]), reply)
    assert (outcome.verdict, outcome.reason) == ("duplicate", "already_exists")
    _, outcome = converse(trackdesk().exchange([conversion()]), reply)
    assert outcome.verdict != "duplicate"


@pytest.mark.parametrize("status", [302, 401, 407, 429, 502, 503])
def test_no_configured_text_turns_a_reply_of_somebody_else_into_a_delivery(
    conversion: MakeConversion, status: int
) -> None:
    provider = trackdesk(duplicate_markers=["taken"])
    _, outcome = converse(provider.exchange([conversion()]), answer(status, "taken"))
    assert outcome.reason == f"http_{status}"
