"""Runs a program, and ends it and its children when the process that started it ends.

    python -m pipelines.demo.supervisor PIPE PROGRAM [WORD ...]

The starter holds the other end of the pipe. That end closes when the starter closes it,
and when the starter dies: even by SIGKILL, which no handler could pass on. Imports only
the standard library, to stay small: it lives as long as the program.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

POLL_SECONDS = 0.2
_ENDS_WITHIN = 20.0
"""Seconds for the program to end after an interrupt."""
_REST_ENDS_WITHIN = ((None, 10.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 1.0))
"""Signal and seconds for what is left then, such as a run that is sending."""
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def exit_status(returncode: int) -> int:
    """Return the exit status of a shell for a program: 128 and the signal's number."""
    return returncode if returncode >= 0 else 128 - returncode


def supervise(pipe: int, command: Sequence[str]) -> int:
    """Run a program until it ends or the pipe's other end is closed.

    Args:
        pipe: File descriptor to read from.
        command: The program and its arguments.

    Returns:
        The exit status of the program.
    """
    signals: list[int] = []
    for number in _PASSED_ON:
        # With a handler here, the program starts with the default one: a shell starts
        # what is in its background with SIGINT ignored, and Dagster would never end.
        signal.signal(number, lambda number, _frame: signals.append(number))
    program = subprocess.Popen(command, process_group=0)  # noqa: S603
    while program.poll() is None and not signals:
        if select.select([pipe], [], [], POLL_SECONDS)[0]:
            break
    if program.poll() is None:
        program.send_signal(signal.SIGINT)
        _wait(lambda: program.poll() is not None, _ENDS_WITHIN)
    _end_group(program)
    return exit_status(program.wait())


def _end_group(program: "subprocess.Popen[bytes]") -> None:
    for number, seconds in _REST_ENDS_WITHIN:
        if number is not None:
            _signal_group(program, number)
        if _wait(lambda: not _signal_group(program, 0), seconds):
            return


def _signal_group(program: "subprocess.Popen[bytes]", number: int) -> bool:
    """Signal a program and its children; tell whether any of them is running."""
    program.poll()  # one that ended is there until it was asked for
    try:
        os.killpg(program.pid, number)
    except ProcessLookupError:
        return False
    return True


def _wait(is_so: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


if __name__ == "__main__":
    sys.exit(supervise(int(sys.argv[1]), sys.argv[2:]))
