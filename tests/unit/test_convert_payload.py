"""Convert: what a request says of an order and its visitor."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from convert_talk import (
    body_of,
    convert,
    order_ids,
)

from assets.providers.conversion import Conversion, Segments

MakeConversion = Callable[..., Conversion]


def visitor_sent(order: Conversion, **settings: Any) -> Any:
    request = next(convert(**settings).exchange([order]))
    return body_of(request)["visitors"][0]


def test_converts_own_visitor_id_wins(conversion: MakeConversion) -> None:
    assert visitor_sent(conversion())["visitorId"] == "visitor-abc123"
    assert visitor_sent(conversion(identifiers={}))["visitorId"] == "v-1001"


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ({"browser": "EDG"}, {}),
        ({"browser": "ch"}, {}),
        ({"browser": "IE"}, {"browser": "IE"}),
        ({"device": "TOASTER"}, {}),
        ({"device": "OTHTAB"}, {"devices": ["OTHTAB"]}),
        ({"source": "email"}, {}),
        ({"source": "ai_tool"}, {"source": "ai_tool"}),
        ({"visitor_type": "0"}, {}),
        ({"visitor_type": "new"}, {"visitorType": "new"}),
        ({"country": "USA"}, {}),
        ({"country": "U1"}, {}),
        ({"country": "GB"}, {"country": "GB"}),
        ({"campaign": ""}, {}),
        ({"campaign": "spring"}, {"campaign": "spring"}),
        ({"custom_segments": ("s-1", "")}, {"customSegments": ["s-1"]}),
        ({"browser": "FF", "source": "email"}, {"browser": "FF"}),
    ],
)
def test_only_segments_of_the_closed_lists_are_sent(
    conversion: MakeConversion, stored: dict[str, Any], sent: dict[str, Any]
) -> None:
    visitor = visitor_sent(conversion(segments=Segments(**stored)))
    assert visitor.get("segments", {}) == sent
    assert visitor.get("segments") != {}


@pytest.mark.parametrize(
    ("quantities", "written"),
    [
        (["1", "2"], b"3"),
        (["2.00"], b"2"),
        (["10.00"], b"10"),
        (["0.500", "1"], b"1.5"),
        (["0.0000001"], b"0.0000001"),
        (["0"], b"0"),
    ],
)
def test_products_are_counted_by_quantity(
    conversion: MakeConversion,
    item: Callable[..., Any],
    quantities: list[str],
    written: bytes,
) -> None:
    items = tuple(item(quantity=Decimal(one)) for one in quantities)
    request = next(convert().exchange([conversion(items=items)]))
    assert b'{"key":"productsCount","value":' + written + b"}" in request.body


def test_an_entry_has_the_latest_segments_that_are_known(
    conversion: MakeConversion,
) -> None:
    first = conversion(order_id="9", segments=Segments(browser="CH"))
    second = replace(
        first,
        order_id="2",
        completed_at=first.completed_at + timedelta(hours=1),
        segments=Segments(browser="FF"),
    )
    third = replace(
        first,
        order_id="1",
        completed_at=first.completed_at + timedelta(hours=2),
        segments=None,
    )
    request = next(convert().exchange([third, first, second]))
    (visitor,) = body_of(request)["visitors"]
    assert visitor["segments"] == {"browser": "FF"}
    assert order_ids(request) == ["9", "2", "1"]


def test_enrichment_can_be_switched_off(conversion: MakeConversion) -> None:
    request = next(convert(enrich_data=False).exchange([conversion()]))
    assert body_of(request)["enrichData"] is False


def test_no_account_shows_in_what_is_logged(conversion: MakeConversion) -> None:
    request = next(convert().exchange([conversion()]))
    assert request.path_template == "/v1/track/{account_id}/{project_id}"
    keyed = next(convert(sdk_key="the-key").exchange([conversion()]))
    assert keyed.path_template == "/v1/track/{sdk_key}"
    assert keyed.url == "https://metrics.convertexperiments.com/v1/track/the-key"
    assert "Authorization" not in keyed.headers
    assert "10007679" not in repr(request)
    assert "the-key" not in repr(keyed)


def test_what_is_stored_of_a_request(conversion: MakeConversion) -> None:
    request = next(convert().exchange([conversion()]))
    assert request.stored == (
        {
            "order_id": "O1234567",
            "goal_id": "100037225",
            "amount": "112.00",
            "currency": "USD",
            "bucketing": {"100127238": "1001186427"},
            "visitor_id": "sha256:2e3d61f30fa5",
        },
    )
