"""An account at impact.com for tests: settings, the module, and replies to it."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from assets.providers.base import Request
from assets.providers.conversion import Conversion, Item
from assets.providers.impact.provider import Impact, ImpactSettings
from assets.providers.replies import Phase, Reply
from pipelines.sandbox.simulator import Sandbox

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TOKEN = "s3cret-token"
HTML = b"<!DOCTYPE html><p>Log in"


def settings(**changes: Any) -> ImpactSettings:
    account = {
        "provider": "impact",
        "account_sid": "SID1",
        "auth_token": TOKEN,
        "campaign_id": 1000,
        "event_type_id": 9876,
    }
    return ImpactSettings.model_validate({**account, **changes})


def impact(**changes: Any) -> Impact:
    return Impact(settings(**changes))


def request_of(order: Conversion, **changes: Any) -> Request:
    return next(impact(**changes).exchange([order]))


def answer(
    status: int, body: Any = b"", headers: Mapping[str, str] | None = None
) -> Reply:
    """A complete reply; a body that is not bytes goes as JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(
        phase=Phase.DONE, status=status, body=text, headers=headers or {}, at=NOW
    )


def sandbox_errors(request: Request) -> list[str]:
    """What a sandbox, which read the documents for itself, has against a request."""
    target = "/impact" + request.url.partition("api.impact.com")[2]
    headers = {name.lower(): value for name, value in request.headers.items()}
    sandbox = Sandbox(now=lambda: NOW)
    reply = sandbox.receive(request.method, target, headers, request.body).reply
    if reply.status == 200:
        return []
    return [f"{reply.status}", json.dumps(reply.body)]


def only_request(conversion: Conversion, **changes: Any) -> list[Request]:
    """The one request of an order that is eligible; the sandbox takes it."""
    account = impact(auth_token="token", **changes)
    assert account.eligibility(conversion, conversion.completed_at) is None
    request = next(account.exchange([conversion]))
    assert sandbox_errors(request) == []
    return [request]


def line(
    item: Callable[..., Item], line_no: int, subtotal: str, **changes: Any
) -> Item:
    """One unit at that price."""
    price = Decimal(subtotal)
    return item(
        line_no=line_no,
        **{"unit_price": price, "subtotal": price, "quantity": Decimal(1), **changes},
    )
