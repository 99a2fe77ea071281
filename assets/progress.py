"""Logs the progress of a long step: rate and remaining time."""

import time
from collections.abc import Callable

EVERY_SECONDS = 30.0
"""Dagster stores each line in its event log, so there is not one per row."""


class Progress:
    """Logs how far something is.

    Args:
        log: Writes a line.
        what: What is counted: `conversions sent`.
        monotonic: Returns the seconds of a clock that never jumps.
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
        """Count more, of an unknown total."""
        self.at(self._done + count)

    def at(self, done: int, whole: int | None = None) -> None:
        """Record how much is done, and log it if a line is due."""
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
