"""A program ends with all that it started, however the process that started it ends."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.processes import Family, family
from support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

STARTER = """
import os, sys
from pipelines.demo.ui import run_supervised
sys.exit(run_supervised(sys.argv[1:], os.environ, []))
"""
SUPERVISOR = """
import os, signal, sys
from pipelines.demo import supervisor
supervisor._ENDS_WITHIN = 0.5
supervisor._REST_ENDS_WITHIN = ((None, 0.5), (signal.SIGTERM, 0.5), (signal.SIGKILL, 9))
sys.exit(supervisor.supervise(0, sys.argv[1:]))
"""
"""With less patience; the starter is at the other end of its standard input."""
TREE = "trap 'kill 0' INT; (sleep 600 & sleep 600) & touch started; wait"
STUBBORN = "trap '' INT TERM; (sleep 600; sleep 600) & touch started; sleep 600; wait"


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    monkeypatch.chdir(tmp_path)
    with family() as found:
        yield found


def start(
    processes: Family, script: str, program: str = STARTER, **options: Any
) -> "subprocess.Popen[bytes]":
    """Start a shell script under supervision; wait until it says that it has."""
    started = subprocess.Popen(
        [sys.executable, "-c", program, "bash", "-c", script],
        env=processes.environ,
        **options,
    )
    wait_until(Path("started").exists, "the program to start")
    return started


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", 128 + 9)]
)
def test_the_status_is_that_of_the_program(
    processes: Family, script: str, status: int
) -> None:
    assert start(processes, f"touch started; {script}").wait(60) == status


@pytest.mark.sampled(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_starter_ends_all(
    processes: Family, number: signal.Signals
) -> None:
    started = start(processes, TREE)
    assert len(processes.running()) > 4
    started.send_signal(number)
    started.send_signal(number)  # who is impatient changes nothing
    assert started.wait(60) == 128 + number
    assert processes.running() == {}


def test_all_end_when_their_starter_is_killed(processes: Family) -> None:
    started = start(processes, TREE)
    started.kill()
    started.wait()
    processes.wait_for_end(60)


def test_all_end_when_their_terminal_closes(processes: Family) -> None:
    terminal, of_program = os.openpty()

    def open_terminal() -> None:
        os.setsid()
        fcntl.ioctl(of_program, termios.TIOCSCTTY, 0)

    started = start(
        processes,
        TREE,
        stdin=of_program,
        stdout=of_program,
        stderr=of_program,
        preexec_fn=open_terminal,
    )
    os.close(of_program)
    os.close(terminal)
    assert started.wait(60) == 128 + signal.SIGHUP
    assert processes.running() == {}


def test_all_stay_when_the_starter_is_not_to_hear_of_it(processes: Family) -> None:
    """As `nohup` starts it; and what a shell has in its background hears no Ctrl-C."""

    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    started = start(processes, TREE, preexec_fn=ignore)
    before = processes.running()
    started.send_signal(signal.SIGHUP)
    started.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        started.wait(1)
    assert processes.running() == before
    # But the program does, or it would not end by what it is told now.
    started.terminate()
    assert started.wait(60) == 128 + signal.SIGTERM
    assert processes.running() == {}


def test_the_program_is_not_interrupted_by_the_terminal_itself(
    processes: Family,
) -> None:
    started = start(processes, f"ps -o pgid=,sid= -p $$ >ids; {TREE}")
    group, session = map(int, Path("ids").read_text().split())
    ours = os.getpgid(started.pid), os.getsid(started.pid)
    assert group not in ours
    assert session not in ours
    started.terminate()
    started.wait(60)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("script", [STUBBORN, "(sleep 600 &); touch started"])
def test_what_does_not_end_is_killed(processes: Family, script: str) -> None:
    started = start(processes, script, SUPERVISOR, stdin=subprocess.PIPE)
    started.communicate(timeout=60)
    assert started.returncode == (128 + 9 if script == STUBBORN else 0)
    assert processes.running() == {}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_supervisor_ends_all(
    processes: Family, number: signal.Signals
) -> None:
    started = start(processes, TREE, SUPERVISOR, stdin=subprocess.PIPE)
    started.send_signal(number)
    assert started.wait(60) == 128 + signal.SIGTERM
    assert processes.running() == {}
    started.communicate()
