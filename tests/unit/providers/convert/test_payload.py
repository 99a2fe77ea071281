"""Convert: what a request says of an order and its visitor."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from assets.providers.conversion import Conversion, Segments
from support.convert_account import (
    body_of,
    convert,
    first_requests,
    order_ids,
)

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
        ({"device": ("TOASTER",)}, {}),
        ({"device": ("IPH", "TOASTER", "IPH")}, {"devices": ["IPH"]}),
        ({"device": ("OTHTAB",)}, {"devices": ["OTHTAB"]}),
        ({"source": "email"}, {}),
        ({"source": "ai_tool"}, {"source": "ai_tool"}),
        ({"visitor_type": "0"}, {}),
        ({"visitor_type": "new"}, {"visitorType": "new"}),
        ({"country": "USA"}, {}),
        ({"country": "U1"}, {}),
        ({"country": "us"}, {}),
        ({"country": "GB"}, {"country": "GB"}),
        ({"campaign": ""}, {}),
        ({"campaign": " "}, {}),
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


# Amounts


@pytest.mark.parametrize(
    ("amount", "currency", "digits", "written"),
    [
        (Decimal("0.1") + Decimal("0.2"), "USD", 2, "0.30"),
        (Decimal("149.99"), "USD", 2, "149.99"),
        (Decimal("149.990000"), "USD", 2, "149.99"),
        (Decimal("1E+3"), "USD", 2, "1000.00"),
        (Decimal(0), "USD", 2, "0.00"),
        (Decimal("0.00"), "JPY", 0, "0"),
        (Decimal("16800.00"), "JPY", 0, "16800"),
        (Decimal("12.345"), "KWD", 3, "12.345"),
        (Decimal("12.3"), "KWD", 3, "12.300"),
        (Decimal("0.07"), "USD", 2, "0.07"),
        (Decimal("1.1") * 3, "USD", 2, "3.30"),
        (Decimal("999999999999999999.99"), "USD", 2, "999999999999999999.99"),
    ],
)
def test_an_amount_is_a_json_number_with_exactly_its_digits(
    conversion: MakeConversion,
    amount: Decimal,
    currency: str,
    digits: int,
    written: str,
) -> None:
    order = conversion(revenue=amount, currency=currency, currency_digits=digits)
    request = next(convert(currency=currency).exchange([order]))
    assert f'{{"key":"amount","value":{written}}}' in request.body.decode()


# Custom dimensions


def dimensions_sent(order: Conversion, **fields: str) -> dict[str, str]:
    (event,) = visitor_sent(order, fields=fields)["events"]
    return {
        pair["key"]: pair["value"]
        for pair in event["data"]["goalData"]
        if pair["key"].startswith("customDimension")
    }


def test_custom_dimensions_are_taken_from_columns(conversion: MakeConversion) -> None:
    order = conversion(affiliation="web", extra={"store": "S-12", "empty": " "})
    assert dimensions_sent(
        order,
        customDimension5="affiliation",
        customDimension1="extra.store",
        customDimension2="extra.empty",
        customDimension3="extra.not_there",
    ) == {"customDimension1": "S-12", "customDimension5": "web"}


def test_a_list_column_is_an_array(conversion: MakeConversion) -> None:
    order = conversion(
        extra={"tags": '["a", " ", "b"]', "none": "[]", "text": '["a"]'},
        lists={"tags": ("a", " ", "b"), "none": ()},
    )
    assert dimensions_sent(
        order,
        customDimension1="extra.tags",
        customDimension2="extra.none",
        customDimension3="extra.text",
    ) == {"customDimension1": ["a", "b"], "customDimension3": '["a"]'}


def test_the_hash_of_nothing_is_no_member_of_a_list(conversion: MakeConversion) -> None:
    nothing = sha256(b"").hexdigest()
    order = conversion(
        extra={"of": f'["{nothing}", "b"]'}, lists={"of": (nothing, "b")}
    )
    assert dimensions_sent(order, customDimension1="extra.of") == {
        "customDimension1": ["b"]
    }


def test_each_member_of_a_list_has_at_most_32_characters(
    conversion: MakeConversion,
) -> None:
    long = "x" * 33
    order = conversion(extra={"tags": f'["a", "{long}"]'}, lists={"tags": ("a", long)})
    fields = {"customDimension1": "extra.tags"}
    assert dimensions_sent(order, **fields) == {"customDimension1": ["a", "x" * 32]}
    (issue,) = convert(fields=fields).data_issues(order)
    assert (issue.code, issue.subject) == ("value_cut", "customDimension1[1]")
    assert issue.detail == "cut to 32 characters, got 33"


def test_of_a_list_only_a_fingerprint_is_stored(conversion: MakeConversion) -> None:
    order = conversion(extra={"tags": '["gold"]'}, lists={"tags": ("gold",)})
    (request,) = first_requests(
        convert(fields={"customDimension1": "extra.tags"}), order
    )
    assert "gold" not in repr(request.stored)
    assert str(request.stored[0]["customDimension1"]).startswith("sha256:")


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ("x" * 32, "x" * 32),
        ("x" * 33, "x" * 32),
        ("ä" * 33, "ä" * 32),
        ("x" * 31 + "🌷", "x" * 31),
        ("🌷" * 17, "🌷" * 16),
    ],
)
def test_a_custom_dimension_has_at_most_32_characters(
    conversion: MakeConversion, stored: str, sent: str
) -> None:
    order = conversion(extra={"store": stored})
    fields = {"customDimension1": "extra.store"}
    assert dimensions_sent(order, **fields) == {"customDimension1": sent}
    data_issues = convert(fields=fields).data_issues(order)
    assert [one.code for one in data_issues] == ["value_cut"] * (stored != sent)


def test_a_custom_dimension_is_stored_as_its_fingerprint(
    conversion: MakeConversion,
) -> None:
    provider = convert(fields={"customDimension1": "customer_id"})
    (stored,) = next(provider.exchange([conversion()])).stored
    assert str(stored["customDimension1"]).startswith("sha256:")


# Doubts


@pytest.mark.parametrize(
    ("stored", "subject", "shown"),
    [
        ({"browser": "EDG"}, "browser", "IE CH FF OP SF OTH, got EDG"),
        ({"browser": "ch"}, "browser", "got ch"),
        ({"device": ("TOASTER",)}, "devices", "got TOASTER"),
        ({"device": ("IPH", "TV", "Fridge")}, "devices", "got TV, Fridge"),
        ({"source": "email"}, "source", "got email"),
        ({"visitor_type": "0"}, "visitorType", "new returning, got 0"),
        ({"country": "USA"}, "country", "two capital letters, got USA"),
        ({"country": "us"}, "country", "got us"),
        ({"browser": "Jo, jo@example.com"}, "browser", "got 18 other characters"),
    ],
)
def test_a_segment_outside_the_closed_lists_is_a_data_issue(
    conversion: MakeConversion, stored: dict[str, Any], subject: str, shown: str
) -> None:
    (doubt,) = convert().data_issues(conversion(segments=Segments(**stored)))
    assert (doubt.code, doubt.subject) == ("unknown_segment", subject)
    assert doubt.detail.endswith(shown)


def test_values_that_are_sent_as_stored_have_no_data_issue(
    conversion: MakeConversion,
) -> None:
    assert not convert().data_issues(conversion())
    assert not convert().data_issues(conversion(segments=None))
    bare = Segments(browser="", campaign="any, of any length" * 9)
    assert not convert().data_issues(conversion(segments=bare))


# The account


def test_the_source_is_named_where_it_is_configured(
    conversion: MakeConversion,
) -> None:
    assert "source" not in body_of(next(convert().exchange([conversion()])))
    named = next(convert(source="js-sdk").exchange([conversion()]))
    assert body_of(named)["source"] == "js-sdk"


def test_the_key_and_its_secret_stand_in_no_body(conversion: MakeConversion) -> None:
    keyed = convert(sdk_key="10007679/the-key", sdk_key_secret="the-secret")
    request = next(keyed.exchange([conversion()]))
    assert request.url.endswith("/v1/track/10007679/the-key")
    assert request.headers["Authorization"] == "Bearer the-secret"
    assert b"the-" not in request.body
    assert "the-" not in repr(request) + repr(keyed)


def test_a_key_adds_nothing_to_the_path_but_itself(conversion: MakeConversion) -> None:
    request = next(convert(sdk_key="a?b#c d").exchange([conversion()]))
    assert request.url.endswith("/v1/track/a%3Fb%23c%20d")
