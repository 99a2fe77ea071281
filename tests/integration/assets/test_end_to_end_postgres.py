"""PostgreSQL as warehouse and as ledger comes to the same as DuckDB and SQLite."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import time_machine

from support.deployment import DAY, NAMES, Deployment, deployed, disable_in_run_retries
from support.pooler import pooled
from support.postgres import copy_warehouse, new_database

FAULTS = (
    "trackdesk/bumpy:status=503~[0-4]$",
    "trackdesk/bumpy:lost_reply~[56]$",
    "impact:settle=CONTRACT_NOT_FOUND~7$",
)
KEY = DAY.isoformat()


@pytest.fixture
def warehouse_url(postgres_server: str) -> Iterator[str]:
    """A second database, beside that of the delivery tables."""
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    disable_in_run_retries(monkeypatch)
    folder = tmp_path / "embedded"
    folder.mkdir()
    with deployed(folder, faults=FAULTS) as deployment:
        yield deployment


@pytest.fixture
def served(
    tmp_path: Path, postgres_url: str, warehouse_url: str
) -> Iterator[Deployment]:
    folder = tmp_path / "served"
    folder.mkdir()
    environ = {"WAREHOUSE": warehouse_url, "LEDGER": postgres_url}
    with deployed(folder, faults=FAULTS, environ=environ) as deployment:
        copy_warehouse(folder / "warehouse.db", warehouse_url.replace("+psycopg", ""))
        yield deployment


def facts(deployment: Deployment) -> dict[str, tuple[object, ...]]:
    """What must be the same wherever the rows are kept."""
    names = (
        "state",
        "state_reason",
        "order_at",
        "amount_minor",
        "currency",
        "attempts",
        "source_hash",
        "payload_hash",
    )
    return {
        key: tuple(row[name] for name in names)
        for key, row in deployment.rows().items()
    }


@pytest.mark.long
def test_the_day_comes_to_the_same_on_both(
    embedded: Deployment, served: Deployment
) -> None:
    runs = [deployment.run() for deployment in (embedded, served)]
    assert runs[0].failures == runs[1].failures
    assert set(runs[0].failures) == {"deliveries__trackdesk_bumpy"}
    assert set(embedded.totals()) == set(served.totals())
    assert facts(embedded) == facts(served)
    kinds = Counter(one.state for one in served.totals(destination="trackdesk_bumpy"))
    assert {"retryable", "accepted", "suppressed"} <= set(kinds)

    for deployment in (embedded, served):
        deployment.server.sandbox.set_faults()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        again = [deployment.run() for deployment in (embedded, served)]
    assert [one.failures for one in again] == [{}, {}]
    assert set(embedded.totals()) == set(served.totals())
    for provider in ("impact", "convert", "trackdesk"):
        effects = served.server.sandbox.effects(provider)
        assert effects == embedded.server.sandbox.effects(provider)


@pytest.mark.long
def test_a_good_day_is_run_again_for_nothing(served: Deployment) -> None:
    served.server.sandbox.set_faults()
    assert served.run().finished
    before = served.rows()
    entries = len(served.server.sandbox.journal.entries)
    assert served.run().finished
    assert served.rows() == before
    assert len(served.server.sandbox.journal.entries) == entries


@pytest.mark.long
def test_the_delivery_tables_are_published_to_the_warehouse(
    served: Deployment, warehouse_url: str
) -> None:
    served.server.sandbox.set_faults()
    served.run()
    with psycopg.connect(warehouse_url.replace("+psycopg", "")) as connection:
        found = connection.execute(
            "select destination, count(*) from attribution.delivery group by 1"
        ).fetchall()
    assert dict(found) == {name: len(served.rows(name)) for name in NAMES}


@pytest.mark.long
def test_reported_orders_are_recovered_after_a_restore_and_not_reported_again(
    served: Deployment, postgres_url: str
) -> None:
    served.server.sandbox.set_faults()
    served.run()
    told = {name: served.states(name) for name in NAMES}
    entries = len(served.server.sandbox.journal.entries)
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
    recover = ["recover", "--from", KEY, "--to", KEY, "--by", "ada", "--why", "restore"]
    for words in (["migrate"], recover):
        done = served.attribution(*words)
        assert done.exit_code == 0, done.output
    assert served.run().finished
    assert {name: served.states(name) for name in NAMES} == told
    new = served.server.sandbox.journal.entries[entries:]
    assert [one.path for one in new if one.method == "POST"] == []


@pytest.mark.long
def test_the_command_checks_and_counts(served: Deployment) -> None:
    checked = served.attribution("check")
    assert checked.exit_code == 0, checked.stdout
    served.run()
    counted = served.attribution("status", "--from", KEY, "--to", KEY)
    assert counted.exit_code == 0
    assert all(name in counted.stdout for name in NAMES)


@pytest.mark.long
def test_a_day_is_sent_and_published_behind_poolers(
    tmp_path: Path, postgres_url: str, warehouse_url: str
) -> None:
    direct = warehouse_url.replace("+psycopg", "")
    with (
        pooled(warehouse_url) as warehouse,
        pooled(postgres_url) as tables,
        deployed(
            tmp_path, environ={"WAREHOUSE": warehouse, "LEDGER": tables}
        ) as deployment,
    ):
        copy_warehouse(tmp_path / "warehouse.db", direct)
        checked = deployment.attribution("check", "--offline")
        assert checked.exit_code == 0, checked.stdout
        for _ in range(3):
            assert deployment.run().finished
        rows = deployment.rows()
        entries = deployment.server.sandbox.journal.entries
        assert deployment.run().finished
        assert (deployment.rows(), deployment.server.sandbox.journal.entries) == (
            rows,
            entries,
        )
    with psycopg.connect(direct) as connection:
        found = connection.execute("select count(*) from attribution.delivery")
        assert found.fetchall() == [(len(rows),)]
        locks = "select count(*) from pg_locks where locktype = 'advisory'"
        assert connection.execute(locks).fetchall() == [(0,)]
