"""Every example of Convert's documents, as our orders give it and the sandbox takes it.

"guide" is `convert-custom-integrations.txt`.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from assets.providers.conversion import Conversion, Segments
from support.convert_account import (
    ask_sandbox,
    body_of,
    convert,
    first_requests,
    guide_order,
)

Make = Callable[..., Any]

REQUEST_BODY = {
    "accountId": "10012345",
    "projectId": "10056789",
    "enrichData": True,
    "visitors": [
        {
            "visitorId": "YOUR_INTERNAL_USER_ID",
            "segments": {
                "browser": "CH",
                "devices": ["DESK"],
                "source": "direct",
                "visitorType": "new",
                "country": "US",
                "customSegments": ["segment-id-1", "segment-id-2"],
            },
            "events": [
                {
                    "eventType": "conversion",
                    "data": {
                        "goalId": "99887766",
                        "bucketingData": {"11223344": "55667788"},
                        "goalData": [
                            {"key": "amount", "value": 99.99},
                            {"key": "productsCount", "value": 2},
                            {"key": "transactionId", "value": "TXN-12345"},
                        ],
                    },
                }
            ],
        }
    ],
}
"""Guide, section 4, "Request Body (JSON)"."""

CODE_EXAMPLES = {
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
"""What the usage examples of sections 5 (Python), 6 (Node.js) and 7 (PHP) post."""


@pytest.fixture
def order(conversion: Make, item: Make) -> Callable[..., Conversion]:
    """Makes orders: that of the guide's code examples, with the named changes."""
    return lambda **changes: guide_order(conversion, item, **changes)


def test_the_request_body_of_section_4(order: Make, item: Make) -> None:
    example = order(
        order_id="TXN-12345",
        revenue=Decimal("99.99"),
        items=(item(quantity=Decimal(2)),),
        identifiers={"convert_visitor_id": "YOUR_INTERNAL_USER_ID"},
        bucketing={"11223344": "55667788"},
        segments=Segments(
            browser="CH",
            device=("DESK",),
            source="direct",
            visitor_type="new",
            country="US",
            custom_segments=("segment-id-1", "segment-id-2"),
        ),
    )
    ids = {"account_id": 10012345, "project_id": 10056789, "goal_id": 99887766}
    (request,) = first_requests(convert(**ids), example)
    assert request.method == "POST"
    assert request.url == (
        "https://metrics.convertexperiments.com/v1/track/10012345/10056789"
    )
    assert request.headers["Content-Type"] == "application/json"
    assert body_of(request) == REQUEST_BODY
    assert ask_sandbox(request).applied


def test_the_code_examples_of_sections_5_to_7(order: Make) -> None:
    (request,) = first_requests(convert(), order())
    assert request.url == (
        "https://metrics.convertexperiments.com/v1/track/10007679/10007855"
    )
    assert body_of(request) == CODE_EXAMPLES
    assert ask_sandbox(request).applied


def test_the_sdk_key_address_of_section_4(order: Make) -> None:
    (request,) = first_requests(convert(sdk_key="the-sdk-key"), order())
    assert request.url == (
        "https://metrics.convertexperiments.com/v1/track/the-sdk-key"
    )
    assert ask_sandbox(request).applied


def test_the_bucketing_data_of_section_4(order: Make) -> None:
    (request,) = first_requests(convert(), order(bucketing={"100127238": "1001186427"}))
    (visitor,) = body_of(request)["visitors"]
    data = visitor["events"][0]["data"]
    assert data["bucketingData"] == {"100127238": "1001186427"}


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        *[
            ({"browser": code}, {"browser": code})
            for code in ("IE", "CH", "FF", "OP", "SF", "OTH")
        ],
        *[
            ({"device": (code,)}, {"devices": [code]})
            for code in ("ALLPH", "IPH", "OTHPH", "ALLTAB", "IPAD", "OTHTAB")
        ],
        ({"device": ("ALLPH", "IPH")}, {"devices": ["ALLPH", "IPH"]}),
        ({"device": ("DESK",)}, {"devices": ["DESK"]}),
        ({"device": ("OTHDEV",)}, {"devices": ["OTHDEV"]}),
        *[
            ({"source": code}, {"source": code})
            for code in ("campaign", "search", "referral", "direct", "ai_tool")
        ],
        ({"visitor_type": "new"}, {"visitorType": "new"}),
        ({"visitor_type": "returning"}, {"visitorType": "returning"}),
        *[({"country": code}, {"country": code}) for code in ("US", "GB", "DE")],
        ({"campaign": "any text"}, {"campaign": "any text"}),
        ({"custom_segments": ("1", "2")}, {"customSegments": ["1", "2"]}),
    ],
)
def test_every_code_of_the_table_of_section_3(
    order: Make, stored: dict[str, Any], sent: dict[str, Any]
) -> None:
    (request,) = first_requests(convert(), order(segments=Segments(**stored)))
    (visitor,) = body_of(request)["visitors"]
    assert visitor["segments"] == sent
    assert ask_sandbox(request).applied


def test_what_section_2_stores_where_nothing_is_known(order: Make) -> None:
    """The listener of section 2 stores empty texts; what is empty is left out."""
    stored = Segments(
        browser="OTH",
        device=("OTHDEV",),
        source="direct",
        visitor_type="new",
        country="",
        campaign="",
        custom_segments=(),
    )
    (request,) = first_requests(convert(), order(segments=stored))
    (visitor,) = body_of(request)["visitors"]
    assert visitor["segments"] == {
        "browser": "OTH",
        "devices": ["OTHDEV"],
        "source": "direct",
        "visitorType": "new",
    }
    assert ask_sandbox(request).applied


@pytest.mark.parametrize("legacy", ["0", "1"])
def test_the_visitor_types_that_section_9_warns_of(order: Make, legacy: str) -> None:
    (request,) = first_requests(
        convert(), order(segments=Segments(visitor_type=legacy))
    )
    (visitor,) = body_of(request)["visitors"]
    assert "segments" not in visitor


@pytest.mark.parametrize(
    "number", [pytest.param(number, id=str(number)) for number in range(1, 6)]
)
def test_every_goal_data_key_of_section_4(order: Make, number: int) -> None:
    key = f"customDimension{number}"
    keyed = convert(fields={key: "affiliation"})
    (request,) = first_requests(keyed, order(affiliation="x" * 33))
    (visitor,) = body_of(request)["visitors"]
    pairs = visitor["events"][0]["data"]["goalData"]
    assert {pair["key"]: pair["value"] for pair in pairs} == {
        "amount": 149.99,
        "productsCount": 3,
        "transactionId": "ORDER-12345",
        key: "x" * 32,
    }
    assert ask_sandbox(request).applied
