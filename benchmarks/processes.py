"""A deployment's own processes on this machine: code server, daemon, webserver.

For what only they do: backfills of the UI. `Ui` asks what a browser asks.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests

Words = Sequence[str | Path]
_ENDED = {"COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"}


def free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    commands: Mapping[str, Words], folder: Path, environ: Mapping[str, str]
) -> Iterator[dict[str, "subprocess.Popen[bytes]"]]:
    """Run programs, each with a log in `folder`, until the block ends."""
    with ExitStack() as stack:
        started = {}
        for name, words in commands.items():
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            started[name] = subprocess.Popen(
                [str(word) for word in words],
                cwd=folder,
                env=os.environ | dict(environ),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield started
        finally:
            for program in started.values():
                program.terminate()
            for program in started.values():
                try:
                    program.wait(30)
                except subprocess.TimeoutExpired:
                    program.kill()
                    program.wait()


class Ui:
    """What a person does in the UI.

    Args:
        url: Of the webserver.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def wait(self, seconds: float = 300) -> None:
        """Wait until it shows the assets."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if self.ask("{ assetNodes { id } }")["assetNodes"]:
                    return
            except (requests.RequestException, KeyError, TypeError):
                pass
            time.sleep(0.5)
        message = f"expected assets at {self._url}, got none in {seconds:.0f} s"
        raise TimeoutError(message)

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the answer to a GraphQL query."""
        body = {"query": query, "variables": variables}
        reply = requests.post(f"{self._url}/graphql", json=body, timeout=60).json()
        return reply["data"]

    def backfill(self, days: Sequence[str], assets: Sequence[Sequence[str]]) -> str:
        """Launch a backfill of assets; return its id."""
        launched = self.ask(
            """mutation ($assets: [AssetKeyInput!], $days: [String!]) {
              launchPartitionBackfill(
                backfillParams: {assetSelection: $assets, partitionNames: $days}
              ) { __typename ... on LaunchBackfillSuccess { backfillId } }
            }""",
            assets=[{"path": list(path)} for path in assets],
            days=list(days),
        )["launchPartitionBackfill"]
        return str(launched["backfillId"])

    def wait_for_backfill(self, backfill_id: str, seconds: float = 900) -> str:
        """Wait for its end; return its status."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.ask(
                """query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
                  ... on PartitionBackfill { status } } }""",
                id=backfill_id,
            )["partitionBackfillOrError"]
            if found["status"] in _ENDED:
                return str(found["status"])
            time.sleep(1)
        message = f"expected backfill {backfill_id} to end in {seconds:.0f} s"
        raise TimeoutError(message)

    def assets(self) -> list[list[str]]:
        """Return the path of every asset."""
        found = self.ask("{ assetNodes { assetKey { path } } }")["assetNodes"]
        return [node["assetKey"]["path"] for node in found]

    def runs(self, backfill_id: str) -> list[dict[str, Any]]:
        """Return the runs of a backfill with their times."""
        return list(
            self.ask(
                """query ($id: String!) { runsOrError(filter: {tags: [
                  {key: "dagster/backfill", value: $id}]}) { ... on Runs { results {
                  runId status startTime endTime } } } }""",
                id=backfill_id,
            )["runsOrError"]["results"]
        )
