"""The `visitors` of a Convert request: who is in it, in which order, in which words.

Which account it goes to and what the reply means do not belong here.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

from assets.money import from_minor, to_minor, to_text
from assets.providers.conversion import Conversion, Segments
from assets.providers.encode import fingerprint

Visitors = list[list[int]]
"""For each visitor the positions of its orders in the batch, in order of time."""

BROWSERS = frozenset({"IE", "CH", "FF", "OP", "SF", "OTH"})
DEVICES = frozenset(
    {"ALLPH", "IPH", "OTHPH", "ALLTAB", "IPAD", "OTHTAB", "DESK", "OTHDEV"}
)
SOURCES = frozenset({"campaign", "search", "referral", "direct", "ai_tool"})
VISITOR_TYPES = frozenset({"new", "returning"})
_COUNTRY = re.compile(r"[A-Za-z]{2}")


def visitor_id_of(conversion: Conversion) -> str | None:
    """Return the id under which Convert bucketed the visitor, or None.

    The id read from Convert in the browser wins over our own, which is only the same
    where the site uses its own ids (guide, section 1).
    """
    return conversion.identifiers.get("convert_visitor_id") or conversion.visitor_id


def by_visitor(conversions: Sequence[Conversion]) -> Visitors:
    """Group the positions of `conversions` by visitor, both in order of time.

    The order in which they are given changes nothing, so that the same conversions
    give the same bytes.
    """
    groups: dict[str | None, list[int]] = {}
    for position in sorted(
        range(len(conversions)),
        key=lambda at: (conversions[at].completed_at, conversions[at].order_id),
    ):
        groups.setdefault(visitor_id_of(conversions[position]), []).append(position)
    return list(groups.values())


def halves(visitors: Visitors) -> tuple[Visitors, Visitors]:
    """Cut between two visitors, or between the orders of the only one."""
    if len(visitors) == 1:
        (orders,) = visitors
        middle = (len(orders) + 1) // 2
        return [orders[:middle]], [orders[middle:]]
    middle = (len(visitors) + 1) // 2
    return visitors[:middle], visitors[middle:]


def entry(orders: Sequence[Conversion], goal_id: str) -> dict[str, object]:
    """Return the entry of `visitors[]` for all `orders` of one visitor.

    Segments belong to the visitor, not to the event, so the entry carries the latest
    (`convert.md`, section 5). An empty object is left out (section 3).
    """
    segments = _latest_segments(orders)
    return {
        "visitorId": visitor_id_of(orders[0]),
        **({"segments": segments} if segments else {}),
        "events": [_event(order, goal_id) for order in orders],
    }


def stored_copy(conversion: Conversion, goal_id: str) -> dict[str, object]:
    """Return what the delivery tables may keep of the event."""
    return {
        "order_id": conversion.order_id,
        "goal_id": goal_id,
        "amount": to_text(conversion.revenue, conversion.currency_digits),
        "currency": conversion.currency,
        "bucketing": dict(sorted(conversion.bucketing.items())),
        "visitor_id": fingerprint(visitor_id_of(conversion) or ""),
    }


def _event(order: Conversion, goal_id: str) -> dict[str, object]:
    # One event for goal and revenue, the guide's form. The JavaScript SDK sends two;
    # whether the server counts those as one is not verified (convert.md, section 3.3).
    bucketing = dict(sorted(order.bucketing.items()))
    return {
        "eventType": "conversion",
        "data": {
            "goalId": goal_id,
            **({"bucketingData": bucketing} if bucketing else {}),
            "goalData": _goal_data(order),
        },
    }


def _goal_data(order: Conversion) -> list[dict[str, object]]:
    digits = order.currency_digits
    said: dict[str, object] = {
        "amount": from_minor(to_minor(order.revenue, digits), digits)
    }
    if order.items:
        said["productsCount"] = _plain(sum(item.quantity for item in order.items))
    said["transactionId"] = order.order_id
    return [{"key": key, "value": value} for key, value in said.items()]


def _plain(quantity: Decimal | int) -> Decimal | int:
    whole = int(quantity)
    return whole if whole == quantity else Decimal(quantity).normalize()


def _latest_segments(orders: Sequence[Conversion]) -> dict[str, object]:
    for order in reversed(orders):
        if order.segments is not None and (known := _known_segments(order.segments)):
            return known
    return {}


def _known_segments(segments: Segments) -> dict[str, object]:
    """Return what Convert's closed lists allow (guide, section 3)."""
    device = _listed(segments.device, DEVICES)
    found: dict[str, object] = {
        "browser": _listed(segments.browser, BROWSERS),
        "devices": [device] if device else None,
        "source": _listed(segments.source, SOURCES),
        "visitorType": _listed(segments.visitor_type, VISITOR_TYPES),
        "country": _two_letters(segments.country),
        "campaign": segments.campaign,
        "customSegments": [one for one in segments.custom_segments if one],
    }
    return {name: value for name, value in found.items() if value}


def _listed(value: str | None, allowed: frozenset[str]) -> str | None:
    return value if value in allowed else None


def _two_letters(country: str | None) -> str | None:
    return country if country and _COUNTRY.fullmatch(country) else None
