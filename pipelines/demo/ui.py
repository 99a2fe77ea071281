"""Runs the Dagster UI on the demo data and ends all of its processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from pipelines.demo import supervisor

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_ui(environ: Mapping[str, str], port: int, kept_open: Sequence[int]) -> int:
    """Run webserver, daemon and code server until they end or this process has to.

    Args:
        environ: The environment of the processes.
        port: The port of the webserver.
        kept_open: See `run_supervised`.

    Returns:
        The exit status.
    """
    dg = str(Path(sys.executable).parent / "dg")
    return run_supervised([dg, "dev", "--port", str(port)], environ, kept_open)


def run_supervised(
    command: Sequence[str], environ: Mapping[str, str], kept_open: Sequence[int]
) -> int:
    """Run a program; end it with all it started when this process has to end.

    SIGINT, SIGTERM and SIGHUP end it. So does the end of this process.

    Args:
        command: The program and its arguments.
        environ: Its environment.
        kept_open: File descriptors that stay open until the last process has ended.

    Returns:
        The exit status: the program's; after a signal, 128 and its number.
    """
    reading, writing = os.pipe()
    # A second signal can arrive in the middle of the first one's handler: a file object
    # is closed once, however often it is asked to.
    life_line = os.fdopen(writing, "wb", buffering=0)
    stops: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stops.append(number)
        life_line.close()

    try:
        with _handled_by(stop):
            program = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", supervisor.__name__, str(reading), *command],
                env=environ,
                stdin=subprocess.DEVNULL,
                pass_fds=(reading, *kept_open),
                start_new_session=True,  # a terminal's signals come here only
            )
            status = program.wait()
    finally:
        os.close(reading)
        life_line.close()
    return 128 + stops[0] if stops else supervisor.exit_status(status)


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle the signals that end a program, except ignored ones (`nohup`)."""
    before = {number: signal.getsignal(number) for number in _STOPS}
    handled = [number for number in _STOPS if before[number] is not signal.SIG_IGN]
    for number in handled:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])
