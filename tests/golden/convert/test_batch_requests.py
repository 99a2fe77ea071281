"""What Convert is sent of several orders, byte for byte (convert.md, section 5)."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from assets.providers.conversion import Conversion, Segments
from support import convert_account
from support.convert_account import answer, convert, first_requests
from support.exchanges import requests_of

Make = Callable[..., Any]


@pytest.fixture
def order(conversion: Make, item: Make) -> Callable[..., Conversion]:
    """Makes orders: that of the guide's code examples, with the named changes."""
    return lambda **changes: convert_account.guide_order(conversion, item, **changes)


def of_visitor(order: Make, name: str, **changes: Any) -> Conversion:
    known = {"convert_visitor_id": f"visitor-{name}"}
    made: Conversion = order(order_id=f"ORDER-{name}", identifiers=known, **changes)
    return made


def later(order: Make, hours: int, **changes: Any) -> Conversion:
    at = order().completed_at + timedelta(hours=hours)
    made: Conversion = order(order_id=f"ORDER-{hours}", completed_at=at, **changes)
    return made


def test_three_visitors_go_in_one_request(order: Make, golden: Make) -> None:
    orders = [of_visitor(order, name) for name in ("a", "b", "c")]
    golden("convert/three_visitors", first_requests(convert(), *orders), spread=True)


def test_three_visitors_at_two_a_request(order: Make, golden: Make) -> None:
    orders = [of_visitor(order, name) for name in ("a", "b", "c")]
    made = first_requests(convert(visitors_per_request=2), *orders)
    golden("convert/two_visitors_per_request", made, spread=True)


def test_three_visitors_at_1024_bytes_a_request(order: Make, golden: Make) -> None:
    orders = [of_visitor(order, name) for name in ("a", "b", "c")]
    made = first_requests(convert(bytes_per_request=1_024), *orders)
    golden("convert/bytes_per_request", made, spread=True)


def test_orders_of_one_visitor_share_its_entry_in_order_of_time(
    order: Make, golden: Make
) -> None:
    latest = Segments(browser="FF", device=("IPH",), visitor_type="returning")
    second = later(order, 3, revenue=Decimal("20.00"), segments=latest)
    third = later(order, 5, bucketing={"11223344": "55667788"}, segments=None)
    made = first_requests(convert(), third, second, order())
    golden("convert/three_orders_of_one_visitor", made, spread=True)


def test_a_refused_batch_is_taken_apart(order: Make, golden: Make) -> None:
    """Refused with b and its second order in it; the second is the bad one."""
    orders = [
        of_visitor(order, "a"),
        of_visitor(order, "b"),
        later(order, 3, identifiers={"convert_visitor_id": "visitor-b"}),
    ]
    (batch,) = convert().batches(orders)
    replies = [answer(400), answer(200), answer(400)]
    made = requests_of(convert().exchange(batch), replies)
    golden("convert/refused_batch", made, spread=True)
