"""Says how far a long step is: rate and time left, every so many seconds."""

import time
from collections.abc import Callable

EVERY_SECONDS = 30.0
"""Each line is kept in Dagster's history: not one per row."""


class Progress:
    """Tells a log how far something is.

    Args:
        log: Takes a line.
        what: What is counted: `conversions sent`.
        monotonic: Seconds of a clock that never jumps.
    """

    def __init__(
        self,
        log: Callable[[str], object],
        what: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._what = what
        self._monotonic = monotonic
        self._started = self._last_logged = monotonic()
        self._done = 0

    def add(self, count: int) -> None:
        """Count more of it, of an unknown whole."""
        self.at(self._done + count)

    def at(self, done: int, whole: int | None = None) -> None:
        """Say that so much is done, where it is time to."""
        self._done = done
        now = self._monotonic()
        if now - self._last_logged < EVERY_SECONDS:
            return
        self._last_logged = now
        rate = done / (now - self._started)
        of = "" if whole is None else f" of {whole:,}"
        left = ""
        if whole is not None and rate:
            left = f", about {max(0, whole - done) / rate:,.0f} s left"
        self._log(f"{done:,}{of} {self._what}, {rate:,.1f} a second{left}.")
