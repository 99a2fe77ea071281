"""The processes of `deploy/compose.yaml` as they are started there, on PostgreSQL.

Code server, daemon and webserver run by themselves; a month is backfilled from the UI.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from shutil import copy
from typing import Any

import dagster as dg
import pytest
import yaml

from assets.partitions import days_between
from benchmarks.processes import Ui, free_port, running
from pipelines.runs.backfill import left_to_do
from pipelines.runs.launch import Launcher
from support.deployment import DAY, NAMES, ROOT, START, Deployment, deployed
from support.postgres import copy_warehouse, new_database

BIN = Path(sys.executable).parent
SERVICES = ("code", "daemon", "webserver")
DAYS = days_between(DAY - timedelta(days=29), DAY)
BAD = DAYS[9]
FAULT = f"trackdesk/bumpy:status=503~^D{BAD:%Y%m%d}"

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@dataclass
class Running:
    """A deployment whose processes are up."""

    shop: Deployment
    ui: Ui
    instance: dg.DagsterInstance

    def left(self) -> dict[Any, set[str]]:
        """The assets that are not green, by day."""
        launcher = Launcher(self.shop.config, self.instance)
        return {
            day: {key.to_user_string() for key in keys}
            for day, keys in left_to_do(launcher, DAYS, []).items()
        }


def commands(folder: Path, ports: dict[str, int]) -> dict[str, list[str]]:
    """The commands of the services, on this machine and on free ports."""
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    elsewhere = {
        "0.0.0.0": "127.0.0.1",
        "4000": str(ports["code"]),
        "3000": str(ports["webserver"]),
        "/etc/dagster/workspace.yaml": str(folder / "workspace.yaml"),
    }
    return {
        name: [
            str(BIN / services[name]["command"][0]),
            *(elsewhere.get(one, one) for one in services[name]["command"][1:]),
        ]
        for name in SERVICES
    }


@pytest.fixture
def databases(postgres_server: str) -> Iterator[dict[str, str]]:
    """The delivery tables, a warehouse and Dagster's history."""
    with ExitStack() as lent:
        ledger, warehouse, history = (
            lent.enter_context(new_database(postgres_server)) for _ in range(3)
        )
        yield {
            "LEDGER": ledger,
            "WAREHOUSE": warehouse,
            "DAGSTER_POSTGRES_URL": history.replace("+psycopg", "+psycopg2"),
        }


EVERY_WAY = pytest.mark.parametrize(
    "started", [1, 31], ids=["a_run_per_day", "a_run_for_all_days"], indirect=True
)


@pytest.fixture
def started(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    databases: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Running]:
    more = f"backfill_days_per_run = {getattr(request, 'param', 1)}\n"
    opened = deployed(
        tmp_path,
        faults=[FAULT],
        environ=databases,
        orders_per_day=8,
        days=len(DAYS),
        more=more,
    )
    with opened as shop:
        copy_warehouse(
            tmp_path / "warehouse.db", databases["WAREHOUSE"].replace("+psycopg", "")
        )
        text = shop.config_path.read_text()
        shop.config_path.write_text(text.replace(str(START), str(DAYS[0])))
        copy(ROOT / "deploy/dagster.yaml", tmp_path)
        ports = {"code": free_port(), "webserver": free_port()}
        workspace = (ROOT / "deploy/workspace.yaml").read_text()
        (tmp_path / "workspace.yaml").write_text(
            workspace.replace("4000", str(ports["code"]))
        )
        environ = {
            **shop.command_environ(),
            "DAGSTER_HOME": str(tmp_path),
            "DAGSTER_CODE_HOST": "127.0.0.1",
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }
        for name, value in databases.items():
            monkeypatch.setenv(name, value)
        with (
            running(commands(tmp_path, ports), tmp_path, environ),
            dg.DagsterInstance.from_config(str(tmp_path)) as instance,
        ):
            ui = Ui(f"http://127.0.0.1:{ports['webserver']}")
            ui.wait()
            yield Running(shop, ui, instance)


@EVERY_WAY
def test_a_month_for_all_destinations_from_the_ui(started: Running) -> None:
    keys = [str(day) for day in DAYS]
    backfill = started.ui.backfill(keys, started.ui.assets())
    assert started.ui.wait_for_backfill(backfill) == "COMPLETED_FAILED"
    left = started.left()
    assert left == {BAD: {"deliveries/trackdesk_bumpy", "published_deliveries"}}
    held = {(one.destination, one.partition_key) for one in started.shop.totals()}
    assert held == {(name, key) for name in NAMES for key in keys}

    started.shop.server.sandbox.misbehave()
    again = started.ui.backfill([str(BAD)], [name.split("/") for name in left[BAD]])
    assert started.ui.wait_for_backfill(again) == "COMPLETED_SUCCESS"
    assert started.left() == {}
    effects = started.shop.server.sandbox.effects("trackdesk", "bumpy")
    assert set(Counter(effects).values()) == {1}
