"""Runs `dg dev` on a deployment: code server, daemon and webserver.

The start, the GraphQL queries and the stop belong here; expectations belong in tests.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from shutil import copy
from typing import Any

import requests

from benchmarks.processes import free_port
from support.deployment import ROOT, Deployment
from support.waiting import wait_until

JOBS = ("export_day", "nightly_export")
"""One job of each executor: in-process and multiprocess."""

STARTS_WITHIN = 120.0
ENDS_WITHIN = 30.0
RUNS_WITHIN = 180.0
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}

_SELECTOR = {
    "repositoryLocationName": "attribution",
    "repositoryName": "__repository__",
}
_LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
  }
}
"""
_RUNS = """
{ runsOrError(limit: 50) { ... on Runs { results {
  runId status jobName parentRunId tags { key value }
} } } }
"""
_EVENTS = """
query ($id: ID!) { logsForRun(runId: $id, limit: 1000) { ... on EventConnection {
  events { ... on MessageEvent { message } }
} } }
"""
_TERMINATE = """
mutation ($id: String!) { terminateRun(runId: $id) { __typename } }
"""
_RELOAD = """
mutation ($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) {
    __typename
    ... on WorkspaceLocationEntry { loadStatus }
  }
}
"""
_ASSETS = "{ assetNodes { assetKey { path } } }"


@dataclass(frozen=True)
class DagsterDev:
    """A running `dg dev`; `dagster_dev` starts and stops it."""

    deployment: Deployment
    url: str
    process: subprocess.Popen[bytes]

    def query(self, text: str, **variables: Any) -> Any:
        """Return the data of a GraphQL query or mutation."""
        reply = requests.post(
            f"{self.url}/graphql",
            json={"query": text, "variables": variables},
            timeout=60,
        ).json()
        assert "errors" not in reply, reply["errors"]
        return reply["data"]

    def launch(self, day: date, job: str = "nightly_export") -> str:
        """Launch the run of a day through the daemon; return its id."""
        tags = [{"key": "dagster/partition", "value": day.isoformat()}]
        params = {
            "selector": _SELECTOR | {"jobName": job},
            "executionMetadata": {"tags": tags},
        }
        launched = self.query(_LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess"
        return str(launched["run"]["runId"])

    def runs(self) -> list[dict[str, Any]]:
        """Return the latest runs, newest first, with their tags as a dictionary."""
        found = self.query(_RUNS)["runsOrError"]["results"]
        for run in found:
            run["tags"] = {one["key"]: one["value"] for one in run["tags"]}
        return list(found)

    def run(self, run_id: str) -> dict[str, Any]:
        return next(run for run in self.runs() if run["runId"] == run_id)

    def wait_for_end(self, run_id: str) -> str:
        """Wait for the end of a run; return its status."""
        wait_until(
            lambda: self.run(run_id)["status"] in ENDED,
            f"run {run_id} to end",
            RUNS_WITHIN,
        )
        return str(self.run(run_id)["status"])

    def terminate(self, run_id: str) -> None:
        """Do what the button Terminate does."""
        reply = self.query(_TERMINATE, id=run_id)["terminateRun"]
        assert reply["__typename"] == "TerminateRunSuccess"

    def reload(self) -> None:
        """Do what the button Reload does."""
        reply = self.query(_RELOAD, name="attribution")["reloadRepositoryLocation"]
        assert reply == {"__typename": "WorkspaceLocationEntry", "loadStatus": "LOADED"}

    def assets(self) -> set[str]:
        """Return the loaded assets."""
        nodes = self.query(_ASSETS)["assetNodes"]
        return {"/".join(node["assetKey"]["path"]) for node in nodes}

    def messages(self, run_id: str) -> list[str]:
        """Return the log messages of a run, oldest first."""
        events = self.query(_EVENTS, id=run_id)["logsForRun"]["events"]
        return [event["message"] for event in events]

    def worker(self, run_id: str) -> int:
        """Return the process id of the worker of a run."""
        log = "\n".join(self.messages(run_id))
        (found,) = re.findall(r"Started process for run \(pid: (\d+)\)", log)
        return int(found)


@contextmanager
def dagster_dev(deployment: Deployment) -> Iterator[DagsterDev]:
    """Run `dg dev` in a deployment's folder, on a free port.

    Links to the project are put into the folder, so that the history is written there.
    """
    folder = deployment.folder
    copy(ROOT / "pyproject.toml", folder)
    for name in ("sql", "assets", "pipelines"):
        (folder / name).symlink_to(ROOT / name)
    port, log = free_port(), folder / "dg-dev.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                Path(sys.executable).parent / "dg",
                "dev",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
            ],
            cwd=folder,
            env=deployment.command_environ() | {"DAGSTER_DISABLE_TELEMETRY": "1"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    running = DagsterDev(deployment, f"http://127.0.0.1:{port}", process)
    try:
        _await_start(running, log)
        yield running
    finally:
        _stop(process)


def _await_start(running: DagsterDev, log: Path) -> None:
    def answers() -> bool:
        ended = running.process.poll()
        assert ended is None, log.read_text(errors="replace")
        with suppress(requests.ConnectionError):
            return bool(running.assets())
        return False

    wait_until(answers, "dg dev to show assets", STARTS_WITHIN)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop it as Ctrl-C does, then kill the rest of its process group."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(ENDS_WITHIN)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
