"""One order with rows on two days is reported once, and each day counts its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assets.checks.money_conserved import money_conserved
from assets.deliveries import delivery_key, staged_chunks
from assets.delivery.missing_orders import MISSING_FROM_SOURCE
from assets.ledger.quarantine import REPEATED
from assets.ledger.runs import previous_source_totals
from assets.ledger.tables import data_issue, quarantine_row
from assets.providers.base import ResendPolicy
from assets.validation.schemas import contract_columns
from support.shop import DAY, KEY, NOON, START

if TYPE_CHECKING:
    from support.harness import Harness, MakeHarness
    from support.shop import Shop

NEXT_KEY = "2026-01-03"
KEYS = {KEY: START, NEXT_KEY: START + DAY}
REFUSED = ("quarantined", "on_several_days")


@pytest.fixture
def policy() -> ResendPolicy:
    """What may be sent again has no say in which row counts."""
    return ResendPolicy(kind="never")


def run(shop: Shop, key: str) -> None:
    shop.key, shop.window = key, (KEYS[key], KEYS[key] + DAY)
    shop.run()
    shop.harness.later()


def found(harness: Harness) -> dict[str, list[tuple[str, str | None, int]]]:
    """Day -> state, reason and amount of each of its deliveries."""
    days: dict[str, list[tuple[str, str | None, int]]] = {}
    for row in harness.rows():
        values = (row["state"], row["state_reason"], row["amount_minor"])
        days.setdefault(row["partition_key"], []).append(values)
    return {day: sorted(values, key=str) for day, values in days.items()}


def add_row(shop: Shop, order_id: str) -> None:
    """Another row of the order, the same but for its day."""
    columns = contract_columns("completed_orders")
    values = (":at" if name == "completed_at" else name for name in columns)
    shop.execute(
        f"insert into completed_orders ({', '.join(columns)}) "
        f"select {', '.join(values)} from completed_orders where order_id = :order_id",
        at=NOON + DAY,
        order_id=order_id,
    )


def sent(shop: Shop) -> list[str]:
    return [order_id for seen in shop.harness.journal for order_id in seen.orders]


def adds_up(shop: Shop, key: str) -> bool:
    name = shop.harness.name
    return money_conserved(delivery_key(name), shop.source, name, key).passed


@pytest.fixture
def reported(shop: Shop) -> Shop:
    """O1 is reported on the first day; then another row of it is on the second day."""
    shop.order("O1", 10)
    shop.order("O2", 5)
    run(shop, KEY)
    add_row(shop, "O1")
    return shop


def test_the_later_row_is_refused_and_the_delivery_stays_where_it_was(
    reported: Shop,
) -> None:
    first_day = found(reported.harness)[KEY]
    for key in (NEXT_KEY, KEY, NEXT_KEY, KEY):
        run(reported, key)
        assert found(reported.harness) == {KEY: first_day, NEXT_KEY: [(*REFUSED, 1000)]}
        assert adds_up(reported, key)
    assert sorted(sent(reported)) == ["O1", "O2"]


@pytest.mark.long
def test_each_day_knows_what_its_source_holds(reported: Shop) -> None:
    for key in (NEXT_KEY, KEY, NEXT_KEY):
        run(reported, key)
    days = previous_source_totals(reported.harness.database, "2026-01-04", 2)
    assert days == {KEY: {"USD": (2, 1500)}, NEXT_KEY: {"USD": (1, 1000)}}


@pytest.mark.long
def test_the_row_says_where_the_other_one_is(reported: Shop) -> None:
    run(reported, NEXT_KEY)
    rows = reported.harness.rows(quarantine_row)
    (row,) = (one for one in rows if one["dataset"] == REPEATED)
    assert row["order_id"] == "O1"
    assert row["row_redacted"]["completed_at"]["actual"] == f"also on {KEY}"


@pytest.mark.long
def test_without_the_later_row_all_is_as_before(reported: Shop) -> None:
    before = found(reported.harness)
    run(reported, NEXT_KEY)
    reported.execute(
        "delete from completed_orders where completed_at = :at", at=NOON + DAY
    )
    run(reported, NEXT_KEY)
    run(reported, KEY)
    assert found(reported.harness) == before
    # The stand-in of the other row is removed with it.
    reported.harness.worth = dict.fromkeys(("O1", "O2"))


@pytest.mark.long
def test_without_the_earlier_row_the_order_has_moved(reported: Shop) -> None:
    run(reported, NEXT_KEY)
    reported.execute(
        "delete from completed_orders where order_id = 'O1' and completed_at = :at",
        at=NOON,
    )
    run(reported, NEXT_KEY)
    assert found(reported.harness)[NEXT_KEY] == [("accepted", None, 1000)]
    assert sorted(sent(reported)) == ["O1", "O2"]
    reported.harness.worth = dict.fromkeys(("O1", "O2"))


@pytest.mark.long
def test_an_unreported_order_is_quarantined_on_both_days(shop: Shop) -> None:
    shop.order("O1", 10, currency="ZZZ")
    run(shop, KEY)
    shop.execute("update completed_orders set currency = 'USD'")
    add_row(shop, "O1")
    for key in (NEXT_KEY, KEY, NEXT_KEY):
        run(shop, key)
    # The first is the order's own delivery, the second is the stand-in of the row.
    assert found(shop.harness) == {
        KEY: [(*REFUSED, 1000)],
        NEXT_KEY: [(*REFUSED, 1000)],
    }
    assert sent(shop) == []
    assert adds_up(shop, KEY)
    assert adds_up(shop, NEXT_KEY)


@pytest.mark.long
def test_an_order_reported_on_neither_day_is_reported_for_one_row_at_most(
    shop: Shop,
) -> None:
    """Both days were staged before either was delivered, as in a backfill."""
    shop.order("O1", 10)
    add_row(shop, "O1")
    staged = []
    for key, start in KEYS.items():
        shop.key, shop.window = key, (start, start + DAY)
        shop.stage()
        staged.append(key)
    for key in staged:
        shop.key = key
        shop.deliver()
    for key in (*KEYS, *KEYS):
        run(shop, key)
    assert sent(shop) == ["O1"]
    assert sorted(map(len, found(shop.harness).values())) == [1, 1]
    assert [(*REFUSED, 1000)] in found(shop.harness).values()


BAD = [
    "update completed_orders set currency = 'ZZZ' where order_id = 'O1'",
    "delete from order_items where order_id = 'O1'",
    "update completed_orders set revenue = 11, total = 11 where order_id = 'O1'",
]


def redate(shop: Shop, order_id: str) -> None:
    """The order's only row is on the next day from now on."""
    shop.execute(
        "update completed_orders set completed_at = :at where order_id = :order_id",
        at=NOON + DAY,
        order_id=order_id,
    )


