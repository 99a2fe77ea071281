"""What Convert is sent of one order, byte for byte (guide, section 4; convert.md 3)."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from assets.providers.conversion import Conversion, Item, Segments
from assets.providers.convert.settings import ConvertSettings
from support import convert_account
from support.convert_account import convert, first_requests

Make = Callable[..., Any]

EVERY_SEGMENT = Segments(
    browser="OTH",
    device=("IPAD",),
    source="ai_tool",
    visitor_type="returning",
    country="DE",
    campaign="spring-2026",
    custom_segments=("segment-id-1", "segment-id-2"),
)


@pytest.fixture
def order(conversion: Make, item: Make) -> Callable[..., Conversion]:
    """Makes orders: that of the guide's code examples, with the named changes."""
    return lambda **changes: convert_account.guide_order(conversion, item, **changes)


@pytest.fixture
def sends(golden: Make) -> Callable[..., None]:
    """Compares what a destination sends of one order with a golden file."""

    def compare(name: str, order: Conversion, **settings: Any) -> None:
        made = first_requests(convert(**settings), order)
        golden(f"convert/{name}", made, spread=True)

    return compare


def test_the_guides_order(order: Make, sends: Make) -> None:
    sends("guide_order", order())


# Amounts and products


def test_a_free_order(order: Make, sends: Make) -> None:
    sends("free_order", order(revenue=Decimal(0)))


def test_yen_have_no_decimals(order: Make, sends: Make) -> None:
    yen = {"currency": "JPY", "currency_digits": 0}
    sends("jpy", order(revenue=Decimal("16800.00"), **yen), currency="JPY")


def test_dinars_have_three_decimals(order: Make, sends: Make) -> None:
    dinars = {"currency": "KWD", "currency_digits": 3}
    sends("kwd", order(revenue=Decimal("12.345"), **dinars), currency="KWD")


def test_zeros_beyond_the_cents_are_not_sent(order: Make, sends: Make) -> None:
    sends("many_decimals", order(revenue=Decimal("149.990000000000")))


def test_a_sum_that_a_float_would_blur(order: Make, sends: Make) -> None:
    sends("sum_of_dimes", order(revenue=Decimal("0.1") + Decimal("0.2")))


def test_an_amount_beyond_the_digits_of_a_float(order: Make, sends: Make) -> None:
    sends("large_amount", order(revenue=Decimal("12345678901234567.89")))


def test_forty_lines_are_counted_by_quantity(
    order: Make, item: Make, sends: Make
) -> None:
    lines = tuple(
        item(line_no=number, sku=f"SKU-{number:02}", quantity=Decimal(number))
        for number in range(1, 41)
    )
    sends("forty_items", order(items=lines))


def test_discounts_are_in_the_revenue_already(
    order: Make, item: Make, sends: Make
) -> None:
    line = item(quantity=Decimal(1), discount=Decimal("2.50"))
    discounted = order(
        items=(line,), discount=Decimal("15.00"), revenue=Decimal("10.50")
    )
    sends("discounts", discounted)


def test_a_fractional_quantity(order: Make, item: Make, sends: Make) -> None:
    cloth: tuple[Item, ...] = (
        item(quantity=Decimal("1.50")),
        item(line_no=2, quantity=Decimal(1)),
    )
    sends("fractional_quantity", order(items=cloth))


def test_no_lines_are_no_products_count(order: Make, sends: Make) -> None:
    sends("no_items", order(items=()))


# Identifiers and texts


def test_unicode_and_quotes(order: Make, sends: Make) -> None:
    named = order(
        order_id='Bestellung-№7"\\',
        identifiers={"convert_visitor_id": "посетитель-😀"},
        segments=Segments(campaign='Frühjahr „春" 🌷 \u202e\n<b>'),
    )
    sends("unicode", named)


