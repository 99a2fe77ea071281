"""The limit on the share of a day's orders that are quarantined."""

import pytest

from assets.source.guards import Guards, QuarantinedOrders, quarantine_violations


def found(quarantined: int, orders: int) -> QuarantinedOrders:
    return QuarantinedOrders(orders, [["money_mismatch"]] * quarantined)


@pytest.mark.parametrize(
    ("quarantined", "orders", "is_refused"),
    [
        (319, 319, True),
        (11, 20, True),
        (10, 20, False),
        (19, 19, False),
        (0, 20, False),
        (0, 0, False),
    ],
)
def test_more_than_half_is_refused_from_twenty_orders_on(
    quarantined: int, orders: int, is_refused: bool
) -> None:
    violations = quarantine_violations(found(quarantined, orders), Guards())
    assert bool(violations) is is_refused


def test_the_settings_move_both_limits() -> None:
    guards = Guards(max_quarantined_share=0.125, quarantined_from_orders=8)
    assert quarantine_violations(found(1, 8), guards) == []
    assert quarantine_violations(found(2, 8), guards) == [
        "at most 12.5 % of the orders to be quarantined, got 2 of 8 (money_mismatch 2)"
    ]
    assert quarantine_violations(found(7, 7), guards) == []


def test_a_share_of_one_refuses_nothing() -> None:
    guards = Guards(max_quarantined_share=1)
    assert quarantine_violations(found(20, 20), guards) == []


def test_the_three_most_frequent_reasons_are_named() -> None:
    reasons = [["a", "b"]] * 9 + [["c"]] * 8 + [["d"]] * 3
    (text,) = quarantine_violations(QuarantinedOrders(20, reasons), Guards())
    assert text.endswith("got 20 of 20 (a 9, b 9, c 8)")
