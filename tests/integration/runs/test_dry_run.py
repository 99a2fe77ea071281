"""A dry run shows exactly what a run would send, and opens no socket."""

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_socket import disable_socket, enable_socket

from assets import money
from assets.delivery.preview import Preview, preview
from assets.ledger.database import Database
from assets.providers.base import Limits
from pipelines.runs import launch
from support.deployment import DAY, NAMES, Deployment, deployed, disable_in_run_retries
from support.engine import Bench, Chunk, FakeProvider, many, order

SENT = {"settled", "accepted", "staged", "rejected", "duplicate", "queued"}
LINE = re.compile(
    r"(?P<name>\w+): would send (?P<orders>[\d,]+) conversions in (?P<requests>[\d,]+)"
    r" requests(, worth (?P<worth>.*))?"
)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    disable_in_run_retries(monkeypatch)
    with deployed(tmp_path) as deployment:
        monkeypatch.setattr(launch, "open_instance", lambda: deployment.instance)
        monkeypatch.setenv("COLUMNS", "200")
        yield deployment


@pytest.fixture
def no_socket(shop: Deployment) -> Iterator[None]:
    """Make every new socket to another process fail."""
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()


def dry_run(shop: Deployment, *words: str) -> dict[str, re.Match[str]]:
    """Return the line of each destination."""
    done = shop.attribution("export", "--date", str(DAY), "--dry-run", *words)
    assert done.exit_code == 0, done.stderr
    return {found["name"]: found for found in LINE.finditer(done.stdout)}


def revenue(line: re.Match[str]) -> dict[str, Decimal]:
    amounts = (one.split(" ") for one in (line["worth"] or "").split(", ") if one)
    return {code: Decimal(text.replace(",", "")) for text, code in amounts}


def test_no_socket_is_opened_and_nothing_is_written(
    shop: Deployment, no_socket: None
) -> None:
    tables = "select table_schema, table_name from information_schema.tables"
    before = shop.warehouse(tables)
    assert set(dry_run(shop)) == set(NAMES)
    assert shop.rows() == {}
    assert shop.warehouse(tables) == before
    assert not (shop.config.staging / "outbox").exists()
    assert shop.server.sandbox.journal.entries == []


@pytest.mark.long
def test_a_dry_run_shows_what_a_run_then_sends(shop: Deployment) -> None:
    line = dry_run(shop)
    shop.run()
    for name in NAMES:
        sent = [one for one in shop.totals(destination=name) if one.state in SENT]
        amounts: dict[str, Decimal] = {}
        for one in sent:
            assert one.currency is not None
            assert one.currency_digits is not None
            amount = money.from_minor(one.amount_minor, one.currency_digits)
            amounts[one.currency] = amounts.get(one.currency, Decimal(0)) + amount
        assert int(line[name]["orders"]) == sum(one.orders for one in sent) > 0
        assert revenue(line[name]) == amounts


@pytest.mark.long
def test_after_a_good_run_nothing_would_be_sent(shop: Deployment) -> None:
    shop.run()
    before = shop.rows()
    line = dry_run(shop)
    assert {(one["orders"], one["requests"]) for one in line.values()} == {("0", "0")}
    assert shop.rows() == before


@pytest.mark.long
def test_amounts_have_the_digits_of_their_currency(shop: Deployment) -> None:
    for line in dry_run(shop).values():
        for amount in line["worth"].split(", "):
            assert re.fullmatch(r"[\d,]+\.\d\d [A-Z]{3}", amount)


@pytest.mark.long
def test_quarantined_orders_are_previewed_before_and_after_they_have_a_delivery(
    shop: Deployment,
) -> None:
    tests = shop.warehouse("select count(*) from completed_orders where is_test")[0][0]
    shop.warehouse("update completed_orders set order_id = null where is_test")
    for _ in range(2):
        words = ("export", "--date", str(DAY), "--dry-run", "--to", "impact_us")
        done = shop.attribution(*words)
        assert "quarantined money_mismatch: 1\n" in done.stdout
        assert f"quarantined missing_order_id: {tests}\n" in done.stdout
        shop.run(destinations=["impact_us"])


def previewed(bench: Bench, quarantined_orders: dict[str, str]) -> Preview:
    partition = bench.dispatch().partition
    quarantined = [
        {"order_id": order_id, "reasons": [reason]}
        for order_id, reason in quarantined_orders.items()
    ]
    return preview(partition, [Chunk(many(5))], quarantined)


def test_an_order_without_a_valid_request_is_previewed_as_such(
    database: Database,
) -> None:
    limits = Limits(conversions_per_request=3)
    bench = Bench(database, FakeProvider(limits=limits, unbuildable={"O00001"}))
    found = previewed(bench, {})
    assert found.not_sent == Counter({("quarantined", "payload_error"): 1})
    assert (found.conversions, found.requests) == (4, 3)
    assert found.amounts == {"USD": 4 * Decimal("12.34")}
    assert bench.rows() == {}


def test_an_order_that_was_sent_is_not_previewed_as_quarantined(
    database: Database,
) -> None:
    bench = Bench(database)
    bench.run([order("sent")])
    found = previewed(bench, {"sent": "no_items", "new": "money_mismatch"})
    assert found.not_sent == Counter({("quarantined", "money_mismatch"): 1})


@pytest.mark.long
def test_only_the_named_destination_is_previewed(shop: Deployment) -> None:
    assert set(dry_run(shop, "--to", "convert_web")) == {"convert_web"}
