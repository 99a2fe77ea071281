"""The exact event that ID.me is to be handed for orders with a name.

Field by field against `idme-conversion-tracking.txt`, "Event shape". Each file shows
the bytes and, below, the same JSON a line for each value.
"""

from collections.abc import Callable
from typing import Any

import pytest

from assets.providers.base import Request
from assets.providers.conversion import Conversion
from assets.providers.idme.provider import IdMe, IdMeSettings
from pipelines.sandbox.simulator import Sandbox
from support.idme_orders import ORDERS

Make = Callable[..., Conversion]

SETTINGS: dict[str, dict[str, Any]] = {
    "to_an_endpoint": {"endpoint_url": "https://events.example.com/v1/"},
    "stated_headers": {
        "endpoint_url": "https://events.example.com/v1/",
        "endpoint_headers": {
            "X-App-Id": "app-1",
            "content-type": "application/json; charset=utf-8",
        },
    },
    "flat_envelope": {"envelope": "flat"},
    "stated_context": {"context": {"source": "server"}},
}


def requests_for(order: Conversion, **account: Any) -> list[Request]:
    """The one request of an order that is eligible."""
    plain = {"provider": "idme", "app_id": "app-1"}
    idme = IdMe(IdMeSettings.model_validate(plain | account))
    assert idme.eligibility(order, order.completed_at) is None
    return [next(idme.exchange([order]))]


@pytest.mark.parametrize("name", ORDERS)
def test_event_of(name: str, conversion: Make, golden: Callable[..., None]) -> None:
    made = requests_for(conversion(**ORDERS[name]))
    golden(f"idme/{name}", made, spread=True)


@pytest.mark.parametrize("name", ORDERS)
def test_the_sandbox_takes_the_event_of(name: str, conversion: Make) -> None:
    (request,) = requests_for(conversion(**ORDERS[name]))
    headers = {key.lower(): value for key, value in request.headers.items()}
    taken = Sandbox().receive("POST", "/idme/events", headers, request.body)
    assert (taken.reply.status, taken.reply.applied) == (200, True), taken.reply.body


@pytest.mark.parametrize("name", SETTINGS)
def test_order_of_the_page_with(
    name: str, conversion: Make, golden: Callable[..., None]
) -> None:
    made = requests_for(conversion(**ORDERS["page_order"]), **SETTINGS[name])
    golden(f"idme/{name}", made, spread=True)


def test_additional_properties(conversion: Make, golden: Callable[..., None]) -> None:
    order = conversion(
        **ORDERS["page_order"],
        extra={"store": "B-77", "tags": '["gift", "größe 42"]'},
        lists={"tags": ("gift", "größe 42")},
    )
    fields = {"storeCode": "extra.store", "tags": "extra.tags"}
    made = requests_for(order, fields=fields)
    golden("idme/additional_properties", made, spread=True)
