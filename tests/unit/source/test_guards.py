"""Which days are believed, and what speaks against the others."""

from decimal import Decimal
from typing import Any

import pytest

from assets.source.guards import Guards, Volume, VolumeCounter, guard_violations
from assets.validation.rejects import Reject

WEEK = [Volume({"USD": (100, 500_000)})] * 7


def against(
    orders: int, minor: int, before: list[Volume] = WEEK, **guards: Any
) -> list[str]:
    day = Volume({"USD": (orders, minor)} if orders else {})
    return guard_violations(day, before, Guards(**guards))


@pytest.mark.parametrize(
    ("orders", "minor"), [(100, 500_000), (12, 60_000), (900, 4_500_000), (60, 60_000)]
)
def test_an_ordinary_day_passes(orders: int, minor: int) -> None:
    assert against(orders, minor) == []


def test_an_empty_day_is_refused_where_days_are_not_empty() -> None:
    assert against(0, 0) == ["about 100 orders as on the days before, got none"]


def test_an_empty_day_passes_where_little_is_usual() -> None:
    assert against(0, 0, [Volume({"USD": (19, 1)})] * 7) == []
    assert against(0, 0, []) == []


@pytest.mark.parametrize(("orders", "minor"), [(9, 45_000), (1001, 5_005_000)])
def test_far_fewer_or_more_orders_are_refused(orders: int, minor: int) -> None:
    assert f"got {orders}" in against(orders, minor)[0]


def test_money_far_off_is_refused_though_the_orders_are_as_usual() -> None:
    assert against(100, 50_000_001) == ["about 5000.00 USD, got 500000.01"]
    assert against(100, 49_999) == ["about 5000.00 USD, got 499.99"]


def test_a_currency_with_few_orders_is_not_compared() -> None:
    before = [Volume({"USD": (100, 500_000), "JPY": (1, 10)})] * 7
    day = Volume({"USD": (100, 500_000), "JPY": (1, 10_000_000)})
    assert guard_violations(day, before, Guards()) == []


def test_one_odd_day_does_not_make_the_next_one_odd() -> None:
    assert against(100, 500_000, [Volume(), *WEEK[1:]]) == []


def test_limits_hold_without_days_to_compare_with() -> None:
    said = against(
        101, 500_001, [], max_orders=100, max_revenue={"USD": Decimal("5000")}
    )
    assert said == ["at most 100 orders, got 101", "at most 5000 USD, got 5000.01"]


def test_refused_rows_are_orders_of_the_day() -> None:
    tally = VolumeCounter()
    plain: dict[str, Any] = {
        "partition_key": "2026-01-02",
        "dataset": "completed_orders",
        "row_no": 1,
        "source_row_hash": "h",
        "order_id": None,
        "reasons": ("unknown_currency",),
        "row_redacted": {},
    }
    tally.add_rejects(
        [Reject(**plain), Reject(**plain, currency="USD", amount_minor=500)]
    )
    assert tally.volume == Volume({"": (1, 0), "USD": (1, 500)})
    assert tally.volume.orders == 2
