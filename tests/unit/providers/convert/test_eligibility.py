"""Convert: who is sent and who is not."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from assets.providers.conversion import Conversion, Exposure
from support.convert_account import (
    convert,
)

MakeConversion = Callable[..., Conversion]

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("settings", "order", "why"),
    [
        ({}, {}, None),
        ({}, {"is_test": True}, "test_order"),
        ({}, {"tracking_consent": None}, "no_consent"),
        ({}, {"tracking_consent": False}, "consent_refused"),
        ({"require_consent": False}, {"tracking_consent": None}, None),
        ({}, {"identifiers": {}}, None),
        ({}, {"visitor_id": None}, None),
        ({}, {"identifiers": {}, "visitor_id": None}, "no_visitor_id"),
        ({}, {"identifiers": {}, "visitor_id": ""}, "no_visitor_id"),
        ({}, {"identifiers": {"convert_visitor_id": " "}}, None),
        ({}, {"identifiers": {}, "visitor_id": " "}, "no_visitor_id"),
        ({}, {"currency": "EUR"}, "currency_not_taken"),
        ({"currency": "EUR"}, {"currency": "EUR"}, None),
        ({}, {"bucketing": {}}, "no_bucketing"),
        ({"send_without_bucketing": True}, {"bucketing": {}}, None),
    ],
)
def test_who_is_sent(
    conversion: MakeConversion,
    settings: dict[str, Any],
    order: dict[str, Any],
    why: str | None,
) -> None:
    withheld = convert(**settings).eligibility(conversion(**order), NOW)
    assert (withheld and (withheld.state, withheld.reason)) == (
        why and ("suppressed", why)
    )


def test_a_fraction_of_a_cent_is_quarantined(conversion: MakeConversion) -> None:
    withheld = convert().eligibility(conversion(revenue=Decimal("1.005")), NOW)
    assert withheld is not None
    assert (withheld.state, withheld.reason) == ("quarantined", "amount_precision")


def test_an_order_in_another_currency_names_the_accepted_one(
    conversion: MakeConversion,
) -> None:
    withheld = convert(currency="KWD").eligibility(conversion(), NOW)
    assert withheld is not None
    assert withheld.detail == "currency USD, taken KWD"


AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def seen(variation: str, days: float, refused: float | None = None) -> Exposure:
    return Exposure(
        experience_id="100",
        variation_id=variation,
        last_at=AT - timedelta(days=days),
        refused_at=None if refused is None else AT - timedelta(days=refused),
    )


@pytest.mark.parametrize(
    ("exposures", "sent"),
    [
        ([seen("a", 30)], {"100": "a"}),
        ([seen("a", 30.001)], {}),
        ([seen("a", 90), seen("b", 5)], {"100": "b"}),
        ([seen("a", 6), seen("b", 5)], {}),
        ([seen("a", 5, refused=5)], {}),
        ([seen("a", 5, refused=31)], {"100": "a"}),
        ([], {}),
    ],
    ids=[
        *("at the limit", "older", "an older contradiction", "a contradiction"),
        *("a refused one", "an older refused one", "none"),
    ],
)
def test_an_exposure_counts_only_within_its_age(
    conversion: MakeConversion, exposures: list[Exposure], sent: dict[str, str]
) -> None:
    order = conversion(completed_at=AT, exposures=exposures, bucketing={"100": "a"})
    account = convert(exposure_max_age_days=30)
    withheld = account.eligibility(order, AT)
    if not sent:
        assert withheld is not None
        assert (withheld.state, withheld.reason) == ("suppressed", "no_bucketing")
        return
    assert withheld is None
    (visitor,) = json.loads(account.payload(order))["visitors"]
    assert visitor["events"][0]["data"]["bucketingData"] == sent


@pytest.mark.parametrize(
    ("exposures", "detail"),
    [
        ([seen("a", 31)], "seen more than 30 days before: 100"),
        ([seen("a", 6), seen("b", 5)], "seen in two variations: 100"),
        ([seen("a", 5, refused=5)], "exposures refused: 100"),
        ([], "none stored up to 2026-11-20T12:00:00Z of: exposures"),
    ],
)
def test_the_evidence_says_why_no_exposure_counts(
    conversion: MakeConversion, exposures: list[Exposure], detail: str
) -> None:
    order = conversion(completed_at=AT, exposures=exposures, bucketing={})
    withheld = convert(exposure_max_age_days=30).eligibility(order, AT)
    assert withheld is not None
    assert withheld.detail == detail


def test_without_a_limit_an_exposure_of_any_age_counts(
    conversion: MakeConversion,
) -> None:
    order = conversion(completed_at=AT, exposures=[seen("a", 900)])
    assert convert().eligibility(order, AT) is None
