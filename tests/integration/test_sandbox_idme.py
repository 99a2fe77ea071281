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


def test_an_order_is_taken_once_and_a_repeat_is_answered_alike(
    server: SandboxServer,
) -> None:
    assert [send(server).status_code, send(server).status_code] == [200, 200]
    assert server.sandbox.effects("idme") == {"ORD-123": 1}
    assert server.sandbox.requests("idme") == {"ORD-123": 2}
    assert [one.applied for one in server.sandbox.journal.entries] == [True, False]


@pytest.mark.parametrize(
    ("event", "properties", "field"),
    [
        ({"event": "Order"}, {}, "event"),
        ({"conversionTrackingId": ""}, {}, "conversionTrackingId"),
        ({"timestamp": "2026-01-31 10:00"}, {}, "timestamp"),
        ({"appId": "x"}, {}, "appId"),
        ({}, {"orderId": 123}, "properties.orderId"),
        ({}, {"total": "149.99"}, "properties.total"),
        ({}, {"tax": True}, "properties.tax"),
        ({}, {"currency": "usd"}, "properties.currency"),
        ({}, {"email": "x"}, "properties.email"),
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
