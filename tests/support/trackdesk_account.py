"""A Trackdesk provider, and replies to talk to it with."""

import json
from typing import Any

from assets.providers.base import Exchange, Request
from assets.providers.replies import Outcome, Phase, Reply
from assets.providers.trackdesk.provider import Trackdesk
from assets.providers.trackdesk.settings import TrackdeskSettings

CID = "2d2ce3d8-7c58-4f7f-9e07-0e1b2c3d4e5f"
COOKIE = json.dumps({"tenantId": "example-shop", "cid": CID})
ORIGIN = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
REQUIRED = {
    "provider": "trackdesk",
    "tenant_id": "example-shop",
    "conversion_type_code": "sale",
}
BY_EXTERNAL_CID = {"identify_by": "external_cid", "revenue_origin_id": ORIGIN}
BY_COUPON = {"identify_by": "coupon", "revenue_origin_id": ORIGIN}


def trackdesk(**changes: Any) -> Trackdesk:
    return Trackdesk(TrackdeskSettings.model_validate(REQUIRED | changes))


def answer(status: int, body: str | bytes = b"", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body.encode() if isinstance(body, str) else body
    return Reply(phase=Phase.DONE, status=status, body=content, headers=named)


def broken(phase: Phase) -> Reply:
    return Reply(phase=phase, error="connection_reset")


def converse(exchange: Exchange, *replies: Reply) -> tuple[list[Request], Outcome]:
    """The requests that were made, and the outcome; every reply must be used."""
    made = [next(exchange)]
    waiting = list(replies)
    while True:
        try:
            made.append(exchange.send(waiting.pop(0)))
        except StopIteration as end:
            assert not waiting
            (outcome,) = end.value
            return made, outcome
