"""Processes that a test started, and all that those started: found by a mark."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.waiting import wait_until

_MARK = "ATTRIBUTION_TEST_MARK"


@dataclass(frozen=True)
class Family:
    """All processes that have the mark in their environment, however they came there.

    Attributes:
        environ: Has the mark; for the first of them.
    """

    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def environ(self) -> dict[str, str]:
        return os.environ | {_MARK: self.mark}

    def running(self) -> dict[int, str]:
        """Process -> its command line; those that only wait to be reaped left out."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"{_MARK}={self.mark}".encode() in (folder / "environ").read_bytes():
                    words = (folder / "cmdline").read_bytes().split(b"\0")
                    found[int(folder.name)] = b" ".join(words).decode()
        return found

    def wait_for_end(self, seconds: float) -> None:
        wait_until(lambda: not self.running(), f"the end of {self.running()}", seconds)


@contextmanager
def family() -> Iterator[Family]:
    """A new mark; who has it at the end of the block is killed."""
    made = Family()
    try:
        yield made
    finally:
        for process in made.running():
            with suppress(ProcessLookupError):
                os.kill(process, 9)
