"""Fail points: kill the process at an exact place, by wrapping the product.

The wrappers run in the process that is to die. The kill is a real SIGKILL: nothing is
flushed, and no `finally` runs.
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
    """Kill this process from outside a little later, wherever it is then."""
    victim = os.getpid()
    if os.fork() == 0:
        time.sleep(random.uniform(0, seconds))
        os.kill(victim, signal.SIGKILL)
        os._exit(0)


class CrashPlan:
    """Counts the windows of a run and kills it at the point of its job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.windows = 0
        self.is_recording = False
        self._was_reached = False

    def is_at(self, point: Point) -> bool:
        is_here = self._job.point is point and self.windows == self._job.window
        return is_here and not self._was_reached

    def reach(self, point: Point) -> None:
        if not self.is_at(point):
            return
        if self._job.freezes:
            self._was_reached = True
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
            self.reach(Point.IN_OUTCOME)

    def _on_commit(self, _connection: Connection) -> None:
        if self.is_recording and self.is_at(Point.IN_COMMIT):
            die_within(0.002)


class CrashingTransport(HttpTransport):
    """Kills the process before the first byte of a window leaves."""

    def __init__(self, host: str, plan: CrashPlan) -> None:
        super().__init__([host], read_seconds=30)
        self._plan = plan
        self._gate = threading.Lock()

    def send(self, request: Request) -> Reply:
        with self._gate:
            self._plan.reach(Point.AFTER_CLAIM)
        return super().send(request)


def crashing_ledger(plan: CrashPlan) -> type[Ledger]:
    """Return a ledger that kills its process at the points of `plan`."""

    class CrashingLedger(Ledger):
        def claim(self, *given: Any, **named: Any) -> dict[str, Claimed]:
            plan.windows += 1
            plan.reach(Point.BEFORE_CLAIM)
            claims = super().claim(*given, **named)
            plan.reach(Point.IN_CLAIM)
            return claims

        def record(self, results: Sequence[Result], owner: str | None = None) -> int:
            plan.reach(Point.AFTER_ANSWER)
            plan.is_recording = True
            try:
                return super().record(results, owner)
            finally:
                plan.is_recording = False
                if plan.is_at(Point.IN_COMMIT):
                    time.sleep(60)  # The kill is on its way: no further window begins.

    return CrashingLedger


def crashing_spool(plan: CrashPlan) -> type[Spool]:
    """Return a spool that kills its process at the points of `plan`."""

    class CrashingSpool(Spool):
        def append(self, owner: str, results: Sequence[Result]) -> None:
            super().append(owner, results)
            plan.reach(Point.AFTER_SPOOL)

        def clear(self) -> None:
            plan.reach(Point.IN_REPLAY)
            super().clear()

    return CrashingSpool
