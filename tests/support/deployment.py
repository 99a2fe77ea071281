"""A whole deployment in a folder: seeded warehouse, sandbox, configuration, runs.

Orders are few, so that a day takes about a second; all else is the product's own.
"""

import os
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from shutil import copy
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import duckdb
import pytest
from sqlalchemy import select

from assets.delivery import flow_control
from assets.ledger.database import Database
from assets.ledger.rows import Total
from assets.ledger.tables import delivery
from assets.ledger.totals import totals
from pipelines.build import open_source
from pipelines.configuration.config import Config, load_config
from pipelines.demo.warehouse import seed
from pipelines.runs.day_results import DayResult
from pipelines.runs.launch import Launcher
from pipelines.sandbox.server import SandboxServer
from support.project import ROOT

with warnings.catch_warnings():
    # typer imports what click calls deprecated; once imported, it says no more.
    warnings.simplefilter("ignore", DeprecationWarning)
    from click.testing import Result
    from typer.testing import CliRunner

    from pipelines.cli import app

COMMAND = Path(sys.executable).parent / "attribution"
ZONE = "America/New_York"
DAY = datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=3)
START = DAY - timedelta(days=17)
ORDERS = 60

SECRETS = {
    "IMPACT_SID": "IRsid7canary",
    "IMPACT_TOKEN": "canary-impact-token",
    "CONVERT_KEY": "canary7sdk7key",
    "CONVERT_SECRET": "canary-convert-secret",
    "TRACKDESK_KEY": "canary-trackdesk-key",
}

HEAD = """
timezone = "America/New_York"
start_date = {start}
lookback_days = 3
warehouse_url = {{ env = "WAREHOUSE", default = "duckdb:///{folder}/warehouse.db" }}
ledger_url = {{ env = "LEDGER", default = "sqlite:///{folder}/ledger.db" }}
staging = "{folder}/staging"
"""

DESTINATIONS = """
[destinations.impact_us]
provider = "impact"
base_url = "{url}/impact"
account_sid = {{ env = "IMPACT_SID" }}
auth_token = {{ env = "IMPACT_TOKEN" }}
campaign_id = 1000
event_type_id = 9876
settle_after_minutes = 0
[destinations.impact_us.fields]
Text1 = "extra.store_code"

[destinations.convert_web]
provider = "convert"
base_url = "{url}/convert"
account_id = "10012345"
project_id = "10056789"
goal_id = "99887766"
currency = "USD"
sdk_key = {{ env = "CONVERT_KEY" }}
sdk_key_secret = {{ env = "CONVERT_SECRET" }}

[destinations.trackdesk_main]
provider = "trackdesk"
base_url = "{url}/trackdesk/demo"
tenant_id = "demo"
conversion_type_code = "sale"
api_key = {{ env = "TRACKDESK_KEY" }}

[destinations.trackdesk_bumpy]
provider = "trackdesk"
base_url = "{url}/trackdesk/bumpy"
tenant_id = "demo"
conversion_type_code = "sale"

[destinations.idme_wallet]
provider = "idme"
app_id = "demo-app"
"""

NAMES = (
    "impact_us",
    "convert_web",
    "trackdesk_main",
    "trackdesk_bumpy",
    "idme_wallet",
)


@dataclass
class Deployment:
    """One configured deployment; `with` is the business of `deployed`.

    Attributes:
        environ: What its configuration is read with.
    """

    folder: Path
    server: SandboxServer
    environ: dict[str, str]
    instance: dg.DagsterInstance

    @property
    def config_path(self) -> Path:
        return self.folder / "destinations.toml"

    @property
    def config(self) -> Config:
        return load_config(self.config_path, self.environ)

    def run(self, day: date = DAY, **options: Any) -> DayResult:
        """Export one day as the command line does."""
        return Launcher(self.config, self.instance).export(day, **options)

    def command_environ(self) -> dict[str, str]:
        """The environment for the `attribution` command."""
        path = {"ATTRIBUTION_CONFIG": str(self.config_path)}
        return os.environ | self.environ | path | {"DAGSTER_HOME": ""}

    def attribution(self, *words: str, **environ: str) -> Result:
        """Run a command in this process; only that it ended is no error.

        Args:
            words: What is typed after `attribution`.
            environ: Variables that are otherwise here.
        """
        done = CliRunner().invoke(app, words, env=self.command_environ() | environ)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    @contextmanager
    def ledger(self) -> Iterator[Database]:
        database = open_source(self.config).database
        try:
            yield database
        finally:
            database.dispose()

    def totals(self, **which: Any) -> list[Total]:
        with self.ledger() as database:
            return totals(database, **which)

    def rows(self, destination: str | None = None) -> dict[str, dict[str, Any]]:
        """The deliveries by `destination:order`, as the table holds them."""
        statement = select(delivery).order_by(delivery.c.delivery_id)
        with self.ledger() as database, database.read() as connection:
            found = connection.execute(statement).mappings()
            return {
                f"{row['destination']}:{row['order_id']}": dict(row)
                for row in found
                if destination in {None, row["destination"]}
            }

    def states(self, destination: str) -> Counter[str]:
        """How many deliveries of a destination stand in each state."""
        return Counter(row["state"] for row in self.rows(destination).values())

    def events(self, result: DayResult, kind: dg.DagsterEventType) -> list[Any]:
        """What a run's events of one kind tell."""
        found = self.instance.all_logs(result.run_id, of_type=kind)
        return [entry.get_dagster_event().event_specific_data for entry in found]

    def warehouse(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement on the warehouse: what its owner might do."""
        with duckdb.connect(str(self.folder / "warehouse.db")) as connection:
            return connection.execute(statement, values).fetchall()


@contextmanager
def deployed(
    folder: Path,
    *,
    faults: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    orders_per_day: int = ORDERS,
    days: int = 1,
    more: str = "",
) -> Iterator[Deployment]:
    """Seed a warehouse, start a sandbox, write a configuration for both.

    Args:
        folder: Where everything is kept; in a copy of an earlier deployment's folder
            its warehouse, ledger and sandbox go on.
        faults: Misbehaviour of the sandbox, in text form.
        environ: Variables beside the secrets.
        orders_per_day: At least 7: a day has test orders and bad orders.
        days: Days with orders; the last one is `DAY`.
        more: Further TOML, keys before destinations.
    """
    warehouse = folder / "warehouse.db"
    if not warehouse.exists():
        seed(
            warehouse,
            last_day=DAY,
            days=days,
            orders_per_day=orders_per_day,
            timezone=ZONE,
        )
    copy(ROOT / "dagster.yaml", folder)
    with SandboxServer(0, folder / "journal.jsonl", faults) as server:
        text = HEAD.format(folder=folder, start=START) + more
        text += DESTINATIONS.format(url=server.url)
        deployment = Deployment(
            folder,
            server,
            SECRETS | dict(environ or {}),
            dg.DagsterInstance.ephemeral(str(folder)),
        )
        deployment.config_path.write_text(text, encoding="utf-8")
        yield deployment
        deployment.instance.dispose()


def without_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave every retry to the next run, so that no test waits for one."""
    monkeypatch.setattr(flow_control, "MAX_WAIT", timedelta(seconds=-1))


def process(shop: Deployment, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as a person does."""
    return subprocess.run(
        [COMMAND, *words],
        cwd=shop.folder,
        env=shop.command_environ(),
        capture_output=True,
        text=True,
        check=False,
    )
