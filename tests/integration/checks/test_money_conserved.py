"""All money of a day is in its deliveries, exactly, or the orders are listed."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import delete, update

from assets import money
from assets.figures.reconciliation import Balance, Difference, SourceOrder, reconcile
from assets.ledger import bind_limit
from assets.ledger.database import Database
from assets.ledger.states import State
from assets.ledger.tables import delivery
from assets.providers.conversion import Conversion
from assets.providers.eligibility import Ineligible
from pipelines.runs.launch import DayResult
from support.deployment import NAMES, Deployment, deployed, disable_in_run_retries
from support.engine import (
    DAY,
    LOST,
    NEVER,
    REFUSED,
    Bench,
    Chunk,
    FakeTransport,
    order,
    words,
)

LONG = {"postgresql"}

NEXT_DAY = "2026-11-21"
USD, JPY, KWD = ("USD", 2), ("JPY", 0), ("KWD", 3)
MIXED = [
    order("O1"),
    order("O2", currency="JPY", currency_digits=0, revenue=Decimal(1500)),
    order("O3", currency="KWD", currency_digits=3, revenue=Decimal("0.001")),
    order("O4", revenue=Decimal("99999999999999.99")),
]


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database)


def worth(orders: Sequence[Conversion]) -> list[SourceOrder]:
    chunk = Chunk(orders)
    return [
        SourceOrder(
            one.order_id,
            money.to_minor(one.revenue, one.currency_digits),
            one.currency,
            one.currency_digits,
            source_hash,
        )
        for one, source_hash in zip(orders, chunk.source_hashes, strict=True)
    ]


def balance(
    bench: Bench,
    orders: Sequence[Conversion],
    quarantined: Sequence[dict[str, Any]] = (),
    partition_key: str = DAY,
) -> Balance:
    """Compare both sides of a partition, reading two orders of the source at a time."""
    source = worth(orders)
    pairs = [source[start : start + 2] for start in range(0, len(source), 2)]
    database = bench.database
    return reconcile(database, "shop", partition_key, lambda: pairs, quarantined)


def differing(found: Balance) -> dict[Difference, list[str]]:
    assert found.counts == {kind: len(ids) for kind, ids in found.listed.items()}
    return dict(found.listed)


def quarantined_row(
    order_id: str, minor: int | None = 700, version: str = "h"
) -> dict[str, Any]:
    known = minor is not None
    return {
        "order_id": order_id,
        "reasons": ["money_mismatch"],
        "order_at": None,
        "amount_minor": minor,
        "currency": "USD" if known else None,
        "currency_digits": 2 if known else None,
        "source_row_hash": version,
    }


def tamper(bench: Bench, whose: str, **values: Any) -> None:
    with bench.database.write() as connection:
        connection.execute(
            update(delivery).where(delivery.c.order_id == whose).values(values)
        )


@pytest.mark.sampled(1)
def test_each_state_and_each_currency_adds_up(bench: Bench) -> None:
    bench.provider.resend = NEVER
    bench.provider.ineligible = {
        "O2": Ineligible("suppressed", "no_click_id", "none stored")
    }
    bench.transport = FakeTransport({"O3": words(O3="rejected"), "O4": LOST})
    rows = [quarantined_row("O5"), quarantined_row("O6", None)]
    bench.run(MIXED, quarantined=rows)
    found = balance(bench, MIXED, rows)
    assert differing(found) == {}
    assert found.difference() == {}
    assert found.source[USD] == 1234 + 9999999999999999 + 700
    assert found.deliveries == {
        State.ACCEPTED: {USD: 1234},
        State.SUPPRESSED: {JPY: 1500},
        State.REJECTED: {KWD: 1},
        State.UNCERTAIN: {USD: 9999999999999999},
        State.QUARANTINED: {USD: 700, ("", 0): 0},
    }


@pytest.mark.parametrize(
    ("values", "difference"),
    [
        ({"amount_minor": 1235}, {USD: -1}),
        ({"amount_minor": None}, {USD: 1234}),
        ({"currency": "EUR"}, {("EUR", 2): -1234, USD: 1234}),
        ({"currency_digits": 3}, {USD: 1234, ("USD", 3): -1234}),
    ],
)
def test_a_manipulated_delivery_is_found(
    bench: Bench, values: dict[str, Any], difference: dict[Any, int]
) -> None:
    bench.run([order("O1"), order("O2")])
    tamper(bench, "O2", **values)
    found = balance(bench, [order("O1"), order("O2")])
    assert differing(found) == {Difference.ALTERED: ["O2"]}
    assert found.difference() == difference
    assert not found.is_explained


def test_two_changes_that_cancel_out_are_found(bench: Bench) -> None:
    bench.run([order("O1"), order("O2")])
    tamper(bench, "O1", amount_minor=1233)
    tamper(bench, "O2", amount_minor=1235)
    found = balance(bench, [order("O1"), order("O2")])
    assert found.difference() == {}
    assert differing(found) == {Difference.ALTERED: ["O1", "O2"]}


def test_a_change_of_an_unsent_delivery_is_no_drift(bench: Bench) -> None:
    bench.run([order("O1"), order("O2")], limit=1)
    tamper(bench, "O2", amount_minor=1, source_hash="another")
    found = balance(bench, [order("O1"), order("O2")])
    assert differing(found) == {Difference.ALTERED: ["O2"]}


def test_an_order_without_a_delivery_is_found(bench: Bench) -> None:
    bench.run([order("O1"), order("O2")], quarantined=[quarantined_row("O3")])
    with bench.database.write() as connection:
        # Its attempts keep the other from being deleted; its order id does not.
        gone = delivery.c.order_id == "O3"
        connection.execute(delete(delivery).where(gone))
    tamper(bench, "O2", order_id="O9")
    found = balance(bench, [order("O1"), order("O2")], [quarantined_row("O3")])
    assert differing(found) == {
        Difference.NO_DELIVERY: ["O2", "O3"],
        Difference.NOT_IN_SOURCE: ["O9"],
    }
    assert not found.is_explained
    assert found.difference() == {USD: 700}


def test_a_change_after_delivery_stays_a_difference(bench: Bench) -> None:
    bench.run([order("O1"), order("O2")])
    changed = [order("O1"), order("O2", revenue=Decimal("10.00"))]
    for _ in range(2):
        bench.run(changed)
        found = balance(bench, changed)
        assert differing(found) == {Difference.DRIFTED: ["O2"]}
        assert found.is_explained
        assert found.difference() == {USD: -234}
    assert bench.row("O2")["amount_minor"] == 1234


def test_a_change_of_an_uncertain_delivery_stays_a_difference(bench: Bench) -> None:
    bench.provider.resend = NEVER
    bench.transport = FakeTransport({"O1": LOST})
    bench.run([order()])
    changed = [order(revenue=Decimal("10.00"))]
    bench.run(changed)
    assert bench.states() == {"O1": "uncertain"}
    assert differing(balance(bench, changed)) == {Difference.DRIFTED: ["O1"]}


def test_a_change_that_is_not_reported_makes_no_difference(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.provider, "payload", lambda one: one.order_id.encode())
    bench.run([order()])
    changed = [order(revenue=Decimal("10.00"))]
    bench.run(changed)
    assert bench.row()["amount_minor"] == 1000
    assert differing(balance(bench, changed)) == {}


def test_a_rejected_order_has_the_amount_of_the_source(bench: Bench) -> None:
    bench.transport = FakeTransport({"O1": words(O1="rejected")})
    bench.run([order()])
    bench.provider.ineligible = {
        "O1": Ineligible("suppressed", "consent_refused", "false")
    }
    changed = [order(revenue=Decimal("10.00"))]
    bench.run(changed)
    assert bench.states() == {"O1": "rejected"}
    assert differing(balance(bench, changed)) == {}


def test_a_reported_order_missing_from_the_source_stays_a_difference(
    bench: Bench,
) -> None:
    bench.run([order("O1"), order("O2")])
    for _ in range(2):
        bench.run([order("O1")])
        found = balance(bench, [order("O1")])
        assert differing(found) == {Difference.NOT_IN_SOURCE: ["O2"]}
        assert found.is_explained
        assert found.difference() == {USD: -1234}
    bench.run([order("O1"), order("O2")])
    assert differing(balance(bench, [order("O1"), order("O2")])) == {}


def test_an_uncertain_order_missing_from_the_source_is_a_difference(
    bench: Bench,
) -> None:
    bench.transport = FakeTransport({"O1": LOST})
    bench.run([order()], limit=1)
    bench.run([])
    assert differing(balance(bench, [])) == {Difference.NOT_IN_SOURCE: ["O1"]}


@pytest.mark.parametrize("reply", [REFUSED, words(O1="rejected"), None])
def test_an_unreported_order_missing_from_the_source_is_no_difference(
    bench: Bench, reply: Any
) -> None:
    if reply is None:
        bench.provider.ineligible = {
            "O1": Ineligible("suppressed", "no_click_id", "none stored")
        }
    bench.transport = FakeTransport({"O1": reply})
    bench.run([order()], limit=1)
    bench.run([])
    assert differing(balance(bench, [])) == {}


def test_a_reported_order_that_is_quarantined_later_is_drift(bench: Bench) -> None:
    bench.run([order("O1"), order("O2")])
    rows = [quarantined_row("O1", 999), quarantined_row("O2", 1234)]
    bench.run([], quarantined=rows)
    assert differing(balance(bench, [], rows)) == {Difference.DRIFTED: ["O1"]}


def test_a_staged_order_is_not_counted_as_quarantined(bench: Bench) -> None:
    bench.run([order()])
    found = balance(bench, [order()], [quarantined_row("O1")])
    assert differing(found) == {}
    assert found.source == {USD: 1234}


def test_an_order_reported_under_another_event_counts_once(bench: Bench) -> None:
    bench.run([order()])
    bench.provider.event = "renamed"
    bench.run([order()])
    found = balance(bench, [order()])
    assert differing(found) == {}
    assert found.deliveries == {State.ACCEPTED: {USD: 1234}}


def test_an_order_reported_under_another_event_moves_with_its_money(
    bench: Bench,
) -> None:
    bench.run([order()])
    bench.provider.event = "renamed"
    moved = [order(completed_at=order().completed_at + timedelta(days=1))]
    bench.run(moved, partition_key=NEXT_DAY)
    found = balance(bench, moved, partition_key=NEXT_DAY)
    assert differing(found) == {}
    assert found.deliveries == {State.ACCEPTED: {USD: 1234}}
    assert differing(balance(bench, [])) == {}


def test_an_order_that_moved_is_missing_in_no_partition(bench: Bench) -> None:
    bench.run([order()])
    moved = [order(completed_at=order().completed_at + timedelta(days=1))]
    bench.run(moved, partition_key=NEXT_DAY)
    for orders, key in ((moved, NEXT_DAY), ([], DAY)):
        assert differing(balance(bench, orders, partition_key=key)) == {}


def test_other_destinations_are_ignored(bench: Bench) -> None:
    bench.run([order()])
    tamper(bench, "O1", destination="other")
    assert differing(balance(bench, [order()])) == {Difference.NO_DELIVERY: ["O1"]}
    assert differing(balance(bench, [])) == {}


def test_the_first_differing_orders_are_listed_and_all_are_counted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bind_limit, "MAX_BIND_VALUES", 1)
    found = balance(bench, [order(f"O{number:02}") for number in range(33)])
    assert found.counts == {Difference.NO_DELIVERY: 33}
    first = [f"O{number:02}" for number in range(20)]
    assert found.listed[Difference.NO_DELIVERY] == first


# Through Dagster.

CHECKED = dg.DagsterEventType.ASSET_CHECK_EVALUATION


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    disable_in_run_retries(monkeypatch)
    with deployed(tmp_path, orders_per_day=20) as deployment:
        yield deployment


def checks(shop: Deployment, run: DayResult) -> dict[str, Any]:
    """Return the evaluations by destination."""
    return {
        one.asset_key.path[-1]: one
        for one in shop.events(run, CHECKED)
        if one.check_name == "money_conserved"
    }


def first_delivered(shop: Deployment, destination: str) -> str:
    rows = shop.rows(destination).values()
    return min(row["order_id"] for row in rows if row["state"] == "accepted")


def test_the_check_passes_on_a_good_day_and_shows_the_money(shop: Deployment) -> None:
    found = checks(shop, shop.run())
    assert set(found) == set(NAMES)
    assert all(one.passed for one in found.values())
    table = found["trackdesk_main"].metadata["balance"].value
    assert "| USD |" in table
    assert "suppressed" in table
    assert "| ? | 0 | 0 | 0 |" in table  # the currency that does not exist


@pytest.mark.long
def test_a_manipulated_delivery_fails_the_check_and_not_the_partition(
    shop: Deployment,
) -> None:
    shop.run()
    order_id = first_delivered(shop, "trackdesk_main")
    with shop.ledger() as database, database.write() as connection:
        connection.execute(
            update(delivery)
            .where(
                delivery.c.destination == "trackdesk_main",
                delivery.c.order_id == order_id,
            )
            .values(amount_minor=delivery.c.amount_minor + 5)
        )
    run = shop.run()
    assert run.finished
    found = checks(shop, run)
    failed = found.pop("trackdesk_main")
    assert not failed.passed
    assert failed.severity is dg.AssetCheckSeverity.ERROR
    altered = failed.metadata["worth something else in their deliveries"]
    assert altered.value == order_id
    # Alerts send the description, which names no order.
    assert order_id not in failed.description
    assert "attribution export --date" in failed.description
    assert failed.metadata["partition"].value in failed.description
    assert "the source holds -0.05" in failed.description
    assert failed.metadata["orders altered"].value == 1
    assert all(one.passed for one in found.values())


@pytest.mark.long
def test_an_order_changed_or_cancelled_after_delivery_is_a_warning(
    shop: Deployment,
) -> None:
    shop.run()
    order_id = first_delivered(shop, "trackdesk_main")
    for table in ("completed_orders", "order_items"):
        shop.warehouse(f"delete from {table} where order_id = ?", order_id)
    changed = first_delivered(shop, "convert_web")
    if changed == order_id:
        rows = shop.rows("convert_web").values()
        changed = max(row["order_id"] for row in rows if row["state"] == "accepted")
    shop.warehouse(
        "update completed_orders set revenue = revenue + 1, total = total + 1"
        " where order_id = ?",
        changed,
    )
    shop.warehouse(
        "update order_items set subtotal = subtotal + 1, unit_price = subtotal + 1,"
        " quantity = 1 where order_id = ? and line_no = 1",
        changed,
    )
    run = shop.run()
    assert run.finished
    found = checks(shop, run)
    for name, said, whose in (
        ("trackdesk_main", "gone from the source after they were sent", order_id),
        ("convert_web", "changed after they were sent", changed),
    ):
        assert not found[name].passed
        assert found[name].severity is dg.AssetCheckSeverity.WARN
        assert whose in found[name].metadata[said].value
        assert "v_needs_reversal" in found[name].description