def needs_reversal(shop: Shop) -> list[str]:
    with shop.harness.database.read() as connection:
        view = "select order_id from v_needs_reversal"
        return [str(row[0]) for row in connection.exec_driver_sql(view)]


def never_seen(shop: Shop) -> int:
    with shop.harness.database.read() as connection:
        view = "select coalesce(sum(never_seen), 0) from v_reconcile"
        return int(connection.exec_driver_sql(view).scalar_one())


@pytest.mark.long
@pytest.mark.parametrize("bad", BAD)
def test_a_refused_order_goes_with_its_row_to_another_day(shop: Shop, bad: str) -> None:
    shop.order("O1", 10)
    shop.order("O2", 5)
    shop.execute(bad)
    run(shop, KEY)
    redate(shop, "O1")
    for key in (NEXT_KEY, KEY, NEXT_KEY, KEY):
        run(shop, key)
        assert adds_up(shop, key)
    assert [state for state, *_ in found(shop.harness)[NEXT_KEY]] == ["quarantined"]
    assert len(found(shop.harness)[KEY]) == 1
    assert never_seen(shop) == 0


@pytest.mark.long
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("first", [KEY, pytest.param(NEXT_KEY, marks=pytest.mark.long)])
def test_a_reported_order_that_is_quarantined_on_its_new_day_is_not_missing(
    shop: Shop, bad: str, first: str
) -> None:
    shop.order("O1", 10)
    shop.order("O2", 5)
    run(shop, KEY)
    redate(shop, "O1")
    shop.execute(bad)
    for key in (first, NEXT_KEY, KEY, NEXT_KEY):
        run(shop, key)
    assert found(shop.harness)[NEXT_KEY] == [("accepted", None, 1000)]
    assert needs_reversal(shop) == []
    if "currency" not in bad:  # what cannot be read agrees with no money
        assert never_seen(shop) == 0
    assert [
        row
        for row in shop.harness.rows(data_issue)
        if row["code"] == MISSING_FROM_SOURCE
    ] == []
    assert sorted(sent(shop)) == ["O1", "O2"]


