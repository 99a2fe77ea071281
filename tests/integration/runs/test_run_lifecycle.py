"""Runs under a real `dg dev`: cancelled, refused, killed, overtaken by a reload.

The sandbox counts the requests of each order: whatever Dagster does to a run, no order
is sent twice and none is forgotten.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from shutil import copy

import pytest

from assets.ledger.states import DELIVERED, INELIGIBLE, State
from support.dagster_dev import ENDED, JOBS, RUNS_WITHIN, DagsterDev, dagster_dev
from support.deployment import DAY, NAMES, ROOT, deployed
from support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

DAYS = [DAY - timedelta(days=ago) for ago in range(8)]
"""Each test has a day of its own."""
SLOW = "trackdesk/bumpy:delay=1.5"
"""Seconds that a reply takes, so that there is time to do something to the run."""
ENDPOINTS = {
    "impact_us": ("impact", None),
    "convert_web": ("convert", None),
    "trackdesk_main": ("trackdesk", "demo"),
    "trackdesk_bumpy": ("trackdesk", "bumpy"),
}
FINISHED = DELIVERED | INELIGIBLE | {State.STAGED}


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    folder = tmp_path_factory.mktemp("deployment")
    with deployed(folder, days=len(DAYS)) as deployment, dagster_dev(deployment) as dev:
        yield dev


def requests_of(
    dev: DagsterDev, day: date, name: str = "trackdesk_bumpy"
) -> Counter[str]:
    """How many requests carried each order of a day."""
    found = dev.deployment.server.sandbox.requests(*ENDPOINTS[name])
    return Counter({order: n for order, n in found.items() if f"{day:%Y%m%d}" in order})


def states_of(
    dev: DagsterDev, day: date, name: str = "trackdesk_bumpy"
) -> Counter[str]:
    rows = dev.deployment.rows(name).values()
    return Counter(
        row["state"] for row in rows if row["partition_key"] == day.isoformat()
    )


def start_slowly(dev: DagsterDev, day: date, job: str) -> str:
    """Start a run and wait until some orders are answered and some on the wire."""
    dev.deployment.server.sandbox.misbehave(f"{SLOW}~D{day:%Y%m%d}")
    run_id = dev.launch(day, job)
    wait_until(lambda: len(requests_of(dev, day)) >= 2, "requests", RUNS_WITHIN)
    return run_id


def check_finished(dev: DagsterDev, day: date) -> None:
    """Every order stands in a final state, and took one request to each."""
    for name in NAMES:
        assert set(states_of(dev, day, name)) <= FINISHED, name
    for name in ENDPOINTS:
        assert set(requests_of(dev, day, name).values()) == {1}, name


def runs_of(dev: DagsterDev, day: date) -> list[str]:
    """Status of each run of a day, the newest first."""
    return [
        run["status"]
        for run in dev.runs()
        if run["tags"].get("dagster/partition") == day.isoformat()
    ]


@pytest.mark.parametrize(("job", "day"), [(JOBS[0], DAYS[0]), (JOBS[1], DAYS[1])])
def test_a_run_that_is_cancelled_leaves_nothing_in_sending(
    dev: DagsterDev, job: str, day: date
) -> None:
    run_id = start_slowly(dev, day, job)
    dev.terminate(run_id)
    assert dev.ended(run_id) == "CANCELED"
    sent = len(requests_of(dev, day))
    states = states_of(dev, day)
    assert states["accepted"] == sent
    assert states["pending"] > 0
    assert states["sending"] == states["uncertain"] == 0
    dev.deployment.server.sandbox.misbehave()
    assert dev.ended(dev.launch(day, job)) == "SUCCESS"
    check_finished(dev, day)


def test_refused_credentials_cost_one_request_and_one_run(dev: DagsterDev) -> None:
    day = DAYS[2]
    dev.deployment.server.sandbox.misbehave(f"trackdesk/bumpy:status=401~D{day:%Y%m%d}")
    run_id = dev.launch(day)
    assert dev.ended(run_id) == "FAILURE"
    wait_until(
        lambda: any("Not retrying run" in one for one in dev.messages(run_id)),
        "the daemon to look at the failed run",
        RUNS_WITHIN,
    )
    assert dev.run(run_id)["tags"]["dagster/will_retry"] == "false"
    assert runs_of(dev, day) == ["FAILURE"]
    assert sum(requests_of(dev, day).values()) == 1
    assert set(states_of(dev, day)) & {"pending", "retryable"}


@pytest.mark.parametrize(("job", "day"), [(JOBS[0], DAYS[3]), (JOBS[1], DAYS[4])])
def test_a_worker_that_is_killed_is_started_again_once_and_sends_nothing_twice(
    dev: DagsterDev, job: str, day: date
) -> None:
    run_id = start_slowly(dev, day, job)
    os.kill(dev.worker(run_id), signal.SIGKILL)
    on_the_wire = set(requests_of(dev, day))
    assert dev.ended(run_id) == "FAILURE"
    wait_until(lambda: len(runs_of(dev, day)) > 1, "a second run", RUNS_WITHIN)
    again = next(run for run in dev.runs() if run["parentRunId"] == run_id)
    assert dev.ended(again["runId"]) == "SUCCESS"
    assert runs_of(dev, day) == ["SUCCESS", "FAILURE"]
    twice = {order for order, sent in requests_of(dev, day).items() if sent > 1}
    assert twice <= on_the_wire
    counted = dev.deployment.server.sandbox.effects("trackdesk", "bumpy")
    assert set(counted.values()) == {1}
    assert set(states_of(dev, day)) <= FINISHED


def test_two_dagster_instances_with_the_same_delivery_tables_send_each_order_once(
    dev: DagsterDev, tmp_path: Path
) -> None:
    day = DAYS[5]
    run_id = start_slowly(dev, day, "export_day")
    copy(ROOT / "dagster.yaml", tmp_path)
    other = subprocess.run(
        [
            Path(sys.executable).parent / "attribution",
            *("export", "--date", day.isoformat(), "--to", "trackdesk_bumpy"),
        ],
        cwd=tmp_path,
        env=dev.deployment.command_environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=RUNS_WITHIN,
    )
    assert other.returncode == 0, other.stderr
    assert dev.ended(run_id) == "SUCCESS", dev.messages(run_id)
    check_finished(dev, day)


def test_code_that_is_reloaded_during_a_run_does_not_disturb_it(
    dev: DagsterDev,
) -> None:
    day, path = DAYS[6], dev.deployment.config_path
    before = path.read_text()
    added = '[destinations.idme_late]\nprovider = "idme"\napp_id = "late"\n'
    run_id = start_slowly(dev, day, "export_day")
    path.write_text(before + added)
    dev.reload()
    assert "deliveries/idme_late" in dev.assets()
    assert dev.run(run_id)["status"] not in ENDED
    path.write_text(before)
    assert dev.ended(run_id) == "SUCCESS"
    dev.reload()
    check_finished(dev, day)
