"""A failed day is run again in the Dagster UI: what was missing is sent, and only that.

The journal of the sandbox tells which requests the providers got.
"""

import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from browser.conftest import Ui
from pipelines.sandbox.journal import Entry
from support.dagster_dev import DagsterDev
from support.deployment import DAY, NAMES

BUMPY = "deliveries/trackdesk_bumpy"
OTHERS = [f"deliveries/{name}" for name in NAMES if name not in BUMPY]
GOOD_DAY = DAY - timedelta(days=2)
THIRTY_PERCENT = pytest.approx(0.3, abs=0.02)
"""An order fails by its last digit; of a day's orders few have what Trackdesk needs."""


def export(dev: DagsterDev, day: date) -> int:
    """Run a day with the command in a terminal; return its exit status."""
    return subprocess.run(
        [Path(sys.executable).parent / "attribution", "export", "--date", str(day)],
        cwd=dev.deployment.folder,
        env=dev.deployment.command_environ(),
        capture_output=True,
        check=False,
        timeout=180,
    ).returncode


def journal(dev: DagsterDev) -> list[Entry]:
    return dev.deployment.server.sandbox.journal.entries


def fail_thirty_percent(dev: DagsterDev, day: date) -> None:
    rule = rf"trackdesk/bumpy:status=503~D{day:%Y%m%d}-\d+[259]$"
    dev.deployment.server.sandbox.misbehave(rule)


def carried(entries: list[Entry]) -> Counter[str]:
    """How many requests carried each order."""
    return Counter(order for entry in entries for order in entry.order_ids)


def failed_and_all(entries: list[Entry]) -> tuple[set[str], set[str]]:
    """The orders that trackdesk_bumpy was sent: those that failed, and all."""
    sent = [entry for entry in entries if entry.account == "bumpy"]
    return set(carried([entry for entry in sent if entry.fault])), set(carried(sent))


@pytest.mark.parametrize(
    ("job", "day"),
    [("attribution export", DAY), ("nightly_export", DAY - timedelta(days=1))],
)
def test_a_failed_day_is_red_for_one_destination_and_sends_what_failed_there(
    dev: DagsterDev, ui: Ui, job: str, day: date
) -> None:
    fail_thirty_percent(dev, day)
    before = len(journal(dev))
    if job == "nightly_export":
        assert dev.ended(dev.launch(day, job)) == "FAILURE"
    else:
        assert export(dev, day) == 1
    dev.deployment.server.sandbox.misbehave()
    failed, everything = failed_and_all(journal(dev)[before:])
    assert len(failed) / len(everything) == THIRTY_PERCENT

    for asset in OTHERS:
        ui.day_is_green(asset, day)
    ui.day_is_red(BUMPY, day)
    ui.picture("red-day")
    ui.open_run_of_this_day()
    ui.sees("Delivering failed for trackdesk_bumpy")
    ui.filter_log("type:ASSET_OBSERVATION")
    ui.sees("orders/retryable")
    ui.open_menu()
    ui.picture("failed-run")

    before = len(journal(dev))
    ui.execute_again_from_failure()
    ui.picture("run-again")
    sent = journal(dev)[before:]
    assert {entry.account for entry in sent} == {"bumpy"}
    assert carried(sent) == dict.fromkeys(failed, 1)
    for asset in [BUMPY, *OTHERS]:
        ui.day_is_green(asset, day)


def test_a_good_day_that_is_run_again_sends_nothing(dev: DagsterDev, ui: Ui) -> None:
    assert export(dev, GOOD_DAY) == 0
    before = len(journal(dev))
    assert before > 0
    ui.day_is_green(BUMPY, GOOD_DAY)
    ui.open_run_of_this_day()
    ui.execute_all_again()
    assert journal(dev)[before:] == []
    ui.day_is_green(BUMPY, GOOD_DAY)


def test_graph_checks_and_plots_are_there_to_look_at(dev: DagsterDev, ui: Ui) -> None:
    assert export(dev, GOOD_DAY) == 0
    ui.open_graph(["extract", "attribution", "delivery", "analytics"])
    for name in NAMES:
        ui.sees(name)
    ui.picture("asset-graph")
    ui.open(f"/assets/{BUMPY}?view=checks", "Latest execution")
    ui.sees("Passed", exact=True)
    ui.picture("checks")
    ui.open(f"/assets/{BUMPY}", "Latest check results")
    ui.show_plots()
    ui.picture("plots")
