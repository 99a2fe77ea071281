"""A running `dg dev` on a deployment: code server, daemon and webserver as people have.

Starting, asking by GraphQL and stopping it belong here; what is asked for, in tests.
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
"""One of each executor: in-process and multiprocess."""

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
    """A running `dg dev`; `with` is the business of `dagster_dev`."""

    deployment: Deployment
    url: str
    process: subprocess.Popen[bytes]

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the data that a GraphQL query or mutation comes to."""
        said = requests.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables},
            timeout=60,
        ).json()
        assert "errors" not in said, said["errors"]
        return said["data"]

    def launch(self, day: date, job: str = "nightly_export") -> str:
        """Hand a day's run to the daemon; return its id."""
        tags = [{"key": "dagster/partition", "value": day.isoformat()}]
        params = {
            "selector": _SELECTOR | {"jobName": job},
            "executionMetadata": {"tags": tags},
        }
        launched = self.ask(_LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess"
        return str(launched["run"]["runId"])

    def runs(self) -> list[dict[str, Any]]:
        """The latest runs, the newest first; tags as a dictionary."""
        found = self.ask(_RUNS)["runsOrError"]["results"]
        for run in found:
            run["tags"] = {one["key"]: one["value"] for one in run["tags"]}
        return list(found)

    def run(self, run_id: str) -> dict[str, Any]:
        return next(run for run in self.runs() if run["runId"] == run_id)

    def ended(self, run_id: str) -> str:
        """Wait until a run has ended; return its status."""
        wait_until(
            lambda: self.run(run_id)["status"] in ENDED,
            f"run {run_id} to end",
            RUNS_WITHIN,
        )
        return str(self.run(run_id)["status"])

    def terminate(self, run_id: str) -> None:
        """What the button Terminate does."""
        said = self.ask(_TERMINATE, id=run_id)["terminateRun"]
        assert said["__typename"] == "TerminateRunSuccess"

    def reload(self) -> None:
        """What the button Reload does."""
        said = self.ask(_RELOAD, name="attribution")["reloadRepositoryLocation"]
        assert said == {"__typename": "WorkspaceLocationEntry", "loadStatus": "LOADED"}

    def assets(self) -> set[str]:
        """The assets that are loaded now."""
        nodes = self.ask(_ASSETS)["assetNodes"]
        return {"/".join(node["assetKey"]["path"]) for node in nodes}

    def messages(self, run_id: str) -> list[str]:
        """What a run's log says, the oldest first."""
        events = self.ask(_EVENTS, id=run_id)["logsForRun"]["events"]
        return [event["message"] for event in events]

    def worker(self, run_id: str) -> int:
        """The process that a run was started in."""
        log = "\n".join(self.messages(run_id))
        (found,) = re.findall(r"Started process for run \(pid: (\d+)\)", log)
        return int(found)


@contextmanager
def dagster_dev(deployment: Deployment) -> Iterator[DagsterDev]:
    """Run `dg dev` in a deployment's folder, on a free port.

    The folder is made to look like the project's, so that history lands below it.
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
    """As Ctrl-C does it; what is left of the group after that is killed."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(ENDS_WITHIN)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
