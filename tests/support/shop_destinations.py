"""The real provider modules as destinations of a shop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from assets.providers.convert.provider import Convert, ConvertSettings
from assets.providers.idme.provider import IdMe, IdMeSettings
from assets.providers.trackdesk.provider import Trackdesk, TrackdeskSettings
from support.engine import NEVER
from support.raw_server import Response, always, http, respond

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.harness import MakeHarness
    from support.shop import Shop


def orders_in_trackdesk(body: bytes) -> Sequence[str]:
    return [json.loads(body)["externalId"]]


def orders_in_convert(body: bytes) -> Sequence[str]:
    visitors = json.loads(body)["visitors"]
    events = [event for one in visitors for event in one["events"]]
    said = [{one["key"]: one["value"] for one in e["data"]["goalData"]} for e in events]
    return [one["transactionId"] for one in said]


def orders_in_idme(body: bytes) -> list[str]:
    return [json.loads(body)["properties"]["orderId"]]


ORDERS_OF = {
    "trackdesk": orders_in_trackdesk,
    "convert": orders_in_convert,
    "idme": orders_in_idme,
}


CID = "2d2ce3d8-7c58-4f7f-9e07-0e1b2c3d4e5f"


def use(
    shop: Shop,
    name: str,
    make_harness: MakeHarness,
    make_impact: MakeHarness,
    **settings: Any,
) -> None:
    """Let the shop report to one of the real providers."""
    database = shop.harness.database
    if name == "impact":
        shop.harness = make_impact(database, **settings)
        queued = '{"Status": "QUEUED", "QueuedUri": "/x"}'
        shop.harness.server.script = always(respond(200, queued, "queued"))
    else:
        shop.harness = make_harness(database, NEVER, orders_of=ORDERS_OF[name])
        shop.harness.provider = provider(name, shop.harness.server.url, **settings)
        shop.harness.server.script = always(
            Response(http(200, "{}"), "accepted", counts=True, keep_alive=True)
        )
    shop.harness.clock.now = shop.window[1]


def provider(name: str, url: str, **settings: Any) -> Any:
    if name == "trackdesk":
        trackdesk: dict[str, Any] = {
            "provider": name,
            "base_url": url,
            "tenant_id": "demo",
            "conversion_type_code": "sale",
        }
        return Trackdesk(TrackdeskSettings(**trackdesk | settings))
    if name == "idme":
        idme: dict[str, Any] = {"provider": name, "app_id": "a", "endpoint_url": url}
        return IdMe(IdMeSettings(**idme | settings))
    convert: dict[str, Any] = {
        "provider": name,
        "base_url": url,
        "account_id": "1",
        "project_id": "2",
        "goal_id": "3",
        "currency": "USD",
    }
    return Convert(ConvertSettings(**convert | settings))


def cancel(shop: Shop) -> None:
    shop.execute("delete from completed_orders where order_id = 'O1'")
    shop.execute("delete from order_items where order_id = 'O1'")
