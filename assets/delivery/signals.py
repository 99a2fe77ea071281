"""Defers stop signals until the requests in flight are finished and recorded."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopFlag:
    """Whether this process received a stop signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Record a signal instead of being interrupted by it."""
        self.signal = number


@contextmanager
def deferred_stop() -> Iterator[StopFlag]:
    """Defer SIGTERM and SIGINT until the block ends. Then they take effect.

    Outside the main thread nothing is deferred, because Python delivers no signals
    there.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {number: signal.signal(number, flag.handle) for number in _SIGNALS}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if flag.signal is not None:
            signal.raise_signal(flag.signal)
