"""Dying at an exact place, by wrapping the product from outside.

All of it happens in the process that is to die, and the death is a real SIGKILL:
nothing is flushed, no `finally` runs.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, event

from assets.ledger.database import Database
from assets.ledger.ledger import Ledger
from assets.ledger.rows import Claimed, Result
from assets.ledger.spool import Spool
from assets.providers.base import Request
from assets.providers.replies import Reply
from assets.transport.http import HttpTransport
from faults.kill.job import Job, Point


def die_within(seconds: float) -> None:
    """Be killed from outside a little later, whatever is being done then."""
    victim = os.getpid()
    if os.fork() == 0:
        time.sleep(random.uniform(0, seconds))
        os.kill(victim, signal.SIGKILL)
        os._exit(0)


class Fate:
    """Counts the windows of a run and knows in which one it ends."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.windows = 0
        self.is_recording = False
        self._is_over = False

    def comes_at(self, point: Point) -> bool:
        is_here = self._job.point is point and self.windows == self._job.window
        return is_here and not self._is_over

    def meet(self, point: Point) -> None:
        if not self.comes_at(point):
            return
        if self._job.freezes:
            self._is_over = True
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    def watch(self, database: Database) -> None:
        if self._job.free_pages is not None:
            event.listen(database.engine, "connect", self._on_connect)
        event.listen(database.engine, "after_cursor_execute", self._on_statement)
        event.listen(database.engine, "commit", self._on_commit)

    def _on_connect(self, connection: Any, _entry: Any) -> None:
        (pages,) = connection.execute("pragma page_count").fetchone()
        connection.execute(f"pragma max_page_count = {pages + self._job.free_pages}")

    def _on_statement(
        self, _connection: Any, _cursor: Any, statement: str, *_: Any
    ) -> None:
        # The deliveries were moved, their attempts are not yet written.
        if self.is_recording and statement.lower().startswith("update delivery"):
            self.meet(Point.IN_OUTCOME)

    def _on_commit(self, _connection: Connection) -> None:
        if self.is_recording and self.comes_at(Point.IN_COMMIT):
            die_within(0.002)


class FatalTransport(HttpTransport):
    """Dies before the first byte of a window leaves."""

    def __init__(self, host: str, fate: Fate) -> None:
        super().__init__([host], read_seconds=30)
        self._fate = fate
        self._gate = threading.Lock()

    def send(self, request: Request) -> Reply:
        with self._gate:
            self._fate.meet(Point.AFTER_CLAIM)
        return super().send(request)


def fatal_ledger(fate: Fate) -> type[Ledger]:
    """The ledger of a run that meets its fate."""

    class FatalLedger(Ledger):
        def claim(self, *given: Any, **named: Any) -> dict[str, Claimed]:
            fate.windows += 1
            fate.meet(Point.BEFORE_CLAIM)
            claims = super().claim(*given, **named)
            fate.meet(Point.IN_CLAIM)
            return claims

        def record(self, results: Sequence[Result], owner: str | None = None) -> int:
            fate.meet(Point.AFTER_ANSWER)
            fate.is_recording = True
            try:
                return super().record(results, owner)
            finally:
                fate.is_recording = False
                if fate.comes_at(Point.IN_COMMIT):
                    time.sleep(60)  # Death is on its way: no further window begins.

    return FatalLedger


def fatal_spool(fate: Fate) -> type[Spool]:
    """The spool of a run that meets its fate."""

    class FatalSpool(Spool):
        def keep(self, owner: str, results: Sequence[Result]) -> None:
            super().keep(owner, results)
            fate.meet(Point.AFTER_SPOOL)

        def clear(self) -> None:
            fate.meet(Point.IN_REPLAY)
            super().clear()

    return FatalSpool
