"""A re-run of a failed day in the Dagster UI sends only what was missing.

The journal of the sandbox shows the requests that the providers got.
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
"""The last digit of an order decides; few orders have what Trackdesk needs."""


def export(dev: DagsterDev, day: date) -> int:
    """Run a day with the command; return its exit status."""
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
    dev.deployment.server.sandbox.set_faults(rule)


def carried(entries: list[Entry]) -> Counter[str]:
    """Return the number of requests for each order."""
    return Counter(order for entry in entries for order in entry.order_ids)


def failed_and_all(entries: list[Entry]) -> tuple[set[str], set[str]]:
    """Return the failed orders and all orders sent to trackdesk_bumpy."""
    sent = [entry for entry in entries if entry.account == "bumpy"]
    return set(carried([entry for entry in sent if entry.fault])), set(carried(sent))


@pytest.mark.parametrize(
    ("job", "day"),
    [("attribution export", DAY), ("nightly_export", DAY - timedelta(days=1))],
)
def test_a_re_run_of_a_failed_day_sends_only_the_failed_orders(
    dev: DagsterDev, ui: Ui, job: str, day: date
) -> None:
    fail_thirty_percent(dev, day)
    before = len(journal(dev))
    if job == "nightly_export":
        assert dev.wait_for_end(dev.launch(day, job)) == "FAILURE"
    else:
        assert export(dev, day) == 1
    dev.deployment.server.sandbox.set_faults()
    failed, everything = failed_and_all(journal(dev)[before:])
    assert len(failed) / len(everything) == THIRTY_PERCENT

    for asset in OTHERS:
        ui.day_succeeded(asset, day)
    ui.day_failed(BUMPY, day)
    ui.screenshot("red-day")
    ui.open_run_of_this_day()
    ui.expect_text("Delivering failed for trackdesk_bumpy")
    ui.filter_log("type:ASSET_OBSERVATION")
    ui.expect_text("orders/retryable")
    ui.open_menu()
    ui.screenshot("failed-run")

    before = len(journal(dev))
    ui.execute_again_from_failure()
    ui.screenshot("run-again")
    sent = journal(dev)[before:]
    assert {entry.account for entry in sent} == {"bumpy"}
    assert carried(sent) == dict.fromkeys(failed, 1)
    for asset in [BUMPY, *OTHERS]:
        ui.day_succeeded(asset, day)


def test_a_succeeded_day_that_is_run_again_sends_nothing(
    dev: DagsterDev, ui: Ui
) -> None:
    assert export(dev, GOOD_DAY) == 0
    before = len(journal(dev))
    assert before > 0
    ui.day_succeeded(BUMPY, GOOD_DAY)
    ui.open_run_of_this_day()
    ui.execute_all_again()
    assert journal(dev)[before:] == []
    ui.day_succeeded(BUMPY, GOOD_DAY)


def test_the_ui_shows_the_graph_checks_and_plots(dev: DagsterDev, ui: Ui) -> None:
    assert export(dev, GOOD_DAY) == 0
    ui.open_graph(["extract", "attribution", "delivery", "analytics"])
    for name in NAMES:
        ui.expect_text(name)
    ui.screenshot("asset-graph")
    ui.open(f"/assets/{BUMPY}?view=checks", "Latest execution")
    ui.expect_text("Passed", exact=True)
    ui.screenshot("checks")
    ui.open(f"/assets/{BUMPY}", "Latest check results")
    ui.show_plots()
    ui.screenshot("plots")
