"""Waits for the effect of another thread or process, also on a slow machine.

A test waits for the effect itself, never for a time in which it usually happens.
"""

import time
from collections.abc import Callable

TIMEOUT_SECONDS = 60.0


def wait_until(
    condition: Callable[[], bool],
    what: str,
    seconds: float = TIMEOUT_SECONDS,
    pause: float = 0.1,
) -> None:
    """Return when the condition is true; fail after `seconds`.

    Args:
        condition: Returns whether the effect is there.
        what: The effect, for the message.
        seconds: The timeout.
        pause: Seconds between two checks.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(pause)
