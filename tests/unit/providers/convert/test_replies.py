"""Convert: what each reply means."""

from collections.abc import Callable

import pytest

from assets.providers.conversion import Conversion
from assets.providers.replies import Phase, Reply, Verdict
from support.convert_account import (
    OK,
    answer,
    broken,
    converse,
    convert,
    one_order_per_visitor,
    verdicts,
)

MakeConversion = Callable[..., Conversion]


@pytest.mark.parametrize(
    ("reply", "verdict", "reason"),
    [
        (answer(200, OK), "accepted", None),
        (answer(200), "accepted", None),
        (answer(201, b"created"), "accepted", None),
        (answer(202, b"[]"), "accepted", None),
        (answer(204), "accepted", None),
        (answer(200, b'{"errors": [], "error": null}'), "accepted", None),
        (answer(200, b'{"success": true, "status": "ok"}'), "accepted", None),
        (answer(200, b'"error"'), "accepted", None),
        (answer(200, b'{"error": "no goal"}'), "uncertain", "error_in_reply"),
        (answer(200, b'{"errorMessage": "x"}'), "uncertain", "error_in_reply"),
        (answer(200, b'\xef\xbb\xbf{"Error": 1}'), "uncertain", "error_in_reply"),
        (answer(200, b'{"error": NaN}'), "uncertain", "error_in_reply"),
        (answer(200, b'{"error": "cut'), "uncertain", "error_in_reply"),
        (answer(200, b'{"code": 400}'), "uncertain", "error_in_reply"),
        (answer(200, b'{"success": false}'), "uncertain", "error_in_reply"),
        (answer(200, b'{"status": "failed"}'), "uncertain", "error_in_reply"),
        (answer(200, b'[{"data": {"errors": [1]}}]'), "uncertain", "error_in_reply"),
        (answer(200, b"<!DOCTYPE html><p>Log in"), "uncertain", "html_reply"),
        (answer(200, OK, content_type="text/html"), "uncertain", "html_reply"),
        (answer(400, b'{"code": 400}'), "rejected", "http_400"),
        (answer(409), "rejected", "http_409"),
        (answer(413), "rejected", "http_413"),
        (answer(422), "rejected", "http_422"),
        (answer(301), "configuration", "http_301"),
        (answer(401), "configuration", "http_401"),
        (answer(403), "configuration", "http_403"),
        (answer(404), "configuration", "http_404"),
        (answer(405), "configuration", "http_405"),
        (answer(407), "configuration", "http_407"),
        (answer(410), "configuration", "http_410"),
        (answer(408), "retryable", "http_408"),
        (answer(425), "retryable", "http_425"),
        (answer(429), "retryable", "http_429"),
        (answer(503, retry_after="7"), "retryable", "http_503"),
        (answer(500), "uncertain", "http_500"),
        (answer(502), "uncertain", "http_502"),
        (answer(503), "uncertain", "http_503"),
        (answer(999), "uncertain", "http_999"),
        (broken(Phase.NONE), "retryable", "not_sent"),
        (broken(Phase.CONNECTING), "retryable", "not_sent"),
        (broken(Phase.SENDING), "uncertain", "no_reply"),
        (broken(Phase.WAITING), "uncertain", "no_reply"),
        (Reply(phase=Phase.READING, status=200, body=OK), "uncertain", "no_reply"),
    ],
)
def test_what_a_reply_means(
    conversion: MakeConversion, reply: Reply, verdict: str, reason: str | None
) -> None:
    asked, (outcome,) = converse(convert().exchange([conversion()]), lambda _: reply)
    assert len(asked) == 1
    assert (outcome.verdict, outcome.reason) == (verdict, reason)


@pytest.mark.parametrize(
    "reply", [answer(500), answer(503), broken(Phase.WAITING), broken(Phase.READING)]
)
def test_a_lost_reply_is_retried_only_where_that_was_chosen(
    conversion: MakeConversion, reply: Reply
) -> None:
    exchange = convert(resend_uncertain=True).exchange([conversion()])
    _, (outcome,) = converse(exchange, lambda _: reply)
    assert outcome.verdict is Verdict.RETRYABLE


def test_how_long_to_wait_is_passed_on(conversion: MakeConversion) -> None:
    exchange = convert().exchange([conversion()])
    _, (outcome,) = converse(exchange, lambda _: answer(429, retry_after="2"))
    assert outcome.retry_after_s == 2.0


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (answer(200), "accepted"),
        (answer(500), "uncertain"),
        (answer(429), "retryable"),
        (broken(Phase.WAITING), "uncertain"),
        (broken(Phase.CONNECTING), "retryable"),
        (answer(401), "configuration"),
    ],
)
def test_a_reply_counts_for_the_whole_batch(
    conversion: MakeConversion, reply: Reply, verdict: str
) -> None:
    exchange = convert().exchange(one_order_per_visitor(conversion, "a", "b", "c"))
    asked, outcomes = converse(exchange, lambda _: reply)
    assert asked == [["a", "b", "c"]]
    assert verdicts(outcomes) == [verdict] * 3
