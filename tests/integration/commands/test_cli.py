"""The output and the exit status of the `attribution` command."""

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
    disable_in_run_retries,
    process,
)

BEFORE = DAY - timedelta(days=1)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Two days with few orders; commands run in its folder."""
    disable_in_run_retries(monkeypatch)
    with deployed(tmp_path, orders_per_day=20, days=2) as deployment:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(launch, "open_instance", lambda: deployment.instance)
        monkeypatch.setenv("COLUMNS", "200")
        yield deployment


def one_line(text: str) -> str:
    """Return a text without the line breaks of the terminal."""
    return " ".join(text.split())


@pytest.mark.long
def test_a_successful_export_prints_every_state_and_exits_with_0(
    shop: Deployment,
) -> None:
    done = process(shop, "export", "--date", str(DAY))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for word in (*NAMES, "settled", "accepted", "staged", "quarantined", "USD"):
        assert word in done.stdout


@pytest.mark.long
def test_an_unfinished_export_exits_with_1(shop: Deployment) -> None:
    shop.server.sandbox.set_faults("trackdesk/bumpy:status=503~.")
    done = shop.attribution("export", "--date", str(DAY))
    assert done.exit_code == 1
    assert "sends only what is missing" in one_line(done.stderr)
    assert "trackdesk_main" not in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.long
def test_only_the_named_destinations_are_exported(shop: Deployment) -> None:
    words = ["--to", "impact_us", "--to", "idme_wallet"]
    done = shop.attribution("export", "--date", str(DAY), *words)
    assert done.exit_code == 0
    found = {one.destination for one in shop.totals()}
    assert found == {"impact_us", "idme_wallet"}
    assert shop.states("impact_us")["settled"] > 0


@pytest.mark.long
def test_a_limit_is_obeyed_and_the_next_run_sends_the_rest(
    shop: Deployment,
) -> None:
    done = shop.attribution("export", "--date", str(DAY), "--limit", "2")
    assert done.exit_code == 1
    assert shop.states("impact_us")["pending"] > 0
    assert len(shop.server.sandbox.effects("trackdesk", "demo")) == 2
    done = shop.attribution("export", "--date", str(DAY))
    assert done.exit_code == 0
    assert shop.states("impact_us")["pending"] == 0


@pytest.mark.long
def test_a_backfill_exports_every_day_and_goes_on_after_a_bad_one(
    shop: Deployment,
) -> None:
    pattern = BEFORE.strftime("%Y%m%d")
    shop.server.sandbox.set_faults(f"trackdesk/bumpy:status=503~^D{pattern}")
    words = ["backfill", "--from", str(BEFORE), "--to", str(DAY)]
    done = shop.attribution(*words)
    assert done.exit_code == 1
    assert f"{BEFORE} deliveries__trackdesk_bumpy" in one_line(done.stderr)
    assert f"{DAY} deliveries" not in one_line(done.stderr)
    days = {one.partition_key for one in shop.totals(destination="trackdesk_main")}
    assert days == {str(BEFORE), str(DAY)}


@pytest.mark.long
def test_status_is_json_with_exact_money(shop: Deployment) -> None:
    words = ["backfill", "--from", str(BEFORE), "--to", str(DAY)]
    assert shop.attribution(*words, "--destination", "impact_us").exit_code == 0
    words = ["status", "--from", str(DAY), "--to", str(DAY), "--json"]
    rows = json.loads(shop.attribution(*words).stdout)
    assert sum(row["orders"] for row in rows) == 20
    assert {row["destination"] for row in rows} == {"impact_us"}
    found = shop.totals(first=str(DAY), last=str(DAY))
    for row in rows:
        for currency, text in row["revenue"].items():
            minor = sum(
                one.amount_minor
                for one in found
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


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("words", "why"), WRONG)
def test_wrong_usage_is_reported_in_a_sentence(
    shop: Deployment, words: Sequence[str], why: str
) -> None:
    done = shop.attribution(*words)
    assert done.exit_code == 2
    assert why in one_line(done.stderr)
    assert "Traceback" not in done.stderr
    assert shop.rows() == {}
    assert shop.server.sandbox.journal.entries == []


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("LEDGER", "duckdb:///x.db", "expected a sqlite or postgresql URL"),
        ("LEDGER", "postgresql+psycopg://me:canary@127.0.0.1:1/x", "ledger_url"),
        ("LEDGER", "canary", "ledger_url"),
    ],
)
@pytest.mark.parametrize("words", [["status"], ["export", "--date", str(DAY)]])
def test_a_ledger_that_cannot_be_used_is_reported_in_a_sentence(
    shop: Deployment, words: Sequence[str], variable: str, value: str, why: str
) -> None:
    shop.environ[variable] = value
    done = shop.attribution(*words)
    assert done.exit_code == 2
    assert why in one_line(done.stderr)
    assert "canary" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_staging_that_cannot_be_used_fails_the_export(shop: Deployment) -> None:
    path = shop.config_path
    text = path.read_text().replace(f'"{shop.folder}/staging"', '"s3://shop/staging"')
    path.write_text(text)
    done = shop.attribution("export", "--date", str(DAY))
    assert done.exit_code == 2
    assert "expected a local folder" in one_line(done.stderr)


def check_lines(shop: Deployment) -> dict[str, str]:
    """Return the failed lines of `attribution check`, or all if none failed."""
    done = shop.attribution("check")
    found = {}
    for line in done.stdout.splitlines():
        mark, _, text = line.partition(" ")
        found[text.strip()] = mark
    assert done.exit_code == (2 if "fail" in found.values() else 0)
    return {text: mark for text, mark in found.items() if mark == "fail"} or found


def test_all_checks_of_a_good_deployment_pass(shop: Deployment) -> None:
    found = check_lines(shop)
    assert set(found.values()) == {"ok"}
    lines = 3 + 1 + 5 + 1 + len(NAMES) + len(NAMES[:-1]) + 1
    assert len(found) == lines  # the last one is of the schedules
    host = shop.server.url.partition("//")[2]
    for name in NAMES[:-1]:  # the last one's events go to a file
        assert f"connection {name} {host} answers; no request was made" in found
    offline = shop.attribution("check", "--offline").stdout
    assert (offline.count("destination "), offline.count("connection ")) == (5, 0)
    assert "publishing the warehouse takes schema attribution" in found
    assert "statement completed_orders as the contract says; extra: store_code" in found
    assert "destination impact_us impact, secrets set" in found
    assert shop.server.sandbox.journal.entries == []


@pytest.mark.long
def test_a_check_names_the_missing_variable(shop: Deployment) -> None:
    del shop.environ["TRACKDESK_KEY"]
    (text,) = check_lines(shop)
    assert text.startswith("destination trackdesk_main ")
    assert "Set TRACKDESK_KEY" in text


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("alter table order_items drop column sku", "expected the columns of the con"),
        ("drop table order_items", "expected table order_items in the warehouse"),
    ],
)
def test_each_statement_is_checked_against_the_contract(
    shop: Deployment, damage: str, why: str
) -> None:
    shop.warehouse(damage)
    (text,) = check_lines(shop)
    assert text.startswith("statement order_items ")
    assert why in text


def test_a_check_reports_an_unreachable_warehouse(shop: Deployment) -> None:
    shop.environ["WAREHOUSE"] = "postgresql+psycopg://me:canary@127.0.0.1:1/x"
    found = check_lines(shop)
    assert len(found) == 6 + 1
    assert all("expected a warehouse that answers" in text for text in found)
    assert "canary" not in str(found)


@pytest.mark.long
def test_a_check_reports_delivery_tables_of_another_version(
    shop: Deployment,
) -> None:
    shop.attribution("migrate")
    with shop.ledger() as database, database.write() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    (text,) = check_lines(shop)
    assert text.startswith("delivery tables ")
    assert "got 9999" in text
    exported = shop.attribution("export", "--date", str(DAY))
    assert (exported.exit_code, shop.server.sandbox.journal.entries) == (2, [])


@pytest.mark.long
def test_a_process_that_fails_shows_no_traceback(shop: Deployment) -> None:
    (shop.folder / "warehouse.db").unlink()
    done = process(shop, "export", "--date", str(DAY))
    assert done.returncode == 1
    assert "completed_orders: Extract failed" in one_line(done.stderr)
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
