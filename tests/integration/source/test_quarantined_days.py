"""A day of which most orders are quarantined is refused, and nothing of it is sent."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from assets.deliveries import delivery_key
from assets.ledger.tables import export_run, guard_override
from support.deployment import DAY, Deployment, deployed

TO = ["trackdesk_main", "idme_wallet"]
EXPORT = ["export", "--date", DAY.isoformat(), "--to", TO[0], "--to", TO[1]]
UNFIT_ROWS = "update completed_orders set currency = 'ZZZ'"
WRONG_MONEY = "update order_items set subtotal = subtotal + 1"
"""Refused by the join: each row is fit by itself."""

FAULTS = {"validation": UNFIT_ROWS, "join": WRONG_MONEY}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.chdir(tmp_path)
    guards = "[guards]\nquarantined_from_orders = 3\n"
    with deployed(tmp_path, orders_per_day=24, more=guards) as deployment:
        yield deployment


def assert_nothing_was_sent(shop: Deployment) -> None:
    assert len(shop.server.sandbox.requests("trackdesk")) == 0
    assert not list(shop.folder.glob("staging/outbox/**/*.jsonl"))
    assert shop.rows() == {}


def overrides(shop: Deployment) -> list[tuple[str, list[str]]]:
    with shop.ledger() as database, database.read() as connection:
        found = connection.execute(select(guard_override)).all()
    return [(row.reason, row.objections) for row in found]


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_of_a_refused_day_is_sent(shop: Deployment, fault: str) -> None:
    shop.warehouse(FAULTS[fault])
    done = shop.attribution(*EXPORT)
    assert done.exit_code == 3, done.output
    reason = {"validation": "currency", "join": "money_mismatch"}[fault]
    assert "expected at most 50 % of the orders to be quarantined, got" in done.output
    assert reason in done.output
    assert "--override" in done.output
    assert_nothing_was_sent(shop)


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_a_backfill_refuses_such_a_day_too(shop: Deployment, fault: str) -> None:
    shop.warehouse(FAULTS[fault])
    day = DAY.isoformat()
    for mode in ([], ["--single-run"]):
        done = shop.attribution(
            "backfill", "--from", day, "--to", day, "--destination", TO[0], *mode
        )
        assert done.exit_code == 3, done.output
        assert "to be quarantined" in done.output
    assert_nothing_was_sent(shop)


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_an_override_accepts_the_day_and_is_recorded(
    shop: Deployment, fault: str
) -> None:
    shop.warehouse(FAULTS[fault])
    done = shop.attribution(*EXPORT, "--override", "a test of the shop")
    assert done.exit_code == 0, done.output
    assert "orders (100.0%) are quarantined, most of them for" in done.output
    ((reason, objections),) = overrides(shop)
    assert reason == "a test of the shop"
    assert all("to be quarantined" in one for one in objections)
    assert set(shop.states(TO[0])) == {"quarantined"}
    assert len(shop.server.sandbox.requests("trackdesk")) == 0


@pytest.mark.long
def test_orders_that_become_unfit_later_are_not_sent_from_the_earlier_day(
    shop: Deployment,
) -> None:
    """The staged conversions of the earlier run hold them as good orders."""
    assert shop.run(destinations=["convert_web"]).finished
    shop.warehouse(WRONG_MONEY)
    assert shop.run(destinations=TO).refused
    again = shop.run(destinations=[TO[0]], only={delivery_key(TO[0])})
    assert not again.finished
    assert "expected a file of the upstream asset" in str(again.failures)
    assert len(shop.server.sandbox.requests("trackdesk")) == 0


@pytest.mark.long
def test_a_refused_day_is_sent_once_its_source_is_corrected(shop: Deployment) -> None:
    shop.warehouse(WRONG_MONEY)
    assert shop.run(destinations=TO).refused
    shop.warehouse("update order_items set subtotal = subtotal - 1")
    assert shop.run(destinations=TO).finished
    assert shop.states(TO[0])["accepted"] > 0


def refuse_for_trackdesk(shop: Deployment) -> None:
    """Map a text with a telephone number: every request has personal data."""
    shop.warehouse("update completed_orders set store_code = '+1 212 555 0123'")
    table = "[destinations.trackdesk_main.fields]"
    text = shop.config_path.read_text()
    shop.config_path.write_text(f'{text}\n{table}\nadvS1 = "extra.store_code"\n')


def test_a_destination_whose_own_rules_refuse_most_orders_sends_nothing(
    shop: Deployment,
) -> None:
    refuse_for_trackdesk(shop)
    done = shop.attribution(*EXPORT)
    assert done.exit_code == 3, done.output
    assert "Delivering to trackdesk_main was refused" in done.output
    assert "of deliveries/trackdesk_main" in done.output
    assert "are quarantined, most of them for" in done.output
    assert len(shop.server.sandbox.requests("trackdesk")) == 0
    with shop.ledger() as database, database.read() as connection:
        runs = connection.execute(select(export_run)).all()
    outcomes = {run.destination: run.outcome for run in runs}
    assert outcomes == {TO[0]: "stopped_guard", TO[1]: "complete"}


@pytest.mark.long
def test_an_override_accepts_the_day_of_that_destination(shop: Deployment) -> None:
    refuse_for_trackdesk(shop)
    done = shop.attribution(*EXPORT, "--override", "known")
    assert done.exit_code == 0, done.output
    assert [reason for reason, _ in overrides(shop)] == ["known"]
    again = shop.attribution(*EXPORT)
    assert again.exit_code == 0, again.output


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_an_override_holds_for_the_same_figures_only(
    shop: Deployment, fault: str
) -> None:
    one_fewer = " where order_id <> (select min(order_id) from completed_orders)"
    shop.warehouse(FAULTS[fault] + one_fewer)
    assert shop.attribution(*EXPORT).exit_code == 3
    assert shop.attribution(*EXPORT, "--override", "known").exit_code == 0
    assert shop.attribution(*EXPORT).exit_code == 0
    shop.warehouse(FAULTS[fault])
    assert shop.attribution(*EXPORT).exit_code == 3


@pytest.mark.long
def test_below_the_limit_the_export_prints_the_share(shop: Deployment) -> None:
    done = shop.attribution(*EXPORT)
    assert done.exit_code == 0, done.output
    (line,) = (one for one in done.output.splitlines() if "are quarantined" in one)
    assert "orders (" in line
