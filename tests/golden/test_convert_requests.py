"""What Convert is sent, byte for byte (guide, section 4; convert.md, section 3)."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from assets.providers.base import Request
from assets.providers.conversion import Conversion, Item, Segments
from assets.providers.convert import Convert, ConvertSettings

MakeConversion = Callable[..., Conversion]
MakeItem = Callable[..., Item]
Golden = Callable[[str, list[Request]], None]

GUIDE = {
    "accountId": "10007679",
    "projectId": "10007855",
    "enrichData": True,
    "visitors": [
        {
            "visitorId": "visitor-abc123",
            "segments": {
                "visitorType": "new",
                "browser": "CH",
                "devices": ["DESK"],
                "source": "direct",
                "country": "US",
            },
            "events": [
                {
                    "eventType": "conversion",
                    "data": {
                        "goalId": "100037225",
                        "bucketingData": {"100127238": "1001186427"},
                        "goalData": [
                            {"key": "amount", "value": 149.99},
                            {"key": "productsCount", "value": 3},
                            {"key": "transactionId", "value": "ORDER-12345"},
                        ],
                    },
                }
            ],
        }
    ],
}
"""The payload of the guide's usage example (section 5, Python)."""


def convert(**changes: Any) -> Convert:
    settings = {
        "provider": "convert",
        "account_id": "10007679",
        "project_id": "10007855",
        "goal_id": "100037225",
        "currency": "USD",
    }
    return Convert(ConvertSettings.model_validate(settings | changes))


def sent(provider: Convert, *orders: Conversion) -> list[Request]:
    return [next(provider.exchange(batch)) for batch in provider.batches(orders)]


@pytest.fixture
def guide_order(conversion: MakeConversion, item: MakeItem) -> MakeConversion:
    """Makes orders: the usage example of the guide, with the named changes."""

    def make(**changes: Any) -> Conversion:
        guide = {
            "order_id": "ORDER-12345",
            "revenue": Decimal("149.99"),
            "items": (item(quantity=Decimal(3)),),
            "segments": Segments(
                browser="CH",
                device="DESK",
                source="direct",
                visitor_type="new",
                country="US",
            ),
        }
        return conversion(**(guide | changes))

    return make


def visitor(name: str) -> dict[str, Any]:
    return {"identifiers": {"convert_visitor_id": name}}


def test_the_guides_example(guide_order: MakeConversion, golden: Golden) -> None:
    made = sent(convert(), guide_order())
    assert json.loads(made[0].body) == GUIDE
    golden("convert/guide_order", made)


def test_two_orders_of_one_visitor_share_its_entry_in_order_of_time(
    guide_order: MakeConversion, golden: Golden
) -> None:
    first = guide_order()
    later = guide_order(
        order_id="ORDER-12346",
        completed_at=first.completed_at + timedelta(hours=3),
        revenue=Decimal("20.00"),
        segments=Segments(browser="FF", device="IPH", visitor_type="returning"),
    )
    golden("convert/two_orders_of_one_visitor", sent(convert(), later, first))


def test_three_visitors_go_in_one_request(
    guide_order: MakeConversion, golden: Golden
) -> None:
    orders = [
        guide_order(order_id=f"ORDER-{name}", **visitor(f"visitor-{name}"))
        for name in ("a", "b", "c")
    ]
    golden("convert/three_visitors", sent(convert(), *orders))


def test_several_experiences_stand_in_one_event(
    guide_order: MakeConversion, golden: Golden
) -> None:
    order = guide_order(bucketing={"11223344": "55667788", "100127238": "1001186427"})
    golden("convert/several_experiences", sent(convert(), order))


def test_no_segments_means_no_segments_object(
    guide_order: MakeConversion, golden: Golden
) -> None:
    golden("convert/no_segments", sent(convert(), guide_order(segments=None)))


def test_yen_have_no_decimals(guide_order: MakeConversion, golden: Golden) -> None:
    order = guide_order(currency="JPY", currency_digits=0, revenue=Decimal("16800.00"))
    golden("convert/jpy", sent(convert(currency="JPY"), order))


def test_a_campaign_in_any_script_with_every_segment(
    guide_order: MakeConversion, item: MakeItem, golden: Golden
) -> None:
    order = guide_order(
        items=(item(quantity=Decimal("1.50")), item(quantity=Decimal(1))),
        segments=Segments(
            browser="OTH",
            device="IPAD",
            source="ai_tool",
            visitor_type="returning",
            country="DE",
            campaign='Frühjahr „春" 🌷',
            custom_segments=("segment-id-1", "segment-id-2"),
        ),
    )
    golden("convert/unicode_campaign", sent(convert(), order))


def test_an_sdk_key_with_its_secret(
    guide_order: MakeConversion, golden: Golden
) -> None:
    keyed = convert(sdk_key="10007679/10034190", sdk_key_secret="s3cret-of-the-key")
    golden("convert/sdk_key_with_secret", sent(keyed, guide_order()))


def test_what_is_not_known_is_left_out(
    guide_order: MakeConversion, golden: Golden
) -> None:
    order = guide_order(
        identifiers={},
        visitor_id="v-1001",
        bucketing={},
        segments=Segments(),
        items=(),
    )
    bare = convert(send_without_bucketing=True)
    golden("convert/missing_optionals", sent(bare, order))
