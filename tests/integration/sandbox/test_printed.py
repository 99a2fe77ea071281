"""What `attribution sandbox` prints: enough to mend a set-up, nothing personal."""

from typing import Any

import pytest
import requests

from pipelines.sandbox.faults import KINDS
from pipelines.sandbox.printed import printed
from pipelines.sandbox.server import SandboxServer
from support.deployment import ROOT

IDME: dict[str, Any] = {
    "event": "Order Completed",
    "eventId": "e-1",
    "timestamp": "2026-01-31T10:00:00Z",
    "conversionTrackingId": "canary-ctid",
    "properties": {"orderId": "O1"},
}
IMPACT = {
    "CampaignId": "1000",
    "EventTypeCode": "sale",
    "EventDate": "2026-01-31T23:55:24Z",
    "ClickId": "canary-click",
    "OrderId": "O1",
}
TRACKDESK = {
    "couponCodes": ["CANARY"],
    "conversionTypeCode": "sale",
    "externalId": "O1",
}


def lines(server: SandboxServer) -> list[str]:
    """What was printed, without the time."""
    return [printed(entry)[9:] for entry in server.sandbox.journal.entries]


def post_idme(server: SandboxServer, **changes: Any) -> None:
    requests.post(f"{server.url}/idme/shop/events", json={**IDME, **changes})


def post_impact(server: SandboxServer, **changes: str) -> requests.Response:
    return requests.post(
        f"{server.url}/impact/Advertisers/IR1/Conversions",
        data={**IMPACT, **changes},
        headers={"Accept": "application/json"},
        auth=("IR1", "t0ken"),
    )


def test_a_line_says_when_where_what_and_what_came_of_it() -> None:
    with SandboxServer() as server:
        post_impact(server)
    (entry,) = server.sandbox.journal.entries
    assert printed(entry) == (
        f"{entry.at[11:19]} impact/IR1 POST /Advertisers/{{account}}/Conversions O1 "
        "-> 200 taken"
    )


def test_a_repeat_and_a_look_up_are_told_apart() -> None:
    with SandboxServer() as server:
        post_idme(server)
        post_idme(server)
        uri = post_impact(server).json()["QueuedUri"]
        accept = {"Accept": "application/json"}
        requests.get(
            f"{server.url}/impact{uri}?a=canary", headers=accept, auth=("IR1", "t0ken")
        )
    assert lines(server) == [
        "idme/shop POST /{account}/events O1 -> 200 taken",
        "idme/shop POST /{account}/events O1 -> 200 a repeat",
        "impact/IR1 POST /Advertisers/{account}/Conversions O1 -> 200 taken",
        "impact/IR1 GET /Advertisers/{account}/APISubmissions/{batch} -> 200 answered",
    ]


def test_a_refusal_names_the_field_and_why_but_no_value() -> None:
    with SandboxServer() as server:
        post_idme(server, properties={"orderId": "O1", "currency": "canary"})
        post_impact(server, CurrencyCode="canary", ItemSku1="canary")
        url = f"{server.url}/trackdesk/acme/tracking/conversion/v1"
        requests.post(url, json={**TRACKDESK, "cid": "canary"})
        url = f"{server.url}/convert/v1/track/1/2"
        agent = {"User-Agent": "ConvertAgent/1.0"}
        requests.post(url, json={"accountId": "canary"}, headers=agent)
    idme, impact, trackdesk, convert = lines(server)
    assert idme.endswith(
        "O1 -> 400 refused: properties.currency: expected an ISO 4217 code of three "
        "upper-case letters, got a string of 6 characters"
    )
    assert "O1 -> 400 refused: CurrencyCode: expected" in impact
    assert "; ItemCategory1: Required parameter is missing; " in impact
    assert impact.endswith("; and 1 more")
    assert "refused: conversion source not found (cid: expected a UUID" in trackdesk
    assert "convert/1 POST /v1/track/{account}/{project} -> 400 refused: " in convert
    assert "canary" not in (idme + impact + trackdesk + convert).lower()


def test_what_is_at_no_address_and_who_has_no_credentials_is_told() -> None:
    with SandboxServer() as server:
        requests.post(f"{server.url}/idme/v1/nowhere/events")
        requests.post(f"{server.url}/impact/Advertisers/IR1/Conversions", data=IMPACT)
        requests.put(f"{server.url}/idme/events")
    nowhere, stranger, method = lines(server)
    assert nowhere.endswith("-> 404 refused: nothing is at this address")
    assert stranger.endswith("O1 -> 401 refused: Unauthorized")
    assert method.endswith("-> 405 refused: expected POST at this address")


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        ("idme:status=503", "O1 -> 503 not taken, fault status=503"),
        ("idme:status=400 canary text", "O1 -> 400 not taken, fault status=400"),
        ("idme:drop", "O1 -> no reply not taken, fault drop"),
        ("idme:lost_reply", "O1 -> no reply taken, fault lost_reply"),
        ("idme:half_body", "O1 -> 200 taken, fault half_body"),
    ],
)
def test_a_fault_is_named(fault: str, end: str) -> None:
    with SandboxServer(faults=[fault]) as server:
        try:
            post_idme(server)
        except requests.RequestException:
            assert "drop" in fault or "lost" in fault or "half" in fault
    (line,) = lines(server)
    assert line.endswith(end)


def test_many_orders_are_counted() -> None:
    visitors = [
        {
            "visitorId": f"v{number}",
            "events": [
                {
                    "eventType": "conversion",
                    "data": {
                        "goalId": "1",
                        "goalData": [{"key": "transactionId", "value": f"O{number}"}],
                    },
                }
            ],
        }
        for number in range(8)
    ]
    body = {"accountId": "1", "projectId": "2", "visitors": visitors}
    with SandboxServer() as server:
        agent = {"User-Agent": "ConvertAgent/1.0"}
        requests.post(f"{server.url}/convert/v1/track/1/2", json=body, headers=agent)
    (line,) = lines(server)
    assert " O0 O1 O2 O3 O4 and 3 more -> " in line


@pytest.mark.parametrize(
    ("event", "hidden"),
    [
        ({"properties": {"orderId": "ann@example.com"}}, "ann@"),
        ({"properties": {"orderId": "\x1b[31mred"}}, "\x1b"),
        ({"Ann Smith": 1}, "Ann"),
        ({"a; Ann Smith: b": 1}, "Ann"),
        ({"Ann; b": 1}, "Ann"),
        ({"ann@example.com": 1}, "ann@"),
        ({"conversionTrackingId": ["Ann Smith"]}, "Ann"),
    ],
)
def test_nothing_personal_and_no_control_character_is_printed(
    event: dict[str, Any], hidden: str
) -> None:
    with SandboxServer() as server:
        post_idme(server, **event)
    (line,) = lines(server)
    assert hidden not in line
    assert line.isprintable()


def test_every_kind_of_fault_and_of_rule_is_documented() -> None:
    page = (ROOT / "docs/sandbox.md").read_text()
    for kind in KINDS:
        assert f"`{kind}" in page, kind
    for rule in ("`~order-regex`", "`@rate`", "`#first-n`"):
        assert rule in page
