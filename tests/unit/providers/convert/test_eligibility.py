"""Convert: who is sent and who is not."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from assets.providers.conversion import Conversion
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
