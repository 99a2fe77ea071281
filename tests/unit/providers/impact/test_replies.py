"""impact.com: what a reply to a conversion means."""

from collections.abc import Callable
from typing import Any

import pytest

from assets.providers.conversion import Conversion
from assets.providers.replies import Outcome, Phase, Reply, Verdict
from support.impact_account import HTML, NOW, answer, impact

Make = Callable[..., Any]


SUBMISSION = "/Advertisers/SID1/APISubmissions/A-5f2b"
QUEUED = {"Status": "QUEUED", "QueuedUri": SUBMISSION}


def sent(reply: Reply, order: Conversion) -> Outcome:
    """What becomes of an order that is answered so."""
    exchange = impact().exchange([order])
    next(exchange)
    with pytest.raises(StopIteration) as end:
        exchange.send(reply)
    (outcome,) = end.value.value
    return outcome


ERROR = {"Status": "ERROR", "errors": [{"field": "Margin", "message": "Invalid"}]}
GENERIC = {"message": "Bad", "Errors": [{"Field": "Margin", "Message": "Invalid"}]}


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
        (
            {
                "errors": [
                    {"field": "A", "message": "x", "level": "ERROR"},
                    {"Field": "B", "Message": "y"},
                ]
            },
            "A: x; B: y",
        ),
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
def test_a_refusal_keeps_fields_and_messages(
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


@pytest.mark.parametrize("status", ["QUEUED", "OK"])
def test_warnings_beside_a_success_are_kept(conversion: Make, status: str) -> None:
    body = {
        "Status": status,
        "QueuedUri": SUBMISSION,
        "warnings": [
            {"field": "Date1", "level": "WARNING", "message": "Invalid date"},
            {"field": "CustomerCity", "level": "WARNING", "message": "No Goleta"},
        ],
    }
    outcome = sent(answer(200, body), conversion())
    assert outcome.detail == "warnings: Date1; CustomerCity"
    body["warnings"] = [{"field": "ItemMpn1", "message": "ignored"}]
    outcome = sent(answer(200, body), conversion())
    assert outcome.detail == "warnings: ItemMpn1: ignored"


def test_the_example_replies_of_the_reference(conversion: Make) -> None:
    queued = {"Status": "QUEUED", "QueuedUri": SUBMISSION}
    assert sent(answer(200, queued), conversion()).provider_ref == "A-5f2b"
    error = {
        "Status": "ERROR",
        "errors": [
            {
                "field": "Margin",
                "level": "ERROR",
                "message": "Invalid numeric format (fifty)",
            }
        ],
    }
    outcome = sent(answer(400, error), conversion())
    assert outcome.verdict is Verdict.REJECTED
    assert outcome.detail == "Margin: Invalid numeric format (fifty)"
