"""`attribution demo --ui` as a person starts it: none of its processes outlives it.

Only the `attribution` process gets the signal, as from `kill`, systemd, or `make` that
is told to stop. Other signals are in `test_supervisor.py`.
"""

import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from shutil import copy
from zoneinfo import ZoneInfo

import pytest
import requests

from pipelines.demo.folder import only_demo
from pipelines.demo.warehouse import seed
from support.deployment import ROOT, ZONE
from support.processes import family
from support.waiting import wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
COMMAND = Path(sys.executable).parent / "attribution"
PARTS = ["supervisor", "dg dev", "code-server", "api grpc", "webserver", "daemon"]
STARTS_WITHIN = 240.0
ENDS_WITHIN = 120.0


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a seeded demo in it."""
    for name in ("pyproject.toml", "dagster.yaml"):
        copy(ROOT / name, tmp_path)
    for name in ("assets", "pipelines", "sql"):
        (tmp_path / name).symlink_to(ROOT / name)
    yesterday = datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=1)
    seed(
        tmp_path / "var/demo/warehouse.duckdb",
        last_day=yesterday,
        days=1,
        orders_per_day=10,
        timezone=ZONE,
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refuses(url: str) -> bool:
    port = int(url.rpartition(":")[2])
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_of_the_ui_outlives_the_command(
    project: Path, number: signal.Signals
) -> None:
    log = project / "demo.log"
    with family() as processes, log.open("wb") as output:
        started = subprocess.Popen(
            [COMMAND, "demo", "--ui"],
            env=processes.environ | {"PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=output,
        )
        sandbox, ui = addresses(started, log)
        running = processes.running()
        for part in PARTS:
            assert any(part in words for words in running.values()), (part, running)
        started.send_signal(number)
        status = started.wait(ENDS_WITHIN)
        assert status == (-9 if number == signal.SIGKILL else 128 + number)
        if number == signal.SIGKILL:
            processes.wait_for_end(ENDS_WITHIN)
        assert processes.running() == {}
        assert refuses(sandbox)
        assert refuses(ui)
        with only_demo():
            pass


def addresses(started: "subprocess.Popen[bytes]", log: Path) -> tuple[str, str]:
    """Wait until sandbox and UI answer; return where they are."""

    def said() -> list[tuple[str, str]]:
        text = log.read_text(errors="replace")
        assert started.poll() is None, text
        return re.findall(r"Sandbox at (\S+); the UI opens at (\S+)", text)

    def answer() -> bool:
        with suppress(requests.ConnectionError):
            return all(requests.get(url, timeout=60).ok for url in said()[0])
        return False

    wait_until(lambda: bool(said()), "the command to say its ports", STARTS_WITHIN)
    wait_until(answer, "sandbox and UI to answer", STARTS_WITHIN)
    return said()[0]
