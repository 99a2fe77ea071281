"""Runs `attribution demo`: seeds a warehouse, starts the sandbox, exports a day.

The folder and the ports are reserved first. If that fails, nothing has been deleted.
"""

from collections.abc import Mapping
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from shutil import copy

import dagster as dg
from rich.console import Console

from assets.figures.quarantined import quarantine_figures
from assets.ledger.totals import totals
from pipelines.build import managed_source
from pipelines.configuration.config import (
    DEMO_CONFIG,
    Config,
    demo_environ,
    load_config,
)
from pipelines.configuration.sandbox_port import recorded, recording
from pipelines.demo.folder import (
    HOME,
    JOURNAL,
    WAREHOUSE,
    only_demo,
    replace,
)
from pipelines.demo.ports import (
    moved,
    reserved_ui_port,
    sandbox_listener,
    wanted_ui_port,
)
from pipelines.demo.ui import run_ui
from pipelines.demo.warehouse import seed
from pipelines.output import print_quarantined, print_states
from pipelines.runs.launch import Launcher
from pipelines.sandbox.listening import port_of
from pipelines.sandbox.server import SandboxServer

REFUSALS = ("trackdesk/bumpy:status=403 conversion limit reached@0.05~.",)
OUTAGE = (
    "trackdesk/bumpy:lost_reply@0.05~.#first-1",
    "trackdesk/bumpy:status=503@0.1~.#first-2",
    "trackdesk/bumpy:status=500~0$",
)
"""Faults of the first export. When the UI starts, the provider has recovered."""
DAYS = 3


def run_demo(console: Console, *, ui: bool) -> int:
    """Seed a warehouse, export the latest day and print the result.

    Args:
        console: Where to print.
        ui: Start the Dagster UI on the demo data instead of an export.

    Returns:
        The exit status.

    Raises:
        ConfigError: Another demo uses the folder, or the folder holds something that
            no demo made.
    """
    environ = demo_environ(HOME)
    with only_demo() as lock, closing(sandbox_listener()) as listener:
        before, port = recorded(), port_of(listener)
        if said := moved(port):
            console.print(said, "The demo's destinations follow.")
        if not ui:
            last_day = _start(console, environ, afresh=True)
            sandbox = SandboxServer(listener, JOURNAL, OUTAGE + REFUSALS)
            with recording(port, before), sandbox:
                # Read after the port is recorded: its destinations name that port.
                _export(console, load_config(DEMO_CONFIG, environ), last_day)
            return 0
        wanted = wanted_ui_port(environ)
        with reserved_ui_port(wanted) as ui_port:
            if ui_port != wanted:
                console.print(
                    f"Port {wanted} is in use, so the UI takes port {ui_port}."
                )
            _start(console, environ, afresh=not WAREHOUSE.exists())
            sandbox = SandboxServer(listener, JOURNAL, REFUSALS)
            with recording(port, before), sandbox as server:
                console.print(
                    f"Sandbox at {server.url}; the UI opens at "
                    f"http://127.0.0.1:{ui_port}"
                )
                return run_ui(environ, ui_port, [lock])


def _start(console: Console, environ: Mapping[str, str], *, afresh: bool) -> date:
    """Prepare the folder; return the last day with orders."""
    config = load_config(DEMO_CONFIG, environ)
    last_day = datetime.now(config.zone).date() - timedelta(days=1)
    first = last_day - timedelta(days=DAYS - 1)

    def fill(folder: Path) -> None:
        console.print(f"Seeding a warehouse with orders of {first} to {last_day} ...")
        warehouse = folder / WAREHOUSE.name
        seed(warehouse, last_day=last_day, days=DAYS, timezone=config.timezone)

    if afresh:
        replace(config, fill)
    HOME.mkdir(exist_ok=True)
    copy(Path(__file__).parent / "dagster.yaml", HOME)
    return last_day


def _export(console: Console, config: Config, day: date) -> None:
    console.print(f"Exporting {day} to {len(config.destinations)} destinations ...")
    with dg.DagsterInstance.from_config(str(HOME.absolute())) as instance:
        result = Launcher(config, instance).export(day)
    key = day.isoformat()
    with managed_source(config) as source:
        print_states(console, totals(source.database, first=key, last=key))
        found = quarantine_figures(source.database, first=key, last=key)
    print_quarantined(console, found)
    for step, why in result.failures.items():
        console.print(f"[red]{step}[/red] {why}")
    console.print(_WHERE.format(day=day))


_WHERE = """
The sandbox fails some requests of trackdesk_bumpy on purpose. The next run sends the
orders that are left, and no others.

Files    var/demo/warehouse.duckdb      the orders, clicks and experiments
         var/demo/staging/              what was extracted and joined, as Parquet
         var/demo/staging/outbox/       ID.me events: prepared, not sent
         var/demo/ledger.db             the delivery tables (SQLite)
         var/demo/sandbox.jsonl         every request that the sandbox received
         var/demo/dagster/              the history of its runs

Try next
  make ui                               then Assets > deliveries/trackdesk_bumpy >
                                        Partitions: run the failed day again
  sqlite3 var/demo/ledger.db "select * from v_top_reasons order by orders desc"
                                        or any SQL client; v_delivery_daily, v_reconcile
  .venv/bin/attribution status          counts and money by destination and state
"""
