"""`attribution demo`: the whole product in one go, on data of its own.

Seeding, sandbox and export are the product's own; only the walk through them is here.
"""

import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from shutil import copy, rmtree

import dagster as dg
from rich.console import Console

from assets.ledger.totals import totals
from pipelines.build import managed_source
from pipelines.commands.output import print_states
from pipelines.configuration.config import (
    DEMO_CONFIG,
    Config,
    demo_environ,
    load_config,
)
from pipelines.demo.warehouse import seed
from pipelines.runs.launch import Launcher
from pipelines.sandbox.server import SandboxServer

FOLDER = Path("var/demo")
HOME = FOLDER / "dagster"
PORT = 8787
REFUSALS = ("trackdesk/bumpy:status=403 conversion limit reached@0.05~.",)
OUTAGE = (
    "trackdesk/bumpy:lost_reply@0.05~.#first-1",
    "trackdesk/bumpy:status=503@0.1~.#first-2",
    "trackdesk/bumpy:status=500~0$",
)
"""The first export meets it; for the UI, the provider has recovered."""
DAYS = 3


def tour(console: Console, *, ui: bool) -> int:
    """Seed, export the latest day, show what happened; return the exit status.

    Args:
        console: Where to print.
        ui: Keep the sandbox and open the Dagster UI afterwards.
    """
    config = load_config(DEMO_CONFIG, demo_environ(HOME))
    last_day = datetime.now(config.zone).date() - timedelta(days=1)
    if not ui or not (FOLDER / "warehouse.duckdb").exists():
        _fresh(console, config, last_day)
    HOME.mkdir(exist_ok=True)
    copy(Path(__file__).parent / "dagster.yaml", HOME)
    faults = REFUSALS if ui else OUTAGE + REFUSALS
    with SandboxServer(PORT, FOLDER / "sandbox.jsonl", faults) as server:
        if not ui:
            _export(console, config, last_day)
            return 0
        console.print(f"Sandbox at {server.url}; the UI opens at http://127.0.0.1:3000")
        return _open_ui()


def _fresh(console: Console, config: Config, last_day: date) -> None:
    rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    first = last_day - timedelta(days=DAYS - 1)
    console.print(f"Seeding a warehouse with orders of {first} to {last_day} ...")
    seed(
        FOLDER / "warehouse.duckdb",
        last_day=last_day,
        days=DAYS,
        timezone=config.timezone,
    )


def _export(console: Console, config: Config, day: date) -> None:
    console.print(f"Exporting {day} to {len(config.destinations)} destinations ...")
    with dg.DagsterInstance.from_config(str(HOME.absolute())) as instance:
        result = Launcher(config, instance).export(day)
    key = day.isoformat()
    with managed_source(config) as source:
        print_states(console, totals(source.database, first=key, last=key))
    for step, why in result.failures.items():
        console.print(f"[red]{step}[/red] {why}")
    console.print(_WHERE.format(day=day))


_WHERE = """
The sandbox misbehaves towards trackdesk_bumpy on purpose: what it left unfinished is
sent by the next run, and only that.

Files    var/demo/warehouse.duckdb      the orders, clicks and experiments
         var/demo/staging/              what was extracted and joined, as Parquet
         var/demo/staging/outbox/       ID.me events: prepared, handed to nobody
         var/demo/ledger.db             the delivery tables (SQLite)
         var/demo/sandbox.jsonl         every request that the sandbox received
         var/demo/dagster/              the history of its runs

Try next
  make ui                               then Assets > deliveries/trackdesk_bumpy >
                                        Partitions: the red day can be run again
  sqlite3 var/demo/ledger.db "select * from v_top_reasons order by orders desc"
                                        or any SQL client; v_delivery_daily, v_reconcile
  .venv/bin/attribution status          counts and money by destination and state
"""


def _open_ui() -> int:
    command = [str(Path(sys.executable).parent / "dg"), "dev"]
    environ = demo_environ(HOME)
    return subprocess.run(command, env=environ, check=False).returncode  # noqa: S603
