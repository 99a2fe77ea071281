"""What the tests of Convert share: a destination, its replies, orders and talks."""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from assets.providers.base import Exchange, Request
from assets.providers.conversion import Conversion, Item, Segments
from assets.providers.convert.provider import Convert, ConvertSettings
from assets.providers.replies import Outcome, Phase, Reply
from pipelines.sandbox.messages import Reply as SandboxReply
from pipelines.sandbox.simulator import Sandbox

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


def body_of(request: Request) -> Any:
    return json.loads(request.body)


def order_ids(request: Request) -> list[str]:
    """The transaction ids of a request, in the order in which they are sent."""
    return [
        pair["value"]
        for visitor in body_of(request)["visitors"]
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


def one_order_per_visitor(
    make: Callable[..., Conversion], *visitors: str
) -> list[Conversion]:
    """One order for each visitor, named after it: `a` is the order of `a`."""
    return [
        make(order_id=name, identifiers={"convert_visitor_id": name})
        for name in visitors
    ]


def verdicts(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.verdict for outcome in outcomes]


def first_requests(provider: Convert, *orders: Conversion) -> list[Request]:
    """What goes out for these orders while nothing is refused."""
    return [next(provider.exchange(batch)) for batch in provider.batches(orders)]


def guide_order(
    make: Callable[..., Conversion], item: Callable[..., Item], **changes: Any
) -> Conversion:
    """The order of the guide's code examples (sections 5 to 7), with changes."""
    guide = {
        "order_id": "ORDER-12345",
        "revenue": Decimal("149.99"),
        "items": (item(quantity=Decimal(3)),),
        "segments": Segments(
            browser="CH",
            device=("DESK",),
            source="direct",
            visitor_type="new",
            country="US",
        ),
    }
    return make(**(guide | changes))


def ask_sandbox(request: Request, sandbox: Sandbox | None = None) -> SandboxReply:
    """What the sandbox answers, without a socket between."""
    target = f"/convert{urlsplit(request.url).path}"
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers["content-length"] = str(len(request.body))
    asked = sandbox or Sandbox()
    return asked.receive(request.method, target, headers, request.body).reply
