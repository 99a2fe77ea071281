"""What a day of a backfill costs: seconds per partition-day in each mode, one run.

    python -m benchmarks.backfill [DAYS]

The baseline is `attribution backfill`: a run per day, one after another, in one
process. Rounds go through all modes in turn, on days of few orders and with the sandbox
as the provider, so that what is measured is the running of days. Medians, and their
ratio to the baseline. The modes of the UI include what its daemon waits.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from shutil import copy
from statistics import median
from zoneinfo import ZoneInfo

import dagster as dg

from assets.partitions import days_between
from benchmarks.processes import Ui, Words, free_port, running
from pipelines.configuration.config import DEMO_CONFIG, load_config
from pipelines.demo.warehouse import seed
from pipelines.runs.backfill import left_to_do, run_each, run_together
from pipelines.runs.launch import Launcher
from pipelines.sandbox.server import SandboxServer

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
ROUNDS = 3
ORDERS = 20
BASELINE = "a run per day, command line"
FOLDERS = ("WAREHOUSE_URL", "LEDGER_URL", "STAGING")
Mode = Callable[[Path, list[date]], None]


@contextmanager
def deployment(days: list[date], days_per_run: int) -> Iterator[Path]:
    """Seed a fresh warehouse; yield a folder with configuration and instance."""
    # The last of Dagster's processes may write while it is told to end.
    kept = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with kept as name, SandboxServer(0) as server:
        folder = Path(name)
        text = DEMO_CONFIG.read_text()
        text = text.replace("http://127.0.0.1:8787", server.url)
        text = text.replace("var/demo", name)
        head = f"backfill_days_per_run = {days_per_run}\n"
        (folder / "destinations.toml").write_text(head + text)
        config = load_config(folder / "destinations.toml", {})
        seed(
            folder / "warehouse.duckdb",
            last_day=days[-1],
            days=len(days),
            orders_per_day=ORDERS,
            timezone=config.timezone,
        )
        copy(ROOT / "dagster.yaml", folder)
        yield folder


@contextmanager
def launcher(folder: Path) -> Iterator[Launcher]:
    """What the command line starts runs with."""
    config = load_config(folder / "destinations.toml", {})
    before = Path.cwd()
    os.chdir(folder)
    try:
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            yield Launcher(config, instance)
    finally:
        os.chdir(before)


def each(folder: Path, days: list[date]) -> None:
    """A run per day, one after another."""
    with launcher(folder) as started:
        left = dict.fromkeys(days, started.assets_of([]))
        results = list(run_each(started, left, [], "", iter))
        assert all(result.finished for result in results)


def together(folder: Path, days: list[date]) -> None:
    """One run for all days."""
    with launcher(folder) as started:
        left = dict.fromkeys(days, started.assets_of([]))
        results = list(run_together(started, left, [], ""))
        assert all(result.finished for result in results)


def from_ui(folder: Path, days: list[date], seconds: list[float]) -> None:
    """A backfill by the daemon; its own seconds, without those of the start."""
    port = free_port()
    loaded = ["-m", "pipelines.definitions"]
    environ = {
        "ATTRIBUTION_CONFIG": str(folder / "destinations.toml"),
        **dict.fromkeys((f"ATTRIBUTION_{name}" for name in FOLDERS), ""),
        "DAGSTER_HOME": str(folder),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(ROOT),
    }
    commands: dict[str, Words] = {
        "daemon": [BIN / "dagster-daemon", "run", *loaded],
        "webserver": [BIN / "dagster-webserver", "--port", str(port), *loaded],
    }
    with running(commands, folder, environ):
        ui = Ui(f"http://127.0.0.1:{port}")
        ui.wait()
        assets = ui.assets()
        start = time.perf_counter()
        ui.backfill([day.isoformat() for day in days], assets)
        wait_until_made(folder, days)
        seconds.append(time.perf_counter() - start)


def wait_until_made(folder: Path, days: list[date]) -> None:
    """Wait until each day is green: the backfill says so half a minute later."""
    with launcher(folder) as started:
        while left_to_do(started, days, []):
            time.sleep(2)


def measured(mode: Mode, days: list[date], days_per_run: int) -> float:
    """Return seconds per day."""
    with deployment(days, days_per_run) as folder:
        start = time.perf_counter()
        mode(folder, days)
        return (time.perf_counter() - start) / len(days)


def measured_in_ui(days: list[date], days_per_run: int) -> float:
    """Return seconds per day, from the click to the last green day."""
    seconds: list[float] = []
    measured(partial(from_ui, seconds=seconds), days, days_per_run)
    return seconds[0] / len(days)


def main(count: int) -> None:
    """Measure each mode in turn, and print a table."""
    yesterday = datetime.now(ZoneInfo("America/New_York")).date() - timedelta(days=1)
    days = days_between(yesterday - timedelta(days=count - 1), yesterday)
    modes: dict[str, Callable[[], float]] = {
        BASELINE: lambda: measured(each, days, 1),
        "one run, command line": lambda: measured(together, days, 1),
        "a run per day, UI": lambda: measured_in_ui(days, 1),
        "one run, UI": lambda: measured_in_ui(days, count),
    }
    found: dict[str, list[float]] = {name: [] for name in modes}
    for _ in range(ROUNDS):
        for name, measure in modes.items():
            found[name].append(measure())
            print(f"  {name:30} {found[name][-1]:6.2f} s per day", flush=True)
    base = median(found[BASELINE])
    print(f"{count} days of {ORDERS} orders, five destinations, {ROUNDS} rounds")
    for name, seconds in found.items():
        middle = median(seconds)
        print(f"{name:30} {middle:6.2f} s per day  {middle / base:5.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
