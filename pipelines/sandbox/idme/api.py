"""ID.me: the Order Completed event.

Source: `idme-conversion-tracking.txt`, section "Event shape"; the nesting and the
time are as `idme.md` section 3 deduces them. The checks are as strict as that table: it
sets no lengths, and "Additional properties are accepted and forwarded". Addresses,
replies and the treatment of repeats are not published. The sandbox replies to a repeat
as to the first event.
"""

import re
from collections.abc import Mapping

from pipelines.sandbox.bodies import parse_json
from pipelines.sandbox.field_checks import (
    Check,
    Problem,
    currency,
    expected,
    instant,
    number,
    one_of,
    record,
)
from pipelines.sandbox.messages import Reply, Request
from pipelines.sandbox.provider import Operation

_string = expected("a string", lambda value: isinstance(value, str))
_filled = expected(
    "a string that is not blank",
    lambda value: isinstance(value, str) and bool(value.strip()),
)
_object = expected("an object", lambda value: isinstance(value, dict))


def _open_record(known: Mapping[str, Check], *required: str) -> Check:
    """Return a check for an object that may have other fields than the known ones."""

    def check(value: object, path: str) -> list[Problem]:
        others = value.keys() - known.keys() if isinstance(value, dict) else ()
        fields = {**known, **dict.fromkeys(others, _anything)}
        return record(fields, required)(value, path)

    return check


def _anything(_value: object, _path: str) -> list[Problem]:
    return []


def _products(value: object, path: str) -> list[Problem]:
    if not isinstance(value, list):
        return [Problem(path, "expected an array of line items")]
    return [
        problem
        for position, product in enumerate(value)
        for problem in _PRODUCT(product, f"{path}[{position}]")
    ]


_PRODUCT = _open_record(
    {
        **dict.fromkeys(("productId", "sku", "name"), _string),
        **dict.fromkeys(("brand", "category", "variant"), _string),
        **dict.fromkeys(("price", "quantity"), number),
    }
)
_PROPERTIES = _open_record(
    {
        "orderId": _filled,
        **dict.fromkeys(("total", "revenue", "shipping", "tax", "discount"), number),
        "currency": currency,
        **dict.fromkeys(("coupon", "affiliation"), _string),
        "products": _products,
    },
    "orderId",
)
_EVENT = record(
    {
        "event": one_of("Order Completed"),
        "properties": _PROPERTIES,
        "eventId": _filled,
        "timestamp": instant,
        "conversionTrackingId": _filled,
        "context": _object,
    },
    required=("event", "properties", "eventId", "timestamp", "conversionTrackingId"),
)


class IdMe:
    """Simulates `/events`, the address that an operator would get from ID.me.

    ID.me publishes no address with an account. `/<app>/events` is an addition of the
    sandbox, to distinguish two applications.
    """

    name = "idme"

    def __init__(self) -> None:
        """Create the provider without events."""
        self._orders: set[tuple[str, str]] = set()
        self.operations = tuple(
            Operation("POST", re.compile(address), self._refuse, self._apply)
            for address in ("/events", "/(?P<account>[^/]+)/events")
        )

    def parse(self, body: bytes) -> object:
        """Parse JSON."""
        return parse_json(body)

    def order_ids(self, body: object) -> list[str]:
        """Return the orderId of the properties, if there is one."""
        properties = body.get("properties") if isinstance(body, dict) else None
        order_id = properties.get("orderId") if isinstance(properties, dict) else None
        return [order_id] if isinstance(order_id, str) and order_id else []

    def failure(self, status: int, message: str) -> object:
        """Return the body of a failure; its form is not published by the provider."""
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
        """Count an orderId once: "so downstream systems can dedupe"."""
        order = request.account, self.order_ids(request.body)[0]
        new = order not in self._orders
        self._orders.add(order)
        return Reply(200, {"status": "accepted"}, applied=new)
