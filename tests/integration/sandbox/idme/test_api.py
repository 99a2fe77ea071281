"""The sandbox as ID.me, over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from pipelines.sandbox.server import SandboxServer

PROPERTIES: dict[str, Any] = {
    "orderId": "ORD-123",
    "total": 149.99,
    "revenue": 139.99,
    "currency": "USD",
    "products": [{"sku": "SKU-001", "name": "Widget", "price": 49.99, "quantity": 3}],
}
EVENT: dict[str, Any] = {
    "event": "Order Completed",
    "eventId": "e-1",
    "timestamp": "2026-01-31T10:00:00Z",
    "conversionTrackingId": "ctid-1",
}


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


def send(
    server: SandboxServer,
    event: dict[str, Any] | None = None,
    properties: dict[str, Any] | None = None,
) -> requests.Response:
    body = {
        **EVENT,
        **(event or {}),
        "properties": {**PROPERTIES, **(properties or {})},
    }
    return requests.post(f"{server.url}/idme/events", json=body)


def test_an_order_counts_once_and_a_repeat_gets_the_same_reply(
    server: SandboxServer,
) -> None:
    assert [send(server).status_code, send(server).status_code] == [200, 200]
    assert server.sandbox.effects("idme") == {"ORD-123": 1}
    assert server.sandbox.requests("idme") == {"ORD-123": 2}
    assert [one.applied for one in server.sandbox.journal.entries] == [True, False]


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("event", "properties", "field"),
    [
        ({"event": "Order"}, {}, "event"),
        ({"conversionTrackingId": ""}, {}, "conversionTrackingId"),
        ({"timestamp": "2026-01-31 10:00"}, {}, "timestamp"),
        ({"appId": "x"}, {}, "appId"),
        ({"context": "server"}, {}, "context"),
        ({"eventId": " "}, {}, "eventId"),
        ({}, {"orderId": " "}, "properties.orderId"),
        ({}, {"orderId": 123}, "properties.orderId"),
        ({}, {"total": "149.99"}, "properties.total"),
        ({}, {"tax": True}, "properties.tax"),
        ({}, {"currency": "usd"}, "properties.currency"),
        ({}, {"coupon": None}, "properties.coupon"),
        ({}, {"products": {}}, "properties.products"),
        ({}, {"products": [{}]}, "properties.products[0]"),
        ({}, {"products": [{"quantity": "3"}]}, "properties.products[0].quantity"),
    ],
)
def test_a_wrong_event_is_refused_with_the_field(
    server: SandboxServer,
    event: dict[str, Any],
    properties: dict[str, Any],
    field: str,
) -> None:
    reply = send(server, event, properties)
    assert reply.status_code == 400
    assert f"{field}: " in reply.json()["error"]["message"]
    assert server.sandbox.effects("idme") == {}


@pytest.mark.parametrize(
    "missing", ["event", "eventId", "timestamp", "conversionTrackingId", "properties"]
)
def test_an_envelope_needs_the_fields_that_the_sdk_fills_in(
    server: SandboxServer, missing: str
) -> None:
    body = {**EVENT, "properties": PROPERTIES}
    del body[missing]
    reply = requests.post(f"{server.url}/idme/events", json=body)
    assert reply.status_code == 400
    assert f"{missing}: required field is missing" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    "properties",
    [
        {"giftWrap": True},
        {"products": []},
        {"products": [{"sku": "A", "colour": "red"}]},
        {"affiliation": "x" * 10_000},
        {"coupon": ""},
    ],
)
def test_fields_that_the_page_does_not_forbid_are_accepted(
    server: SandboxServer, properties: dict[str, Any]
) -> None:
    assert send(server, properties=properties).status_code == 200


def test_only_an_order_id_is_required(server: SandboxServer) -> None:
    body = {**EVENT, "properties": {"orderId": "ORD-123"}}
    assert requests.post(f"{server.url}/idme/events", json=body).status_code == 200


def test_two_applications_are_separate_accounts(server: SandboxServer) -> None:
    body = {**EVENT, "properties": PROPERTIES}
    for app in ("shop", "outlet", "shop"):
        assert requests.post(f"{server.url}/idme/{app}/events", json=body).ok
    assert server.sandbox.effects("idme", "shop") == {"ORD-123": 1}
    assert server.sandbox.effects("idme", "outlet") == {"ORD-123": 1}
    assert server.sandbox.requests("idme", "shop") == {"ORD-123": 2}
