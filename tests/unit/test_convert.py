"""Convert: who is sent, in which batches, and what each reply means."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from assets.providers.base import Exchange, Provider, Request
from assets.providers.conversion import Conversion, Segments
from assets.providers.convert import Convert, ConvertSettings
from assets.providers.replies import Outcome, Phase, Reply, Verdict

MakeConversion = Callable[..., Conversion]

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
REQUIRED = {
    "provider": "convert",
    "account_id": "10007679",
    "project_id": "10007855",
    "goal_id": "100037225",
    "currency": "USD",
}
OK = b'{"code": 200, "message": "OK"}'


def convert(**changes: Any) -> Convert:
    return Convert(ConvertSettings.model_validate(REQUIRED | changes))


def answer(status: int, body: bytes = b"", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(phase=Phase.DONE, status=status, body=body, headers=named)


def broken(phase: Phase) -> Reply:
    return Reply(phase=phase, error="connection_reset")


def order_ids(request: Request) -> list[str]:
    """The transaction ids of a request, in the order in which they are sent."""
    return [
        pair["value"]
        for visitor in json.loads(request.body)["visitors"]
        for event in visitor["events"]
        for pair in event["data"]["goalData"]
        if pair["key"] == "transactionId"
    ]


def converse(
    exchange: Exchange, reply_to: Callable[[list[str]], Reply]
) -> tuple[list[list[str]], list[Outcome]]:
    """The orders of each request that was made, and the outcomes in the end."""
    asked: list[list[str]] = []
    request = next(exchange)
    while True:
        asked.append(order_ids(request))
        try:
            request = exchange.send(reply_to(asked[-1]))
        except StopIteration as end:
            return asked, end.value


def refusing(*bad: str) -> Callable[[list[str]], Reply]:
    """Convert as it refuses every request that holds one of these orders."""
    return lambda orders: answer(400 if set(orders) & set(bad) else 200)


@pytest.fixture
def orders(conversion: MakeConversion) -> Callable[..., list[Conversion]]:
    """Makes one order for each visitor, named after it: `a` is the order of `a`."""

    def make(*visitors: str) -> list[Conversion]:
        return [
            conversion(order_id=name, identifiers={"convert_visitor_id": name})
            for name in visitors
        ]

    return make


def verdicts(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.verdict for outcome in outcomes]


# Settings


def test_the_shipped_defaults() -> None:
    settings = ConvertSettings.model_validate(REQUIRED)
    assert settings.base_url == "https://metrics.convertexperiments.com"
    assert settings.require_consent
    assert settings.enrich_data
    assert settings.visitors_per_request == 50
    assert not settings.first_order_only
    assert not settings.send_without_bucketing
    assert not settings.resend_uncertain
    assert settings.sdk_key is None
    assert settings.sdk_key_secret is None


def test_ids_may_be_written_as_numbers() -> None:
    settings = ConvertSettings.model_validate(
        REQUIRED | {"account_id": 1, "project_id": 2, "goal_id": 3, "currency": "usd"}
    )
    assert (settings.account_id, settings.project_id) == ("1", "2")
    assert (settings.goal_id, settings.currency) == ("3", "USD")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"account_id": "10007679/../x"}, "account_id"),
        ({"project_id": ""}, "project_id"),
        ({"goal_id": ""}, "goal_id"),
        ({"currency": "US$"}, "currency"),
        ({"currency": "XXX"}, "currency"),
        ({"visitors_per_request": 0}, "visitors_per_request"),
        ({"base_url": "http://metrics.example.com"}, "https"),
        ({"base_url": "https://metrics.example.com/v1"}, "ends before /v1/track"),
        ({"base_url": "https://metrics.example.com/v1/track/"}, "ends before"),
        ({"sdk_key_secret": "s3cret"}, "sdk_key_secret needs sdk_key"),
        ({"send_without_bucketing": True, "enrich_data": False}, "needs enrich_data"),
        ({"resend_uncertain": True, "enrich_data": False}, "needs enrich_data"),
        ({"first_order_only": True}, "not built yet"),
        ({"fields": {"customDimension1": "affiliation"}}, "no field of this provider"),
        ({"goal": "100037225"}, "goal\n"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ConvertSettings.model_validate(REQUIRED | changes)


def test_no_message_about_settings_quotes_a_secret() -> None:
    wrong = {"sdk_key": "key-value", "sdk_key_secret": "secret-value"}
    with pytest.raises(ValidationError) as caught:
        convert(**wrong, resend_uncertain=True, enrich_data=False)
    assert "-value" not in str(caught.value)


def test_what_the_engine_is_told() -> None:
    provider: Provider = convert()
    assert provider.event == "100037225"
    assert provider.channel == "http"
    assert provider.limits.in_flight == 8
    assert provider.limits.conversions_per_request == 50
    assert provider.resend.kind == "never"
    assert provider.secrets == ()


def test_settings_that_the_engine_is_told() -> None:
    provider = convert(
        in_flight=2,
        requests_per_second=1.5,
        requests_per_hour=900,
        visitors_per_request=10,
        resend_uncertain=True,
        sdk_key="the-key",
        sdk_key_secret="the-secret",
    )
    assert provider.limits.in_flight == 2
    assert provider.limits.requests_per_second == 1.5
    assert provider.limits.requests_per_hour == 900
    assert provider.limits.conversions_per_request == 10
    assert provider.resend.kind == "dedupe"
    assert provider.secrets == ("the-key", "the-secret")


# Eligibility


@pytest.mark.parametrize(
    ("settings", "order", "why"),
    [
        ({}, {}, None),
        ({}, {"is_test": True}, "test_order"),
        ({}, {"tracking_consent": None}, "no_consent"),
        ({}, {"tracking_consent": False}, "consent_refused"),
        ({"require_consent": False}, {"tracking_consent": None}, None),
        ({}, {"identifiers": {}}, None),
        ({}, {"visitor_id": None}, None),
        ({}, {"identifiers": {}, "visitor_id": None}, "no_visitor_id"),
        ({}, {"identifiers": {}, "visitor_id": ""}, "no_visitor_id"),
        ({}, {"currency": "EUR"}, "currency_not_taken"),
        ({"currency": "EUR"}, {"currency": "EUR"}, None),
        ({}, {"bucketing": {}}, "no_bucketing"),
        ({"send_without_bucketing": True}, {"bucketing": {}}, None),
    ],
)
def test_who_is_sent(
    conversion: MakeConversion,
    settings: dict[str, Any],
    order: dict[str, Any],
    why: str | None,
) -> None:
    withheld = convert(**settings).eligibility(conversion(**order), NOW)
    assert (withheld and (withheld.state, withheld.reason)) == (
        why and ("suppressed", why)
    )


def test_a_fraction_of_a_cent_is_quarantined(conversion: MakeConversion) -> None:
    withheld = convert().eligibility(conversion(revenue=Decimal("1.005")), NOW)
    assert withheld is not None
    assert (withheld.state, withheld.reason) == ("quarantined", "amount_precision")


# Payload


def visitor_sent(order: Conversion, **settings: Any) -> Any:
    request = next(convert(**settings).exchange([order]))
    return json.loads(request.body)["visitors"][0]


def test_converts_own_visitor_id_wins(conversion: MakeConversion) -> None:
    assert visitor_sent(conversion())["visitorId"] == "visitor-abc123"
    assert visitor_sent(conversion(identifiers={}))["visitorId"] == "v-1001"


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ({"browser": "EDG"}, {}),
        ({"browser": "ch"}, {}),
        ({"browser": "IE"}, {"browser": "IE"}),
        ({"device": "TOASTER"}, {}),
        ({"device": "OTHTAB"}, {"devices": ["OTHTAB"]}),
        ({"source": "email"}, {}),
        ({"source": "ai_tool"}, {"source": "ai_tool"}),
        ({"visitor_type": "0"}, {}),
        ({"visitor_type": "new"}, {"visitorType": "new"}),
        ({"country": "USA"}, {}),
        ({"country": "U1"}, {}),
        ({"country": "GB"}, {"country": "GB"}),
        ({"campaign": ""}, {}),
        ({"campaign": "spring"}, {"campaign": "spring"}),
        ({"custom_segments": ("s-1", "")}, {"customSegments": ["s-1"]}),
        ({"browser": "FF", "source": "email"}, {"browser": "FF"}),
    ],
)
def test_only_segments_of_the_closed_lists_are_sent(
    conversion: MakeConversion, stored: dict[str, Any], sent: dict[str, Any]
) -> None:
    visitor = visitor_sent(conversion(segments=Segments(**stored)))
    assert visitor.get("segments", {}) == sent
    assert visitor.get("segments") != {}


@pytest.mark.parametrize(
    ("quantities", "written"),
    [
        (["1", "2"], b"3"),
        (["2.00"], b"2"),
        (["10.00"], b"10"),
        (["0.500", "1"], b"1.5"),
        (["0.0000001"], b"0.0000001"),
        (["0"], b"0"),
    ],
)
def test_products_are_counted_by_quantity(
    conversion: MakeConversion,
    item: Callable[..., Any],
    quantities: list[str],
    written: bytes,
) -> None:
    items = tuple(item(quantity=Decimal(one)) for one in quantities)
    request = next(convert().exchange([conversion(items=items)]))
    assert b'{"key":"productsCount","value":' + written + b"}" in request.body


def test_an_entry_has_the_latest_segments_that_are_known(
    conversion: MakeConversion,
) -> None:
    first = conversion(order_id="9", segments=Segments(browser="CH"))
    second = replace(
        first,
        order_id="2",
        completed_at=first.completed_at + timedelta(hours=1),
        segments=Segments(browser="FF"),
    )
    third = replace(
        first,
        order_id="1",
        completed_at=first.completed_at + timedelta(hours=2),
        segments=None,
    )
    request = next(convert().exchange([third, first, second]))
    (visitor,) = json.loads(request.body)["visitors"]
    assert visitor["segments"] == {"browser": "FF"}
    assert order_ids(request) == ["9", "2", "1"]


def test_enrichment_can_be_switched_off(conversion: MakeConversion) -> None:
    request = next(convert(enrich_data=False).exchange([conversion()]))
    assert json.loads(request.body)["enrichData"] is False


def test_no_account_shows_in_what_is_logged(conversion: MakeConversion) -> None:
    request = next(convert().exchange([conversion()]))
    assert request.path_template == "/v1/track/{account_id}/{project_id}"
    keyed = next(convert(sdk_key="the-key").exchange([conversion()]))
    assert keyed.path_template == "/v1/track/{sdk_key}"
    assert keyed.url == "https://metrics.convertexperiments.com/v1/track/the-key"
    assert "Authorization" not in keyed.headers
    assert "10007679" not in repr(request)
    assert "the-key" not in repr(keyed)


def test_what_is_stored_of_a_request(conversion: MakeConversion) -> None:
    request = next(convert().exchange([conversion()]))
    assert request.stored == (
        {
            "order_id": "O1234567",
            "goal_id": "100037225",
            "amount": "112.00",
            "currency": "USD",
            "bucketing": {"100127238": "1001186427"},
            "visitor_id": "sha256:2e3d61f30fa5",
        },
    )


# Batches


def test_a_batch_is_cut_between_visitors(
    orders: Callable[..., list[Conversion]],
) -> None:
    a, b, c = orders("a", "b", "c")
    later = replace(a, order_id="a2", completed_at=a.completed_at + timedelta(hours=1))
    cut = list(convert(visitors_per_request=2).batches([later, c, b, a]))
    assert [[one.order_id for one in batch] for batch in cut] == [
        ["a", "a2", "b"],
        ["c"],
    ]


def test_the_same_orders_give_the_same_bytes_in_whatever_order_they_come(
    orders: Callable[..., list[Conversion]],
) -> None:
    given = orders("a", "b", "c")
    one, other = (next(convert().exchange(batch)) for batch in (given, given[::-1]))
    assert one.body == other.body
    assert one.hash == other.hash
    assert [stored["order_id"] for stored in other.stored] == ["c", "b", "a"]


def test_no_orders_no_batches() -> None:
    assert list(convert().batches([])) == []


# Replies


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
    orders: Callable[..., list[Conversion]], reply: Reply, verdict: str
) -> None:
    exchange = convert().exchange(orders("a", "b", "c"))
    asked, outcomes = converse(exchange, lambda _: reply)
    assert asked == [["a", "b", "c"]]
    assert verdicts(outcomes) == [verdict] * 3


# A refused batch


def test_one_bad_order_is_found_by_halving(
    orders: Callable[..., list[Conversion]],
) -> None:
    exchange = convert().exchange(orders(*"abcdefgh"))
    asked, outcomes = converse(exchange, refusing("f"))
    assert ["".join(request) for request in asked] == [
        *("abcdefgh", "abcd", "efgh", "ef", "e", "f", "gh")
    ]
    assert verdicts(outcomes) == [*["accepted"] * 5, "rejected", *["accepted"] * 2]
    assert outcomes[5].reason == "http_400"


def test_what_was_accepted_is_never_sent_again(
    orders: Callable[..., list[Conversion]],
) -> None:
    bad = {"b", "e", "g"}
    taken: list[str] = []

    def reply_to(asked: list[str]) -> Reply:
        if bad & set(asked):
            return answer(422)
        taken.extend(asked)
        return answer(200)

    names = "abcdefg"
    _, outcomes = converse(convert().exchange(orders(*names)), reply_to)
    assert sorted(taken) == sorted(set(names) - bad)
    assert verdicts(outcomes) == [
        "rejected" if name in bad else "accepted" for name in names
    ]


def test_outcomes_stand_in_the_order_of_the_batch(
    orders: Callable[..., list[Conversion]],
) -> None:
    batch = orders("c", "a", "b")
    _, outcomes = converse(convert().exchange(batch), refusing("c"))
    assert verdicts(outcomes) == ["rejected", "accepted", "accepted"]


def test_the_orders_of_one_visitor_are_halved_as_well(
    conversion: MakeConversion,
) -> None:
    first = conversion(order_id="1")
    batch = [
        replace(
            first,
            order_id=str(number),
            completed_at=first.completed_at + timedelta(minutes=number),
        )
        for number in range(1, 4)
    ]
    asked, outcomes = converse(convert().exchange(batch), refusing("3"))
    assert asked == [["1", "2", "3"], ["1", "2"], ["3"]]
    assert verdicts(outcomes) == ["accepted", "accepted", "rejected"]


def test_a_half_stores_only_its_own_orders_at_their_positions(
    orders: Callable[..., list[Conversion]],
) -> None:
    exchange = convert().exchange(orders("a", "b"))
    whole = next(exchange)
    half = exchange.send(answer(400))
    assert (whole.positions, half.positions) == ((0, 1), (0,))
    assert [len(request.stored) for request in (whole, half)] == [2, 1]
    assert half.stored[0]["order_id"] == "a"


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (answer(503, retry_after="5"), "retryable"),
        (answer(500), "uncertain"),
        (broken(Phase.WAITING), "uncertain"),
    ],
)
def test_trouble_with_one_half_does_not_stop_the_other(
    orders: Callable[..., list[Conversion]], reply: Reply, verdict: str
) -> None:
    replies = iter([answer(400), reply, answer(200)])
    exchange = convert().exchange(orders("a", "b", "c", "d"))
    asked, outcomes = converse(exchange, lambda _: next(replies))
    assert asked == [["a", "b", "c", "d"], ["a", "b"], ["c", "d"]]
    assert verdicts(outcomes) == [verdict] * 2 + ["accepted"] * 2


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (answer(401), "configuration"),
        (answer(404), "configuration"),
        (broken(Phase.CONNECTING), "retryable"),
        (broken(Phase.NONE), "retryable"),
    ],
)
def test_what_could_not_be_sent_any_more_is_retried(
    orders: Callable[..., list[Conversion]], reply: Reply, verdict: str
) -> None:
    replies = iter([answer(400), answer(400), answer(200), reply])
    exchange = convert().exchange(orders("a", "b", "c", "d"))
    asked, outcomes = converse(exchange, lambda _: next(replies))
    assert asked == [["a", "b", "c", "d"], ["a", "b"], ["a"], ["b"]]
    assert verdicts(outcomes) == ["accepted", verdict, "retryable", "retryable"]
    assert [outcome.reason for outcome in outcomes[2:]] == ["not_sent", "not_sent"]
