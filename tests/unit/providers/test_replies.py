"""What a reply means where a provider's documents say nothing narrower."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from assets.providers.replies import (
    Phase,
    Reply,
    Verdict,
    classify,
    is_html,
    read_json,
    retry_after,
)

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ACCEPTED, RETRYABLE, UNCERTAIN = (
    Verdict.ACCEPTED,
    Verdict.RETRYABLE,
    Verdict.UNCERTAIN,
)
LOST = (RETRYABLE, UNCERTAIN)


def reply(status: int | None = 200, body: bytes = b"", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(phase=Phase.DONE, status=status, headers=named, body=body, at=AT)


def both(verdict: Verdict) -> tuple[Verdict, Verdict]:
    return verdict, verdict


TABLE: list[tuple[Iterable[int], tuple[Verdict, Verdict]]] = [
    ((200, 201, 202, 204, 206, 299), LOST),  # only a module says accepted
    ((400, 402, 406, 411, 413, 414, 415, 418, 422, 451, 499), both(Verdict.REJECTED)),
    ((409,), both(Verdict.DUPLICATE)),
    ((401, 403, 407), both(Verdict.CONFIGURATION)),
    ((404, 405, 410), both(Verdict.CONFIGURATION)),
    ((300, 301, 302, 303, 304, 307, 308, 399), both(Verdict.CONFIGURATION)),
    ((408, 425, 429), both(RETRYABLE)),
    ((500, 501, 502, 503, 504, 505, 520, 522, 524, 529, 599), LOST),
    ((100, 101, 103, 600, 999), LOST),
]
ROWS = [(status, verdicts) for statuses, verdicts in TABLE for status in statuses]


@pytest.mark.parametrize(("status", "verdicts"), ROWS)
@pytest.mark.parametrize("dedupes", [True, False])
def test_a_complete_reply_means_what_its_status_says(
    status: int, verdicts: tuple[Verdict, Verdict], dedupes: bool
) -> None:
    outcome = classify(reply(status), resend_is_safe=dedupes)
    assert outcome.verdict is verdicts[0 if dedupes else 1]
    assert outcome.reason == f"http_{status}"


@pytest.mark.parametrize("dedupes", [True, False])
def test_no_status_is_a_success_by_itself(dedupes: bool) -> None:
    delivered = {ACCEPTED, Verdict.QUEUED, Verdict.SETTLED, Verdict.STAGED}
    for status in range(100, 1000):
        assert classify(reply(status), resend_is_safe=dedupes).verdict not in delivered


@pytest.mark.parametrize("dedupes", [True, False])
@pytest.mark.parametrize("phase", [Phase.NONE, Phase.CONNECTING])
def test_what_never_left_may_be_sent_again(phase: Phase, dedupes: bool) -> None:
    unsent = Reply(phase=phase, error="ConnectionError")
    outcome = classify(unsent, resend_is_safe=dedupes)
    assert (outcome.verdict, outcome.reason) == (RETRYABLE, "not_sent")


@pytest.mark.parametrize("phase", [Phase.SENDING, Phase.WAITING, Phase.READING])
@pytest.mark.parametrize("status", [None, 200, 401, 429, 503])
def test_a_reply_that_broke_off_says_nothing(phase: Phase, status: int | None) -> None:
    broken = Reply(phase=phase, status=status, headers={"retry-after": "1"})
    assert classify(broken, resend_is_safe=True).verdict is RETRYABLE
    assert classify(broken, resend_is_safe=False).verdict is UNCERTAIN


def test_a_done_reply_without_a_status_is_no_success() -> None:
    assert classify(reply(None), resend_is_safe=False).verdict is UNCERTAIN


def test_a_refused_certificate_is_our_settings_not_the_order() -> None:
    refused = Reply(phase=Phase.CONNECTING, error="certificate")
    outcome = classify(refused, resend_is_safe=False)
    assert outcome.verdict is Verdict.CONFIGURATION
    assert outcome.reason == "certificate"


@pytest.mark.parametrize(
    ("header", "verdict"),
    [("5", RETRYABLE), ("-1", RETRYABLE), ("soon", UNCERTAIN), ("inf", UNCERTAIN)],
)
def test_503_is_unprocessed_only_where_it_says_when_to_come_back(
    header: str, verdict: Verdict
) -> None:
    outcome = classify(reply(503, retry_after=header), resend_is_safe=False)
    assert outcome.verdict is verdict


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2),
        (" 120 ", 120),
        ("0.5", 0.5),
        ("-1", 0),
        ("1000000000000", 1e12),
        ("Fri, 20 Nov 2026 12:01:30 GMT", 90),
        ("Fri, 20 Nov 2026 12:01:30 -0000", 90),
        ("Fri, 20 Nov 2026 14:01:30 +0200", 90),
        ("Thu, 19 Nov 2026 12:00:00 GMT", 0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("2, 3", None),
        ("Fri, 31 Feb 2026 12:00:00 GMT", None),
        ("Fri, 20 Nov 99999999999999999999 12:00:00 GMT", None),
        ("Fri, 20 Nov 2026 12:00:00 +99999999999999999999", None),
        ("Fri, 20 Nov 2026 12:00:00 +9999", None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(text: str, seconds: float | None) -> None:
    assert retry_after(reply(429, retry_after=text)) == seconds


def test_no_retry_after_says_nothing() -> None:
    assert retry_after(reply(429)) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b"Infinity",
        b"-Infinity",
        b"9" * 5000,
        b"-" + b"9" * 5000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 50_000 + b"]" * 50_000,
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": "\u00e9"}'.encode("latin-1"),
        '{"a": 1}'.encode("utf-16"),
        b"\x00",
        b"<html></html>",
    ],
)
def test_what_cannot_be_trusted_is_no_json(body: bytes) -> None:
    assert read_json(body) is None


@pytest.mark.parametrize("body", [b"1e400", b'{"a":1,"a":2}', b'"\\ud800"', b"null"])
def test_odd_but_legal_json_raises_nothing(body: bytes) -> None:
    read_json(body)


def test_json_is_read() -> None:
    assert read_json(b' {"Status": "OK", "n": [1, null]} ') == {
        "Status": "OK",
        "n": [1, None],
    }


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "text/html; charset=utf-8"),
        (b"{}", "application/xhtml+xml, TEXT/HTML"),
        (b"\r\n  <!DOCTYPE html><p>Sign in", "application/json"),
        (b"<HTML>", ""),
        (b"\xef\xbb\xbf<!doctype html>", ""),
    ],
)
def test_a_page_is_known_by_its_type_or_its_first_word(
    body: bytes, content_type: str
) -> None:
    assert is_html(reply(200, body, content_type=content_type))


@pytest.mark.parametrize("body", [b"", b"{}", b'"<html>"', b"OK"])
def test_an_answer_is_no_page(body: bytes) -> None:
    assert not is_html(reply(200, body, content_type="application/json"))
