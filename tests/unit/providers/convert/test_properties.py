"""Convert: what holds for any valid conversion, tried on many.

The sandbox reads Convert's documents for itself, so what it takes was read twice.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from assets.providers.conversion import Conversion, Item, Segments
from assets.providers.replies import Verdict
from pipelines.sandbox.simulator import Sandbox
from support.convert_account import ask_sandbox, converse, convert, order_ids, refusing
from support.examples import examples

DIGITS = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3, "CLF": 4}
LARGEST = 10**18 - 1
"""Minor units: more than the delivery tables and the staged decimals hold."""

quick = settings(
    derandomize=True, deadline=None, max_examples=examples(150), database=None
)

text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0@"),
    min_size=1,
    max_size=60,
)
ids = text.filter(lambda value: not value.isspace())
optional = st.none() | text
segments = st.builds(
    Segments,
    browser=optional | st.sampled_from(["CH", "EDG", "ch"]),
    device=st.lists(text | st.sampled_from(["DESK", "WATCH"]), max_size=3).map(tuple),
    source=optional | st.sampled_from(["ai_tool", "email"]),
    visitor_type=optional | st.sampled_from(["new", "0"]),
    country=optional | st.sampled_from(["US", "us", "USA"]),
    campaign=optional,
    custom_segments=st.lists(text, max_size=3).map(tuple),
)
quantities = st.decimals(min_value=0, max_value=10**6, places=6)
lines = st.builds(
    Item,
    line_no=st.integers(1, 99),
    sku=text,
    quantity=quantities,
    unit_price=st.just(Decimal(1)),
    subtotal=st.just(Decimal(1)),
    discount=st.just(Decimal(0)),
)
START = datetime(2026, 11, 20, tzinfo=UTC)


@st.composite
def conversions(draw: st.DrawFn, currency: str) -> Conversion:
    digits = DIGITS[currency]
    revenue = Decimal(draw(st.integers(0, LARGEST))).scaleb(-digits)
    extra = draw(st.dictionaries(st.sampled_from(["a", "b"]), text))
    return Conversion(
        order_id=draw(ids),
        completed_at=START + timedelta(seconds=draw(st.integers(0, 86_399))),
        currency=currency,
        currency_digits=digits,
        total=revenue,
        revenue=revenue,
        discount=Decimal(0),
        shipping=Decimal(0),
        tax=Decimal(0),
        items=draw(st.lists(lines, max_size=4).map(tuple)),
        visitor_id=draw(st.sampled_from(["v-1", "v-2", "v-3"]) | ids),
        tracking_consent=True,
        identifiers=draw(st.dictionaries(st.just("convert_visitor_id"), text)),
        bucketing=draw(st.dictionaries(ids, ids, max_size=4)),
        segments=draw(st.none() | segments),
        extra=extra,
    )


@st.composite
def days(draw: st.DrawFn) -> tuple[dict[str, Any], list[Conversion]]:
    """Settings of a destination and the orders of a day that are eligible for it."""
    currency = draw(st.sampled_from(sorted(DIGITS)))
    enrich = draw(st.booleans())
    chosen = {
        "currency": currency,
        "enrich_data": enrich,
        "send_without_bucketing": enrich and draw(st.booleans()),
        "visitors_per_request": draw(st.integers(1, 4)),
        "bytes_per_request": draw(st.sampled_from([1_024, 2_000, 65_536])),
        "source": draw(st.sampled_from([None, "js-sdk"])),
        "sdk_key": draw(st.sampled_from([None, "the-key"])),
        "fields": {"customDimension1": "extra.a", "customDimension4": "extra.b"},
    }
    orders = draw(
        st.lists(
            conversions(currency), max_size=8, unique_by=lambda order: order.order_id
        )
    )
    now = START + timedelta(days=1)
    return chosen, [
        order for order in orders if convert(**chosen).eligibility(order, now) is None
    ]


def order_of(batch: Sequence[Conversion], order_id: str) -> Conversion:
    return next(order for order in batch if order.order_id == order_id)


@quick
@given(days())
def test_whatever_is_sent_the_sandbox_takes(
    day: tuple[dict[str, Any], list[Conversion]],
) -> None:
    chosen, orders = day
    provider = convert(**chosen)
    sandbox = Sandbox()
    for batch in provider.batches(orders):
        reply = ask_sandbox(next(provider.exchange(batch)), sandbox)
        assert reply.applied, reply.body
    assert sandbox.effects("convert") == {order.order_id: 1 for order in orders}


@quick
@given(days())
def test_no_request_holds_more_than_it_may(
    day: tuple[dict[str, Any], list[Conversion]],
) -> None:
    chosen, orders = day
    provider = convert(**chosen)
    for batch in provider.batches(orders):
        request = next(provider.exchange(batch))
        visitors = json.loads(request.body)["visitors"]
        names = [visitor["visitorId"] for visitor in visitors]
        assert len(set(names)) == len(names) <= chosen["visitors_per_request"]
        assert len(batch) == 1 or len(request.body) <= chosen["bytes_per_request"]
        assert set(request.positions or ()) == set(range(len(batch)))


@quick
@given(days())
def test_amounts_come_back_from_the_json_exactly(
    day: tuple[dict[str, Any], list[Conversion]],
) -> None:
    chosen, orders = day
    provider = convert(**chosen)
    for batch in provider.batches(orders):
        request = next(provider.exchange(batch))
        for visitor in json.loads(request.body, parse_float=Decimal)["visitors"]:
            for event in visitor["events"]:
                said = {one["key"]: one["value"] for one in event["data"]["goalData"]}
                sent = order_of(batch, said["transactionId"])
                assert said["amount"] == sent.revenue
                assert said.get("productsCount", 0) == sum(
                    item.quantity for item in sent.items
                )


@quick
@given(days(), st.data())
def test_the_same_orders_give_the_same_bytes(
    day: tuple[dict[str, Any], list[Conversion]], data: st.DataObject
) -> None:
    chosen, orders = day
    provider = convert(**chosen)
    shuffled = data.draw(st.permutations(orders))
    ours, theirs = (
        [next(provider.exchange(batch)).body for batch in provider.batches(given)]
        for given in (orders, shuffled)
    )
    assert sorted(ours) == sorted(theirs)


@quick
@given(days(), st.data())
def test_exactly_the_refused_orders_are_rejected(
    day: tuple[dict[str, Any], list[Conversion]], data: st.DataObject
) -> None:
    chosen, orders = day
    provider = convert(**(chosen | {"bytes_per_request": 65_536}))
    for batch in provider.batches(orders):
        everyone = order_ids(next(provider.exchange(batch)))
        bad = data.draw(st.lists(st.sampled_from(everyone), unique=True))
        asked, outcomes = converse(provider.exchange(batch), refusing(*bad))
        for order, outcome in zip(batch, outcomes, strict=True):
            is_bad = order.order_id in bad
            expected = Verdict.REJECTED if is_bad else Verdict.ACCEPTED
            assert outcome.verdict is expected
            assert not is_bad or [order.order_id] in asked
