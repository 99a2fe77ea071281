"""Being told to stop: what is on the wire is finished and recorded first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopFlag:
    """Whether this process was told to stop."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def raised(self, number: int, _frame: FrameType | None) -> None:
        """Remember a signal instead of being interrupted by it."""
        self.signal = number


@contextmanager
def deferred_stop() -> Iterator[StopFlag]:
    """Hold SIGTERM and SIGINT back until the block ends; then they take effect.

    Outside the main thread, where Python delivers no signals, nothing is held back.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {number: signal.signal(number, flag.raised) for number in _SIGNALS}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if flag.signal is not None:
            signal.raise_signal(flag.signal)
