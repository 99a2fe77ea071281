"""What was stored of each demo visitor: clicks, ids, experiments, segments.

Orders and money belong in `orders.py`.
"""

import json
import string
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote

from pipelines.demo.catalog import EXPERIENCES

Row = dict[str, Any]

_CLICK_LETTERS = string.ascii_letters + string.digits

SHARES = {
    "impact_click_id": 0.45,
    "trackdesk_cid": 0.25,
    "trackdesk_external_cid": 0.08,
    "convert_visitor_id": 0.60,
    "custom_profile_id": 0.05,
}
"""Kind -> share of the visitors of whom one is stored."""

IDME_SHARE = 0.15
"""Share of the orders with an ID.me tracking id, which belongs to the order."""

_OLDER_CLICK, _LATER_CLICK, _PERCENT_ENCODED = 0.10, 0.02, 0.30
_CONFLICT, _LATE_EXPOSURE, _SEGMENTED = 0.02, 0.03, 0.80


def identifiers_of(visitor: str, order_at: datetime, random: Random) -> Iterator[Row]:
    """Make the identifiers of a visitor, around the time of the first order."""
    for kind, share in SHARES.items():
        if random.random() >= share:
            continue
        yield _identifier(visitor, kind, _before(order_at, random), random)
        if random.random() < _OLDER_CLICK and kind.endswith("click_id"):
            older = order_at - timedelta(days=random.uniform(27, 30))
            yield _identifier(visitor, kind, older, random)
        if random.random() < _LATER_CLICK and kind.endswith("click_id"):
            yield _identifier(visitor, kind, order_at + timedelta(hours=2), random)


def tracking_id_of(order: Row, random: Random) -> Iterator[Row]:
    """Make the ID.me tracking id of an order, where it has one."""
    if random.random() < IDME_SHARE:
        yield {
            "order_id": order["order_id"],
            "visitor_id": order["visitor_id"],
            "kind": "idme_conversion_tracking_id",
            "value": _uuid(random),
            "captured_at": order["completed_at"] - timedelta(minutes=3),
        }


def bucketing_of(visitor: str, order_at: datetime, random: Random) -> Iterator[Row]:
    """Make the exposures of a visitor to one to three experiences.

    Args:
        visitor: The id that the experiment tool gave.
        order_at: Time of the first order; few exposures come after it.
        random: Source of chance.
    """
    for experience in random.sample(sorted(EXPERIENCES), random.randint(1, 3)):
        variations = random.sample(EXPERIENCES[experience], 2)
        shown = variations if random.random() < _CONFLICT else variations[:1]
        for variation in shown:
            is_late = random.random() < _LATE_EXPOSURE
            later = order_at + timedelta(hours=1)
            yield {
                "visitor_id": visitor,
                "experience_id": experience,
                "variation_id": variation,
                "bucketed_at": later if is_late else _before(order_at, random),
            }


def segments_of(visitor: str, order_at: datetime, random: Random) -> Iterator[Row]:
    """Make the segments of a visitor, where any are stored.

    Args:
        visitor: The id of the shop, or the one that the experiment tool gave.
        order_at: Time of the first order.
        random: Source of chance.
    """
    if random.random() < _SEGMENTED:
        yield {
            "visitor_id": visitor,
            "browser": random.choice(["CH", "FF", "SF", "OTH"]),
            "device": random.choice(["DESK", '["ALLPH", "IPH"]', "ALLTAB"]),
            "source": random.choice(["direct", "search", "referral", "campaign"]),
            "visitor_type": random.choice(["new", "returning"]),
            "country": random.choice(["US", "CA", "DE", "GB"]),
            "campaign": random.choice([None, "spring sale", "été"]),
            "custom_segments": random.choice([None, [], ["loyal"], ["loyal", "b2b"]]),
            "captured_at": _before(order_at, random),
        }


def _identifier(visitor: str, kind: str, at: datetime, random: Random) -> Row:
    return {
        "order_id": None,
        "visitor_id": visitor,
        "kind": kind,
        "value": _value(kind, random),
        "captured_at": at,
    }


def _value(kind: str, random: Random) -> str:
    if kind == "impact_click_id":
        return "".join(random.choices(_CLICK_LETTERS, k=34))
    if kind != "trackdesk_cid":
        return f"{kind.split('_', maxsplit=1)[0]}-{random.getrandbits(64):016x}"
    cookie = json.dumps(
        {"tenantId": "demo", "cid": _uuid(random)}, separators=(",", ":")
    )
    return quote(cookie) if random.random() < _PERCENT_ENCODED else cookie


def _before(order_at: datetime, random: Random) -> datetime:
    # Most people order soon after the click.
    days = min(random.expovariate(0.25), 26.9)
    return order_at - timedelta(days=days, minutes=1)


def _uuid(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))
