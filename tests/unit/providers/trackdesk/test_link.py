"""Trackdesk: the link before the conversion, made once for each pair."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from assets.providers.conversion import Conversion
from assets.providers.replies import Phase, Reply
from support.trackdesk_account import (
    BY_COUPON,
    BY_EXTERNAL_CID,
    CID,
    ORIGIN,
    answer,
    broken,
    converse,
    trackdesk,
)

MakeConversion = Callable[..., Conversion]
PAGE = b"<html><p>already exists</p></html>"


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
        answer(422, "EXTERNAL_CID_ALREADY_EXISTS"),
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
        (answer(500, "table already exists"), "retryable", "link_failed"),
        (answer(401, "exists"), "configuration", "http_401"),
        (answer(302, "already exists"), "configuration", "http_302"),
        (answer(200, "Invalid cid"), "retryable", "link_failed"),
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


# Pairs that are linked already


def linked(order: Conversion, **settings: Any) -> Conversion:
    """The order as the engine hands it over once its pair is remembered."""
    (key,) = trackdesk(**BY_EXTERNAL_CID, **settings).relevant_keys(order)
    return replace(order, remembered={key.digest: "O1"})


def test_a_pair_that_was_linked_is_remembered(conversion: MakeConversion) -> None:
    provider = trackdesk(**BY_EXTERNAL_CID)
    (key,) = provider.relevant_keys(conversion())
    _, outcome = converse(provider.exchange([conversion()]), answer(200), answer(200))
    assert outcome.remember == (key.digest,)
    assert not key.is_exclusive


@pytest.mark.parametrize(
    "reply", [answer(400, "limit"), answer(500), broken(Phase.WAITING)]
)
def test_it_is_linked_whatever_became_of_the_conversion(
    conversion: MakeConversion, reply: Reply
) -> None:
    exchange = trackdesk(**BY_EXTERNAL_CID).exchange([conversion()])
    _, outcome = converse(exchange, answer(200), reply)
    assert len(outcome.remember) == 1


@pytest.mark.parametrize(
    "reply", [answer(400), answer(401), answer(500), broken(Phase.WAITING)]
)
def test_a_link_that_failed_is_not_remembered(
    conversion: MakeConversion, reply: Reply
) -> None:
    exchange = trackdesk(**BY_EXTERNAL_CID).exchange([conversion()])
    _, outcome = converse(exchange, reply)
    assert outcome.remember == ()


def test_a_remembered_pair_is_not_linked_again(conversion: MakeConversion) -> None:
    exchange = trackdesk(**BY_EXTERNAL_CID).exchange([linked(conversion())])
    (request,), outcome = converse(exchange, answer(200))
    assert request.path_template == "/tracking/conversion/v1"
    assert outcome.verdict == "accepted"


def test_a_pair_that_trackdesk_forgot_is_linked_anew(
    conversion: MakeConversion,
) -> None:
    exchange = trackdesk(**BY_EXTERNAL_CID).exchange([linked(conversion())])
    forgot = answer(400, "conversion source with the external cid not found")
    made, outcome = converse(exchange, forgot, answer(200), answer(200))
    assert [request.path_template for request in made] == [
        "/tracking/conversion/v1",
        "/tracking/external-cid/v1",
        "/tracking/conversion/v1",
    ]
    assert made[0].body == made[2].body
    assert outcome.verdict == "accepted"


def test_a_source_that_is_not_found_after_all_is_refused(
    conversion: MakeConversion,
) -> None:
    exchange = trackdesk(**BY_EXTERNAL_CID).exchange([linked(conversion())])
    unknown = answer(400, "conversion source with the external cid not found")
    _, outcome = converse(exchange, unknown, answer(200), unknown)
    assert (outcome.verdict, outcome.reason) == (
        "rejected",
        "conversion_source_not_found",
    )


@pytest.mark.parametrize(
    ("settings", "order"),
    [
        ({}, {"trackdesk_cid": CID.replace("2d", "3e")}),
        ({}, {"trackdesk_external_cid": "ext-78"}),
        ({"revenue_origin_id": ORIGIN.replace("6f", "7f")}, {}),
        ({"tenant_id": "other-shop"}, {}),
    ],
)
def test_another_click_visitor_origin_or_tenant_is_another_pair(
    conversion: MakeConversion, settings: dict[str, Any], order: dict[str, str]
) -> None:
    identifiers = {"trackdesk_cid": CID, "trackdesk_external_cid": "ext-77"}
    first = conversion(identifiers=identifiers)
    second = conversion(identifiers=identifiers | order)
    keys = {
        trackdesk(**BY_EXTERNAL_CID).relevant_keys(first),
        trackdesk(**BY_EXTERNAL_CID | settings).relevant_keys(second),
    }
    assert len(keys) == 2


@pytest.mark.parametrize(
    "settings",
    [{}, BY_COUPON, BY_EXTERNAL_CID | {"link": False}],
    ids=["cid", "coupon", "the site links"],
)
def test_without_a_link_there_are_no_relevant_keys(
    conversion: MakeConversion, settings: dict[str, Any]
) -> None:
    assert trackdesk(**settings).relevant_keys(conversion()) == ()


def test_an_order_without_its_identifiers_has_no_relevant_keys(
    conversion: MakeConversion,
) -> None:
    assert trackdesk(**BY_EXTERNAL_CID).relevant_keys(conversion(identifiers={})) == ()


def test_the_payload_does_not_depend_on_what_is_remembered(
    conversion: MakeConversion,
) -> None:
    provider = trackdesk(**BY_EXTERNAL_CID)
    order = conversion()
    assert provider.payload(order) == provider.payload(linked(order))


def test_only_the_link_reports_nothing(conversion: MakeConversion) -> None:
    exchange = trackdesk(**BY_EXTERNAL_CID).exchange([conversion()])
    made, _ = converse(exchange, answer(200), answer(200))
    assert [request.reports for request in made] == [False, True]
