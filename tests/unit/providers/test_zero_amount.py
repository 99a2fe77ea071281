"""An order of amount 0 is sent, unless the destination says otherwise."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from assets.providers.base import Provider
from assets.providers.conversion import Conversion
from assets.providers.eligibility import Ineligible
from assets.providers.idme.provider import IdMe, IdMeSettings
from support.convert_account import convert
from support.impact_account import impact
from support.trackdesk_account import trackdesk

FREE = {"revenue": Decimal("0.00")}


def idme(**changes: Any) -> IdMe:
    account = {"provider": "idme", "app_id": "app-1"}
    return IdMe(IdMeSettings.model_validate({**account, **changes}))


ACCOUNTS = (impact, convert, trackdesk, idme)
Account = Callable[..., Provider]


def why(provider: Provider, order: Conversion) -> Ineligible | None:
    return provider.eligibility(order, order.completed_at + timedelta(hours=1))


@pytest.fixture
def order(conversion: Callable[..., Conversion]) -> Callable[..., Conversion]:
    """Makes orders that each of the four destinations may be sent."""
    identifiers = {
        **conversion().identifiers,
        "idme_conversion_tracking_id": "ctid-1",
    }
    known = {"identifiers": identifiers, "bucketing": {"1": "2"}, "currency": "USD"}
    return lambda **changes: conversion(**known, **changes)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_free_order_is_sent_by_default(
    account: Account, order: Callable[..., Conversion]
) -> None:
    assert why(account(), order(**FREE)) is None


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_free_order_is_suppressed_where_the_destination_says_so(
    account: Account, order: Callable[..., Conversion]
) -> None:
    found = why(account(zero_amount="suppress"), order(**FREE))
    assert found == Ineligible("suppressed", "zero_amount", "revenue is 0")


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_cent_is_an_amount(
    account: Account, order: Callable[..., Conversion]
) -> None:
    paid = order(revenue=Decimal("0.01"))
    assert why(account(zero_amount="suppress"), paid) is None


@pytest.mark.parametrize(
    ("fields", "changes", "is_held"),
    [
        ({}, {"revenue": Decimal(0), "total": Decimal(5)}, True),
        ({"Amount": "total"}, {"revenue": Decimal(0), "total": Decimal(5)}, False),
        ({"Amount": "extra.net"}, {"extra": {"net": "0.00"}}, True),
        ({"Amount": "extra.net"}, {"extra": {"net": "0.01"}}, False),
        ({"Amount": "extra.net"}, {"extra": {}}, False),
    ],
)
def test_impact_looks_at_the_mapped_amount(
    order: Callable[..., Conversion],
    fields: dict[str, str],
    changes: dict[str, Any],
    is_held: bool,
) -> None:
    provider = impact(zero_amount="suppress", report="order", fields=fields)
    found = why(provider, order(**changes))
    assert (found is not None and found.reason == "zero_amount") == is_held


def test_trackdesk_looks_at_the_total_where_it_is_the_base(
    order: Callable[..., Conversion],
) -> None:
    free, shipped = {"total": Decimal(0)}, {"total": Decimal(5)}
    base = trackdesk(zero_amount="suppress", amount="total")
    found = why(base, order(**FREE | free))
    assert found == Ineligible("suppressed", "zero_amount", "total is 0")
    assert why(base, order(**FREE | shipped)) is None


def test_trackdesk_looks_at_the_revenue_where_no_amount_is_sent(
    order: Callable[..., Conversion],
) -> None:
    fixed = trackdesk(zero_amount="suppress", amount="none")
    found = why(fixed, order(**FREE))
    assert found == Ineligible("suppressed", "zero_amount", "revenue is 0")
