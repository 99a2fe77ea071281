"""Made-up visitors of the Olist orders: clicks, ids, experiments, segments.

Olist stored none of these. The same seed makes the same rows.
"""

import json
import string
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote

from olist.figures import Order

Row = dict[str, Any]

TENANT = "olist"
SHARES = {
    "impact_click_id": 0.50,
    "trackdesk_cid": 0.35,
    "trackdesk_external_cid": 0.20,
    "convert_visitor_id": 0.60,
}
"""Kind -> share of the visitors of whom one is stored."""

_TRACKING_ID, _AFTER_THE_ORDER, _OLDER_ONE = 0.15, 0.08, 0.10
_OTHER_TENANT, _PERCENT_ENCODED = 0.05, 0.30
_TWO_EXPERIENCES, _TWO_VARIATIONS = 0.40, 0.05
_SEGMENTED = 0.70
_EXPERIENCES = {"2001": ("301", "302"), "2002": ("311", "312")}


@dataclass
class MadeUp:
    """Rows of three tables of a site that had tracked its visitors."""

    identifiers: list[Row] = field(default_factory=list)
    bucketing: list[Row] = field(default_factory=list)
    segments: list[Row] = field(default_factory=list)


def make_up(orders: Sequence[Order], seed: int = 2017) -> MadeUp:
    """Make what was stored of the visitors, around the time of their orders."""
    random = Random(seed)
    rows = MadeUp()
    for order in orders:
        identifiers = list(_identifiers(order, random))
        rows.identifiers += identifiers
        names = [
            one["value"] for one in identifiers if one["kind"] == "convert_visitor_id"
        ]
        rows.bucketing += _exposures([*names, order.visitor_id][0], order.at, random)
        if random.random() < _SEGMENTED:
            rows.segments.append(_segments(order, random))
    return rows


def _identifiers(order: Order, random: Random) -> Iterator[Row]:
    for kind, share in SHARES.items():
        if random.random() >= share:
            continue
        times = [_around(order.at, random)]
        if kind != "convert_visitor_id" and random.random() < _OLDER_ONE:
            times.append(order.at - timedelta(days=random.uniform(30, 60)))
        for at in times:
            yield {
                "order_id": None,
                "visitor_id": order.visitor_id,
                "kind": kind,
                "value": _value(kind, random),
                "captured_at": at.astimezone(UTC),
            }
    if random.random() < _TRACKING_ID:
        yield {
            "order_id": order.order_id,
            "visitor_id": None,
            "kind": "idme_conversion_tracking_id",
            "value": _uuid(random),
            "captured_at": (order.at - timedelta(minutes=3)).astimezone(UTC),
        }


def _value(kind: str, random: Random) -> str:
    if kind == "impact_click_id":
        return "".join(random.choices(string.ascii_letters + string.digits, k=34))
    if kind != "trackdesk_cid":
        return f"{kind.split('_', maxsplit=1)[0]}-{random.getrandbits(64):016x}"
    tenant = "elsewhere" if random.random() < _OTHER_TENANT else TENANT
    cookie = json.dumps({"tenantId": tenant, "cid": _uuid(random)})
    return quote(cookie) if random.random() < _PERCENT_ENCODED else cookie


def _exposures(visitor: str, order_at: datetime, random: Random) -> Iterator[Row]:
    count = 2 if random.random() < _TWO_EXPERIENCES else 1
    for experience in random.sample(sorted(_EXPERIENCES), count):
        variations = random.sample(_EXPERIENCES[experience], 2)
        shown = 2 if random.random() < _TWO_VARIATIONS else 1
        for variation in variations[:shown]:
            yield {
                "visitor_id": visitor,
                "experience_id": experience,
                "variation_id": variation,
                "bucketed_at": _around(order_at, random).astimezone(UTC),
            }


def _segments(order: Order, random: Random) -> Row:
    return {
        "visitor_id": order.visitor_id,
        "browser": random.choice(["CH", "FF", "SF", "netscape"]),
        "device": random.choice(["DESK", "ALLPH", "ALLTAB"]),
        "source": random.choice(["direct", "search", "referral", "campaign"]),
        "visitor_type": random.choice(["new", "returning"]),
        "country": "BR",
        "campaign": random.choice([None, "dia das mães", "black friday"]),
        "custom_segments": random.choice([None, [], ["loyal"], ["loyal", "b2b"]]),
        "captured_at": _around(order.at, random).astimezone(UTC),
    }


def _around(order_at: datetime, random: Random) -> datetime:
    """Mostly some days before the order, sometimes after it."""
    if random.random() < _AFTER_THE_ORDER:
        return order_at + timedelta(hours=random.uniform(0.1, 48))
    return order_at - timedelta(days=random.expovariate(0.25), minutes=1)


def _uuid(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))
