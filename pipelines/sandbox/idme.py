"""ID.me: the Order Completed event.

Source: `idme-conversion-tracking.txt`, section "Event shape"; the nesting and the
time are as `idme.md` section 3 deduces them. Address, replies and the treatment of
repeats are not published: the sandbox answers a repeat like the first one.
"""

import re

from .checks import currency, each, expected, instant, number, one_of, record, text
from .exchange import Operation, Reply, Request, parse_json

_TEXTS_OF_PRODUCT = ("productId", "sku", "name", "brand", "category", "variant")
_PRODUCT = record(
    {
        **dict.fromkeys(_TEXTS_OF_PRODUCT, text()),
        **dict.fromkeys(("price", "quantity"), number),
    }
)
_PROPERTIES = record(
    {
        "orderId": text(),
        **dict.fromkeys(("total", "revenue", "shipping", "tax", "discount"), number),
        "currency": currency,
        **dict.fromkeys(("coupon", "affiliation"), text()),
        "products": each(_PRODUCT),
    },
    required=("orderId",),
)
_EVENT = record(
    {
        "event": one_of("Order Completed"),
        "properties": _PROPERTIES,
        "eventId": text(),
        "timestamp": instant,
        "conversionTrackingId": text(),
        "context": expected("an object", lambda value: isinstance(value, dict)),
    },
    required=("event", "properties", "eventId", "timestamp", "conversionTrackingId"),
)


class IdMe:
    """`/events`, the address that an operator would get from ID.me."""

    name = "idme"

    def __init__(self) -> None:
        """Starts without events."""
        self._orders: set[str] = set()
        self.operations = (
            Operation("POST", re.compile("/events"), self._refuse, self._apply),
        )

    def parse(self, body: bytes) -> object:
        """Reads JSON."""
        return parse_json(body)

    def order_ids(self, body: object) -> list[str]:
        """The orderId of the properties, if there is one."""
        properties = body.get("properties") if isinstance(body, dict) else None
        order_id = properties.get("orderId") if isinstance(properties, dict) else None
        return [order_id] if isinstance(order_id, str) and order_id else []

    def failure(self, status: int, message: str) -> object:
        """The sandbox's own shape: the provider publishes none."""
        return {"error": {"status": status, "message": message}}

    def _refuse(self, request: Request) -> Reply | None:
        if request.media_type != "application/json":
            return Reply(415, self.failure(415, "expected application/json"))
        problems = _EVENT(request.body, "")
        if not problems:
            return None
        message = "; ".join(f"{field}: {what}" for field, what in problems)
        return Reply(400, self.failure(400, message))

    def _apply(self, request: Request) -> Reply:
        """An orderId counts once: "so downstream systems can dedupe"."""
        order_id = self.order_ids(request.body)[0]
        new = order_id not in self._orders
        self._orders.add(order_id)
        return Reply(200, {"status": "accepted"}, applied=new)
