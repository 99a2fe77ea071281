"""A day that is not to be believed stops before anything of it is staged or sent."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from sqlalchemy import select

from assets.ledger.tables import guard_override, quarantine_row
from support.deployment import DAY, ROOT, Deployment, deployed

TABLES = ("completed_orders", "order_items")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A shop with usual days; then the orders of the last one vanish."""
    monkeypatch.chdir(tmp_path)
    guards = "[guards]\nusual_orders = 10\n"
    with deployed(tmp_path, days=2, orders_per_day=12, more=guards) as deployment:
        assert deployment.run(
            DAY - timedelta(days=1), destinations=["trackdesk_main"]
        ).finished
        assert deployment.run(destinations=["trackdesk_main"]).finished
        yield deployment


def empty_the_warehouse(shop: Deployment) -> None:
    for table in TABLES:
        shop.warehouse(f"delete from {table}")


@pytest.mark.long
def test_55_an_empty_day_marks_nothing_and_says_what_to_do(shop: Deployment) -> None:
    before = shop.rows()
    requests = len(shop.server.sandbox.requests("trackdesk"))
    empty_the_warehouse(shop)
    run = shop.run(destinations=["trackdesk_main"])
    assert run.refused
    said = run.failures["completed_orders"]
    assert "12 orders as on the days before, got none" in said
    assert "--override" in said
    assert shop.rows() == before
    assert len(shop.server.sandbox.requests("trackdesk")) == requests


@pytest.mark.long
def test_an_override_accepts_the_day_and_is_recorded(shop: Deployment) -> None:
    empty_the_warehouse(shop)
    words = ["export", "--date", DAY.isoformat(), "--to", "trackdesk_main"]
    assert shop.attribution(*words).exit_code == 3
    said = [*words, "--override", "the shop was closed"]
    assert shop.attribution(*said).exit_code == 0
    with shop.ledger() as database, database.read() as connection:
        (kept,) = connection.execute(select(guard_override)).all()
    assert kept.reason == "the shop was closed"
    assert kept.partition_key == DAY.isoformat()
    assert "got none" in kept.objections[0]


def test_a_blank_override_is_none(shop: Deployment) -> None:
    empty_the_warehouse(shop)
    assert shop.run(destinations=["trackdesk_main"], override=" \t").refused


def use_orders_statement(shop: Deployment, text: str) -> None:
    copytree(ROOT / "sql/extract", shop.folder / "mine")
    (shop.folder / "mine/completed_orders.sql").write_text(text)
    config = shop.config_path.read_text()
    shop.config_path.write_text(f'extract_dir = "mine"\n{config}')


BOUNDED_IN_VAIN = """
    select * from completed_orders
    where completed_at >= :window_start or completed_at < :window_end
"""


@pytest.mark.parametrize("override", ["", "they are right"])
def test_orders_of_other_days_are_refused_even_with_an_override(
    shop: Deployment, override: str
) -> None:
    before, held = shop.rows(), quarantined(shop)
    requests = len(shop.server.sandbox.requests("trackdesk"))
    shop.warehouse(
        "update completed_orders set currency = 'ZZZ'"
        " where completed_at = (select min(completed_at) from completed_orders)"
    )
    use_orders_statement(shop, BOUNDED_IN_VAIN)
    run = shop.run(destinations=["trackdesk_main"], override=override)
    assert run.refused
    said = run.failures["completed_orders"]
    ((first, orders),) = shop.warehouse(
        "select min(completed_at), count(*) from completed_orders"
    )
    assert f"got 12 of {orders} outside, from {first.isoformat()[:16]}" in said
    assert "Bound `completed_at` by `:window_start` and `:window_end`" in said
    assert (shop.rows(), quarantined(shop)) == (before, held)
    assert len(shop.server.sandbox.requests("trackdesk")) == requests


def test_a_run_refuses_a_statement_without_a_bound(shop: Deployment) -> None:
    text = "select * from completed_orders where completed_at >= :window_start"
    use_orders_statement(shop, text)
    run = shop.run(destinations=["trackdesk_main"])
    assert not run.finished
    assert "got one without :window_end" in run.failures["completed_orders"]


def quarantined(shop: Deployment) -> list[dict[str, Any]]:
    statement = select(quarantine_row).order_by(quarantine_row.c.source_row_hash)
    with shop.ledger() as database, database.read() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


@pytest.mark.long
def test_a_refused_day_leaves_what_is_quarantined_as_it_was(shop: Deployment) -> None:
    """Its bad rows belong to a day that nobody believes."""
    before = quarantined(shop)
    shop.warehouse("update completed_orders set currency = 'ZZZ'")
    assert shop.run(destinations=["trackdesk_main"]).refused
    assert quarantined(shop) == before
    assert shop.run(destinations=["trackdesk_main"], override="they are").finished
    assert len(quarantined(shop)) > len(before)