def test_very_long_values_are_cut_only_where_convert_says_so(
    order: Make, sends: Make
) -> None:
    long = order(
        order_id="O" * 128,
        identifiers={"convert_visitor_id": "v" * 400},
        segments=Segments(campaign="c" * 400, custom_segments=("s" * 200,)),
        extra={"note": "n" * 400},
    )
    sends("very_long_values", long, fields={"customDimension1": "extra.note"})


def test_our_own_visitor_id_where_converts_is_not_stored(
    order: Make, sends: Make
) -> None:
    sends("own_visitor_id", order(identifiers={}))


def test_what_is_not_known_is_left_out(order: Make, sends: Make) -> None:
    bare = order(identifiers={}, bucketing={}, segments=Segments(), items=())
    sends("missing_optionals", bare, send_without_bucketing=True)


def test_custom_dimensions(order: Make, sends: Make) -> None:
    fields = {
        "customDimension1": "extra.store_code",
        "customDimension2": "customer_status",
        "customDimension3": "payment_type",
        "customDimension4": "total",
        "customDimension5": "promo_code",
    }
    stored = order(extra={"store_code": "S-12"}, payment_type="Credit")
    sends("custom_dimensions", stored, fields=fields)


def test_custom_dimensions_of_list_columns(order: Make, sends: Make) -> None:
    stored = order(
        extra={"tags": '["new", "größe 42"]'}, lists={"tags": ("new", "größe 42")}
    )
    sends("list_dimensions", stored, fields={"customDimension1": "extra.tags"})


# Segments


def test_no_segments_mean_no_segments_object(order: Make, sends: Make) -> None:
    sends("no_segments", order(segments=None))


def test_every_segment(order: Make, sends: Make) -> None:
    sends("every_segment", order(segments=EVERY_SEGMENT))


def test_codes_outside_the_closed_lists_are_left_out(order: Make, sends: Make) -> None:
    unknown = Segments(
        browser="EDG",
        device=("WATCH",),
        source="email",
        visitor_type="0",
        country="USA",
        campaign="kept",
        custom_segments=("kept-too",),
    )
    sends("unknown_segment_codes", order(segments=unknown))


# Experiences


def test_several_experiences_stand_in_one_event(order: Make, sends: Make) -> None:
    seen = {"11223344": "55667788", "100127238": "1001186427", "9": "1"}
    sends("several_experiences", order(bucketing=seen))


def test_without_bucketing(order: Make, sends: Make) -> None:
    sends("without_bucketing", order(bucketing={}), send_without_bucketing=True)


def test_without_enrichment(order: Make, sends: Make) -> None:
    sends("without_enrichment", order(), enrich_data=False)


# The account


def test_an_sdk_key_without_a_secret(order: Make, sends: Make) -> None:
    sends("sdk_key_without_secret", order(), sdk_key="10007679/10034190")


def test_an_sdk_key_with_its_secret(order: Make, sends: Make) -> None:
    keyed = {"sdk_key": "10007679/10034190", "sdk_key_secret": "s3cret-of-the-key"}
    sends("sdk_key_with_secret", order(), **keyed)


def test_the_host_that_the_sdks_use(order: Make, sends: Make) -> None:
    host = "https://10007855.metrics.convertexperiments.com"
    sends("host_of_the_sdks", order(), base_url=host)


def test_a_named_source(order: Make, sends: Make) -> None:
    sends("named_source", order(), source="js-sdk")


def test_a_debug_token(order: Make, sends: Make) -> None:
    sends("debug_token", order(), sdk_key="10007679/the-key", debug_token="the-token")


def test_a_debug_token_is_never_shown_or_stored(order: Make) -> None:
    account = convert(sdk_key="10007679/the-key", debug_token="the-token")
    (request,) = first_requests(account, order())
    assert "the-token" in account.secrets
    assert b"the-token" not in request.body
    assert "the-token" not in repr(request)
    assert "the-token" not in repr(request.stored)
    assert "the-token" not in request.path_template
    keyed = {"sdk_key": "10007679/the-key", "debug_token": "the-token"}
    settings = ConvertSettings.model_validate(convert_account.REQUIRED | keyed)
    assert "the-token" not in repr(settings)
