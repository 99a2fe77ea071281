"""The `attribution` command: what it prints, and its exit status."""

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.runs import launch
from support.deployment import (
    COMMAND,
    DAY,
    NAMES,
    Deployment,
    deployed,
    process,
    without_patience,
)

BEFORE = DAY - timedelta(days=1)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Two days of few orders; the command is run from its folder."""
    without_patience(monkeypatch)
    with deployed(tmp_path, orders_per_day=20, days=2) as deployment:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(launch, "open_instance", lambda: deployment.instance)
        monkeypatch.setenv("COLUMNS", "200")
        yield deployment


def said(text: str) -> str:
    """Text without the line ends of the terminal."""
    return " ".join(text.split())


def test_a_good_export_shows_every_state_and_ends_well(shop: Deployment) -> None:
    done = process(shop, "export", "--date", str(DAY))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for word in (*NAMES, "settled", "accepted", "staged", "quarantined", "USD"):
        assert word in done.stdout


def test_an_export_that_left_something_ends_with_one(shop: Deployment) -> None:
    shop.server.sandbox.misbehave("trackdesk/bumpy:status=503~.")
    done = shop.attribution("export", "--date", str(DAY))
    assert done.exit_code == 1
    assert "sends only what is missing" in said(done.stderr)
    assert "trackdesk_main" not in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_only_the_named_destinations_are_exported(shop: Deployment) -> None:
    words = ["--to", "impact_us", "--to", "idme_wallet"]
    done = shop.attribution("export", "--date", str(DAY), *words)
    assert done.exit_code == 0
    held = {one.destination for one in shop.totals()}
    assert held == {"impact_us", "idme_wallet"}
    assert shop.states("impact_us")["settled"] > 0


def test_a_limit_is_kept_and_the_rest_is_sent_by_the_next_run(
    shop: Deployment,
) -> None:
    done = shop.attribution("export", "--date", str(DAY), "--limit", "2")
    assert done.exit_code == 1
    assert shop.states("impact_us")["pending"] > 0
    assert len(shop.server.sandbox.effects("trackdesk", "demo")) == 2
    done = shop.attribution("export", "--date", str(DAY))
    assert done.exit_code == 0
    assert shop.states("impact_us")["pending"] == 0


def test_a_backfill_exports_every_day_and_goes_on_after_a_bad_one(
    shop: Deployment,
) -> None:
    pattern = BEFORE.strftime("%Y%m%d")
    shop.server.sandbox.misbehave(f"trackdesk/bumpy:status=503~^D{pattern}")
    words = ["backfill", "--from", str(BEFORE), "--to", str(DAY)]
    done = shop.attribution(*words)
    assert done.exit_code == 1
    assert f"{BEFORE} deliveries__trackdesk_bumpy" in said(done.stderr)
    assert f"{DAY} deliveries" not in said(done.stderr)
    days = {one.partition_key for one in shop.totals(destination="trackdesk_main")}
    assert days == {str(BEFORE), str(DAY)}


def test_status_is_json_with_exact_money(shop: Deployment) -> None:
    words = ["backfill", "--from", str(BEFORE), "--to", str(DAY)]
    assert shop.attribution(*words, "--destination", "impact_us").exit_code == 0
    words = ["status", "--from", str(DAY), "--to", str(DAY), "--json"]
    rows = json.loads(shop.attribution(*words).stdout)
    assert sum(row["orders"] for row in rows) == 20
    assert {row["destination"] for row in rows} == {"impact_us"}
    held = shop.totals(first=str(DAY), last=str(DAY))
    for row in rows:
        for currency, text in row["revenue"].items():
            minor = sum(
                one.amount_minor
                for one in held
                if (one.state, one.currency) == (row["state"], currency)
            )
            assert isinstance(text, str)
            assert Decimal(text) == Decimal(minor).scaleb(-2)
    everything = json.loads(shop.attribution("status", "--json").stdout)
    assert sum(row["orders"] for row in everything) == 40


def test_status_of_empty_tables_is_empty(shop: Deployment) -> None:
    done = shop.attribution("status", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])


def test_migrating_twice_is_the_same_as_once(shop: Deployment) -> None:
    for _ in range(2):
        done = shop.attribution("migrate")
        assert done.exit_code == 0
        assert "at this program's version" in done.stdout


WRONG: list[tuple[Sequence[str], str]] = [
    (
        ["export", "--date", str(DAY), "--to", "impakt"],
        "expected one of impact_us, con",
    ),
    (["export", "--date", "2099-01-01"], "expected a whole day from"),
    (["export", "--date", "2000-01-01"], "expected a whole day from"),
    (["export", "--date", "2099-01-01", "--dry-run"], "expected a whole day from"),
    (["export", "--date", "yesterday"], "Invalid value for '--date'"),
    (["export"], "Missing option '--date'"),
    (["export", "--date", str(DAY), "--limit", "-1"], "Invalid value for '--limit'"),
    (["backfill", "--from", str(DAY), "--to", str(BEFORE)], "Swap them"),
    (["backfill", "--from", str(DAY), "--to", "2099-01-01"], "Choose such a day"),
    (["sandbox", "--fault", "trackdesk:explode"], "expected a kind of status"),
    (["sandbox", "--fault", "nobody:drop"], "expected a provider of impact, convert"),
    (["deliver"], "No such command 'deliver'"),
]


@pytest.mark.parametrize(("words", "why"), WRONG)
def test_wrong_usage_is_told_in_a_sentence(
    shop: Deployment, words: Sequence[str], why: str
) -> None:
    done = shop.attribution(*words)
    assert done.exit_code == 2
    assert why in said(done.stderr)
    assert "Traceback" not in done.stderr
    assert shop.rows() == {}
    assert shop.server.sandbox.journal.entries == []


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("LEDGER", "duckdb:///x.db", "expected a sqlite or postgresql URL"),
        ("LEDGER", "postgresql+psycopg://me:canary@127.0.0.1:1/x", "ledger_url"),
        ("LEDGER", "canary", "ledger_url"),
    ],
)
@pytest.mark.parametrize("words", [["status"], ["export", "--date", str(DAY)]])
def test_a_ledger_that_cannot_be_used_is_told_in_a_sentence(
    shop: Deployment, words: Sequence[str], variable: str, value: str, why: str
) -> None:
    shop.environ[variable] = value
    done = shop.attribution(*words)
    assert done.exit_code == 2
    assert why in said(done.stderr)
    assert "canary" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_staging_that_cannot_be_used_fails_the_export(shop: Deployment) -> None:
    path = shop.config_path
    text = path.read_text().replace(f'"{shop.folder}/staging"', '"s3://shop/staging"')
    path.write_text(text)
    done = shop.attribution("export", "--date", str(DAY))
    assert done.exit_code == 2
    assert "expected a local folder" in said(done.stderr)


def checked(shop: Deployment) -> dict[str, str]:
    """What `attribution check` says of each subject."""
    done = shop.attribution("check")
    found = {}
    for line in done.stdout.splitlines():
        mark, _, told = line.partition(" ")
        found[told.strip()] = mark
    assert done.exit_code == (2 if "fail" in found.values() else 0)
    return {told: mark for told, mark in found.items() if mark == "fail"} or found


def test_checking_a_good_deployment_finds_all_of_it_good(shop: Deployment) -> None:
    found = checked(shop)
    assert set(found.values()) == {"ok"}
    assert len(found) == 2 + 1 + 5 + 1 + len(NAMES) + len(NAMES[:-1])
    host = shop.server.url.partition("//")[2]
    for name in NAMES[:-1]:  # the last one's events go to a file
        assert f"connection {name} {host} answers; no request was made" in found
    offline = shop.attribution("check", "--offline").stdout
    assert (offline.count("destination "), offline.count("connection ")) == (5, 0)
    assert "publishing the warehouse takes schema attribution" in found
    assert "statement completed_orders as the contract says; extra: store_code" in found
    assert "destination impact_us impact, secrets set" in found
    assert shop.server.sandbox.journal.entries == []


def test_checking_tells_which_variable_is_missing(shop: Deployment) -> None:
    del shop.environ["TRACKDESK_KEY"]
    (told,) = checked(shop)
    assert told.startswith("destination trackdesk_main ")
    assert "Set TRACKDESK_KEY" in told


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("alter table order_items drop column sku", "expected the columns of the con"),
        ("drop table order_items", "expected table order_items in the warehouse"),
    ],
)
def test_checking_holds_each_statement_to_the_contract(
    shop: Deployment, damage: str, why: str
) -> None:
    shop.warehouse(damage)
    (told,) = checked(shop)
    assert told.startswith("statement order_items ")
    assert why in told


def test_checking_tells_of_a_warehouse_that_does_not_answer(shop: Deployment) -> None:
    shop.environ["WAREHOUSE"] = "postgresql+psycopg://me:canary@127.0.0.1:1/x"
    found = checked(shop)
    assert len(found) == 5 + 1
    assert all("expected a warehouse that answers" in told for told in found)
    assert "canary" not in str(found)


def test_checking_tells_of_delivery_tables_of_another_version(
    shop: Deployment,
) -> None:
    shop.attribution("migrate")
    with shop.ledger() as database, database.write() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    (told,) = checked(shop)
    assert told.startswith("delivery tables ")
    assert "got 9999" in told
    exported = shop.attribution("export", "--date", str(DAY))
    assert (exported.exit_code, shop.server.sandbox.journal.entries) == (2, [])


def test_a_process_that_fails_shows_no_traceback(shop: Deployment) -> None:
    (shop.folder / "warehouse.db").unlink()
    done = process(shop, "export", "--date", str(DAY))
    assert done.returncode == 1
    assert "completed_orders: Extract failed" in said(done.stderr)
    assert "Traceback" not in done.stderr + done.stdout


def test_the_sandbox_ends_when_it_is_interrupted(shop: Deployment) -> None:
    with subprocess.Popen(
        [COMMAND, "sandbox", "--port", "0"],
        cwd=shop.folder,
        env=shop.command_environ() | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        assert "Sandbox at http://127.0.0.1:" in started.stdout.readline()
        started.send_signal(signal.SIGINT)
        rest, wrong = started.communicate(timeout=20)
    assert (started.returncode, wrong) == (0, "")
    assert "Sandbox ended." in rest
