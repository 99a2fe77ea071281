"""Waiting for what another thread or process brings about, on however slow a machine.

A test waits for the thing itself, never for a time in which it usually happens.
"""

import time
from collections.abc import Callable

WITHIN = 60.0


def wait_until(
    is_so: Callable[[], bool],
    what: str,
    seconds: float = WITHIN,
    pause: float = 0.1,
) -> None:
    """Return once something is so; it is an error if that takes `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(pause)
