"""Starts the exporter, kills it, and returns how it ended."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from faults.kill.job import Job
from support.project import ROOT
from support.waiting import wait_until


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How a run ended.

    Attributes:
        signal: What killed it, or None.
        output: The last thing it wrote: its figures, or `error` and `message`.
    """

    signal: int | None
    output: dict[str, Any]

    @property
    def was_killed(self) -> bool:
        return self.signal == signal.SIGKILL


class Exporter:
    """One process after the other, each doing one job."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        self._driver = subprocess.Popen(
            [sys.executable, "-m", "faults.kill.exporter"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.pid = 0
        self._is_busy = False

    def start(self, job: Job) -> int:
        """Begin a job; return the process that does it."""
        self._write_line(job.to_line())
        self.pid = int(self._read_line()["pid"])
        self._is_busy = True
        return self.pid

    def signal(self, number: int) -> None:
        """Send a signal; one that comes too late does no harm."""
        os.kill(self.pid, number)

    def wait(self) -> JobResult:
        """Return how the job ended."""
        output = self._read_line()
        self._write_line("\n")
        self._is_busy = False
        return JobResult(signal=output["signal"], output=output["result"] or {})

    def run(self, job: Job) -> JobResult:
        self.start(job)
        return self.wait()

    def close(self) -> None:
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        if self._is_busy:
            # A test failed half-way: leave nothing behind, frozen or not.
            self.signal(signal.SIGKILL)
        self._driver.stdin.close()
        self._driver.wait(20)
        self._driver.stdout.close()

    def _write_line(self, line: str) -> None:
        assert self._driver.stdin is not None
        self._driver.stdin.write(line)
        self._driver.stdin.flush()

    def _read_line(self) -> dict[str, Any]:
        assert self._driver.stdout is not None
        line = self._driver.stdout.readline()
        assert line, "the process that starts the exporter is gone"
        return dict(json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def wait_until_frozen(pid: int) -> None:
    """Return when a process was stopped by SIGSTOP."""
    status = Path(f"/proc/{pid}/stat")
    wait_until(
        lambda: status.read_text().rpartition(")")[2].split()[0] == "T",
        "the process to stop",
        pause=0.002,
    )
