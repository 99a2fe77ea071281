"""`attribution check` finds errors before a run does, and changes nothing."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree

import psycopg
import pytest

from assets.ledger.database import Database
from assets.source import duckdb_lock
from pipelines.checkup.checkup import Finding, run_checks
from pipelines.configuration.config import load_config
from support.deployment import ROOT, Deployment, deployed
from support.pooler import Mode, pooled

SCHEMAS = "select schema_name from information_schema.schemata"
TABLES = (
    "select table_schema, table_name from information_schema.tables "
    "where table_schema = 'attribution'"
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Deployment]:
    with deployed(tmp_path, orders_per_day=7) as deployment:
        yield deployment


def findings(shop: Deployment) -> dict[str, Finding]:
    return {one.subject: one for one in run_checks(shop.config)}


def with_postgres(shop: Deployment, url: str, user: str) -> None:
    """Use a warehouse on PostgreSQL as `user`; only publishing matters here."""
    shop.environ["WAREHOUSE"] = url.replace("tester@", f"{user}@")


@pytest.fixture
def reader(postgres_url: str) -> Iterator[str]:
    """A user without the right to create anything."""
    plain = postgres_url.replace("+psycopg", "")
    name = "reader_" + postgres_url.rpartition("_")[2]
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"create role {name} login")
        yield name
        connection.execute(f"drop owned by {name}")
        connection.execute(f"drop role {name}")


def test_checking_publishing_leaves_nothing_in_duckdb(shop: Deployment) -> None:
    before = shop.warehouse(SCHEMAS)
    assert findings(shop)["publishing"].is_good
    assert shop.warehouse(SCHEMAS) == before


def test_checking_publishing_leaves_nothing_in_postgresql(
    shop: Deployment, postgres_url: str
) -> None:
    with_postgres(shop, postgres_url, "tester")
    assert findings(shop)["publishing"].is_good
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        assert ("attribution",) not in connection.execute(SCHEMAS).fetchall()


def test_a_user_without_write_access_is_reported(
    shop: Deployment, postgres_url: str, reader: str
) -> None:
    with_postgres(shop, postgres_url, reader)
    found = findings(shop)["publishing"]
    assert not found.is_good
    assert "InsufficientPrivilege" in found.text
    assert "set publish = false" in found.text
    assert reader not in found.text


@pytest.mark.long
def test_checking_publishing_leaves_existing_tables_unchanged(shop: Deployment) -> None:
    shop.run()
    tables = shop.warehouse(f"{TABLES} order by all")
    count = "select count(*) from attribution.delivery"
    rows = shop.warehouse(count)
    assert (len(tables), rows > [(0,)]) == (6, True)
    assert findings(shop)["publishing"].is_good
    assert shop.warehouse(f"{TABLES} order by all") == tables
    assert shop.warehouse(count) == rows
    shop.warehouse("alter table attribution.delivery drop column state_reason")
    found = findings(shop)["publishing"]
    assert not found.is_good
    assert "drop copies of an older version" in found.text


@pytest.mark.parametrize(
    ("mode", "is_good"),
    [("transaction", True), ("statement", False), ("one transaction", False)],
)
def test_only_a_pooler_that_a_run_cannot_use_is_reported(
    shop: Deployment, postgres_tables: Database, mode: Mode, is_good: bool
) -> None:
    url = postgres_tables.engine.url.render_as_string(hide_password=False)
    with pooled(url, mode) as shop.environ["LEDGER"]:
        found = findings(shop)["delivery tables"]
    assert found.is_good is is_good, found.text
    assert is_good or "connection pooler that refuses them" in found.text


@contextmanager
def locked(path: Path) -> Iterator[Callable[[], None]]:
    """Another process has the file open, as a notebook does, until it is released."""
    hold = (
        f"import duckdb, sys; c = duckdb.connect({str(path)!r}, read_only=True);"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"

        def release() -> None:
            assert other.stdin is not None
            other.stdin.close()
            other.wait()

        yield release
        release()


def test_a_locked_warehouse_is_reported(
    shop: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_lock, "LOCK_TIMEOUT_SECONDS", 0)
    with locked(shop.folder / "warehouse.db"):
        found = findings(shop)
    assert found["statement completed_orders"].is_good
    assert not found["publishing"].is_good
    assert "close other programs" in found["publishing"].text


def test_a_check_waits_for_a_locked_warehouse(
    shop: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(shop.folder / "warehouse.db") as release:
        monkeypatch.setattr(duckdb_lock.time, "sleep", lambda _seconds: release())
        assert findings(shop)["publishing"].is_good


def test_publishing_is_not_checked_if_it_is_off(shop: Deployment) -> None:
    text = shop.config_path.read_text()
    shop.config_path.write_text(f"publish = false\n{text}")
    assert "publishing" not in findings(shop)


@pytest.mark.long
def test_a_mapped_column_that_is_missing_is_named(shop: Deployment) -> None:
    assert findings(shop)["destination impact_us"].is_good
    shop.warehouse("alter table completed_orders rename column store_code to shop")
    shop.warehouse("alter table order_items add column store_code varchar")
    found = findings(shop)
    finding = found["destination impact_us"]
    assert not finding.is_good
    assert "completed_orders.sql to give every column" in finding.text
    assert "none named store_code" in finding.text
    assert found["destination convert_web"].is_good


def test_a_mapped_column_of_the_contract_is_named(shop: Deployment) -> None:
    text = shop.config_path.read_text().replace("extra.store_code", "extra.promo_code")
    shop.config_path.write_text(text)
    assert "none named promo_code" in findings(shop)["destination impact_us"].text


def test_an_optional_column_that_is_mapped_must_be_given(shop: Deployment) -> None:
    text = shop.config_path.read_text()
    mapped = 'CustomerEmail = "customer_email_sha256"'
    shop.config_path.write_text(text.replace('Text1 = "extra.store_code"', mapped, 1))
    text = findings(shop)["destination impact_us"].text
    assert "none named customer_email_sha256" in text


def test_a_missing_statement_is_a_finding_of_its_own(shop: Deployment) -> None:
    copytree(ROOT / "sql/extract", shop.folder / "mine")
    (shop.folder / "mine/order_items.sql").unlink()
    text = shop.config_path.read_text()
    shop.config_path.write_text(f'extract_dir = "mine"\n{text}')
    found = findings(shop)
    assert found["statement completed_orders"].is_good
    missing = found["statement order_items"]
    assert not missing.is_good
    assert f"in {shop.folder}/mine, got no such file" in missing.text


@pytest.mark.parametrize(
    ("statement", "text", "said"),
    [
        (
            "completed_orders",
            "select * from completed_orders",
            "got one without :window_start and :window_end",
        ),
        (
            "completed_orders",
            "select * from completed_orders where completed_at < :window_end",
            "got one without :window_start. ",
        ),
        (
            "order_items",
            "-- not :this\nselect * from order_items where order_id > :window_stop",
            "got unknown parameter :window_stop in order_items.sql, line 2",
        ),
    ],
)
def test_the_parameters_of_a_statement_are_checked(
    shop: Deployment, statement: str, text: str, said: str
) -> None:
    copytree(ROOT / "sql/extract", shop.folder / "mine")
    (shop.folder / f"mine/{statement}.sql").write_text(text)
    config = shop.config_path.read_text()
    shop.config_path.write_text(f'extract_dir = "mine"\n{config}')
    found = findings(shop)[f"statement {statement}"]
    assert not found.is_good
    assert said in found.text


def test_a_run_reports_a_missing_statement_in_the_same_words(
    shop: Deployment,
) -> None:
    text = shop.config_path.read_text()
    shop.config_path.write_text(f'extract_dir = "nowhere"\n{text}')
    result = shop.run()
    assert not result.finished
    assert "correct `extract_dir`" in result.failures["completed_orders"]


def test_the_first_lines_name_the_checked_deployment(
    shop: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(shop.folder))
    found = findings(shop)
    assert list(found)[:2] == ["configuration", "Dagster's history"]
    assert found["configuration"].text == (
        f"{shop.config_path}, zone America/New_York, "
        f"ledger sqlite:///{shop.folder}/ledger.db"
    )
    finding = found["Dagster's history"].text
    assert finding == f"{shop.folder}, as DAGSTER_HOME says; it answers"
    (shop.folder / "dagster.yaml").unlink()
    missing = findings(shop)["Dagster's history"]
    assert not missing.is_good
    assert f"for {shop.folder}: expected a dagster.yaml, got none" in missing.text


def test_the_configuration_of_the_demo_is_named_as_such() -> None:
    first = next(iter(run_checks(load_config(None, {}))))
    assert "destinations.toml (the demo's: ATTRIBUTION_CONFIG is not set)" in first.text


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql+psycopg://me:canary@db:5433/x", "postgresql+psycopg://db:5433/x"),
        ("postgresql://db/x?user=me&password=canary", "ledger postgresql://db/x"),
        ("postgresql://me:can@ary@db/x", "not shown: write @ in a password as %40"),
        ("canary", "not shown: no address of a database"),
    ],
)
def test_the_delivery_tables_are_named_without_a_secret(
    shop: Deployment, address: str, shown: str
) -> None:
    shop.environ["LEDGER"] = address
    first = next(iter(run_checks(shop.config)))
    assert first.text.endswith(shown)
    assert "canary" not in first.text
    assert "ary@" not in first.text