@pytest.mark.long
@pytest.mark.parametrize("bad", [one for one in BAD if "completed_orders" in one])
def test_a_refused_row_leaves_the_delivery_of_another_day_alone(
    shop: Shop, bad: str
) -> None:
    shop.order("O1", 10)
    shop.order("O2", 5)
    shop.key, shop.window = KEY, (START, START + DAY)
    shop.stage()
    shop.harness.run_chunks(
        lambda: staged_chunks(shop.source, KEY), partition_key=KEY, limit=1
    )
    before = found(shop.harness)[KEY]
    assert [state for state, *_ in before] == ["accepted", "pending"]
    for order_id in ("O1", "O2"):
        add_row(shop, order_id)
    shop.execute(f"{bad} and completed_at > :noon", noon=NOON)
    run(shop, NEXT_KEY)
    assert found(shop.harness)[KEY] == before
    assert {state for state, *_ in found(shop.harness)[NEXT_KEY]} == {"quarantined"}
    assert adds_up(shop, NEXT_KEY)
    shop.execute("delete from completed_orders where completed_at > :noon", noon=NOON)
    run(shop, NEXT_KEY)
    run(shop, KEY)
    assert found(shop.harness) == {
        KEY: [("accepted", None, 1000), ("accepted", None, 500)]
    }
    shop.harness.worth = dict.fromkeys(("O1", "O2"))


@pytest.mark.long
def test_of_three_rows_the_remaining_ones_are_quarantined(shop: Shop) -> None:
    KEYS["2026-01-04"] = START + 2 * DAY
    shop.order("O1", 10)
    run(shop, KEY)
    add_row(shop, "O1")
    run(shop, NEXT_KEY)
    shop.execute(
        "update completed_orders set completed_at = :at where completed_at = :noon",
        at=NOON + 2 * DAY,
        noon=NOON,
    )
    for key in ("2026-01-04", NEXT_KEY, KEY, "2026-01-04", NEXT_KEY):
        run(shop, key)
    days = found(shop.harness)
    assert KEY not in days
    assert sorted([*days[NEXT_KEY], *days["2026-01-04"]], key=str) == [
        ("accepted", None, 1000),
        (*REFUSED, 1000),
    ]
    assert needs_reversal(shop) == []


@pytest.mark.long
def test_every_destination_reports_the_same_row(
    shop: Shop, make_harness: MakeHarness, policy: ResendPolicy
) -> None:
    """Both days were staged before either was delivered, to one destination each."""
    other = make_harness(shop.harness.database, policy)
    other.name = "second"
    shop.order("O1", 10)
    add_row(shop, "O1")
    for key, start in KEYS.items():
        shop.key, shop.window = key, (start, start + DAY)
        shop.stage()
    for key in (*KEYS, *reversed(KEYS)):
        for harness in (shop.harness, other):
            harness.clock.now = shop.harness.clock.now
            harness.run_chunks(
                lambda key=key: staged_chunks(shop.source, key),  # type: ignore[misc]
                partition_key=key,
                quarantined=shop.source.quarantined(key),
            )
    reported = [
        seen.body for harness in (shop.harness, other) for seen in harness.journal
    ]
    assert len(set(reported)) == 1
    for key in (*KEYS, *KEYS):
        run(shop, key)
    assert adds_up(shop, KEY)
    assert adds_up(shop, NEXT_KEY)
    assert never_seen(shop) == 0


def test_a_stand_in_names_the_order_of_its_row(reported: Shop) -> None:
    run(reported, NEXT_KEY)
    (row,) = (
        row for row in reported.harness.rows() if row["partition_key"] == NEXT_KEY
    )
    assert row["state_detail"] == "on_several_days (a row of O1)"
