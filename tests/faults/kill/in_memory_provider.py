"""A provider in memory, and a test bench on which the exporter crashes."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from assets.ledger.ledger import Ledger
from assets.ledger.rows import Claimed, Result
from assets.providers.base import Request
from assets.providers.replies import Reply
from support.engine import LOST, REFUSED, Bench, answer, orders_of, words
from support.invariants import SeenRequest

ANSWERS = {
    "accepted": answer(),
    "rejected": answer(400),
    "busy": answer(429, retry_after="5"),
    "closed": answer(503, retry_after="5"),
    "unauthorized": answer(401),
    "broken": answer(500),
    "lost before": LOST,
    "lost after": LOST,
    "refused": REFUSED,
}
SAYS = {
    "accepted": "accepted",
    "rejected": "rejected",
    "busy": "retryable",
    "closed": "retryable",
    "unauthorized": "configuration",
}
APPLIES = {"accepted", "lost after", "broken"}
POINTS = [
    "before claim",
    "in claim",
    "after claim",
    "after bytes",
    "after answer",
    "in outcome",
]


class CrashError(BaseException):
    """The process ends: nothing in the product catches this."""


class InMemoryProvider:
    """A provider in memory: replies by a script, counts orders, keeps a journal."""

    def __init__(
        self, dedup_window: timedelta | None, clock: Callable[[], datetime]
    ) -> None:
        self.dedup_window = dedup_window
        self.clock = clock
        self.script: dict[str, list[str]] = {}
        self.counted: dict[str, datetime] = {}
        self.journal: list[SeenRequest] = []
        self.crash_at: str | None = None
        self.meanwhile: Callable[[], object] | None = None
        self._lock = Lock()

    def send(self, request: Request) -> Reply:
        self._crash("after claim")
        with self._lock:
            meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        with self._lock:
            reply = self._answer(request)
        self._crash("after bytes")
        return reply

    def close(self) -> None: ...

    def _crash(self, point: str) -> None:
        if self.crash_at == point:
            raise CrashError

    def _answer(self, request: Request) -> Reply:
        ids = orders_of(request)
        kind = next(
            (self.script[one].pop(0) for one in ids if self.script.get(one)), ""
        )
        kind = kind or "accepted"
        if kind == "refused":
            return REFUSED
        known = {one for one in ids if self._is_known(one)}
        applied = [one for one in ids if kind in APPLIES and one not in known]
        self.counted.update(dict.fromkeys(applied, self.clock()))
        said = {one: SAYS[kind] for one in ids if kind in SAYS}
        if kind == "accepted":
            said |= dict.fromkeys(known, "duplicate")
        if self.crash_at == "after bytes":
            said = {}
        self.journal.append(
            SeenRequest(
                orders=ids,
                body=request.body,
                applied=applied,
                answered=said,
                at=self.clock(),
            )
        )
        return words(**said) if kind == "accepted" else ANSWERS[kind]

    def _is_known(self, order_id: str) -> bool:
        at = self.counted.get(order_id)
        if at is None or self.dedup_window is None:
            return False
        return self.clock() - at <= self.dedup_window


class CrashingBench(Bench):
    """A test bench whose ledger crashes where its provider does."""

    def ledger(self) -> Ledger:
        remote: Any = self.transport

        class CrashingLedger(Ledger):
            def claim(self, *given: Any, **named: Any) -> dict[str, Claimed]:
                remote._crash("before claim")
                claims = super().claim(*given, **named)
                remote._crash("in claim")
                return claims

            def apply_results(self, *given: Any, **named: Any) -> None:
                super().apply_results(*given, **named)
                if given[1]:
                    remote._crash("in outcome")

            def record(
                self, results: Sequence[Result], owner: str | None = None
            ) -> int:
                remote._crash("after answer")
                return super().record(results, owner)

        self.runs += 1
        return CrashingLedger(
            self.database,
            destination="shop",
            provider="fake",
            run_id=f"run-{self.runs}",
            clock=self.clock,
        )
