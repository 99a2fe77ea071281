"""Any order of orders, answers, crashes, other runs and people: the guarantees hold.

Hypothesis invents the stories; the delivery tables are held against what a provider in
memory counted, after each step.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from engine import (
    DEDUPE,
    LOST,
    NEVER,
    REFUSED,
    Bench,
    FakeProvider,
    answer,
    order,
    orders_of,
    words,
)
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)
from invariants import Money, Seen, check_invariants

from assets.delivery.database import Database
from assets.delivery.dispatch import Summary
from assets.delivery.ledger import Ledger
from assets.delivery.resolving import resolve
from assets.delivery.rows import Claimed, Result
from assets.delivery.sending import LEASE, LeaseLostError
from assets.providers.base import Limits, Request, Withheld
from assets.providers.conversion import Conversion
from assets.providers.replies import Reply

NO_CLICK = Withheld("suppressed", "no_click_id")
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
KINDS = st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=4)
FEW = st.integers(0, 3)
LIMITS = st.sampled_from([None, None, 2])
WAITS = [timedelta(minutes=1), timedelta(minutes=3), timedelta(hours=25)]


class CrashError(BaseException):
    """The process is gone: nothing in the product catches this."""


class Market:
    """A provider in memory: answers as told, counts what it applies, keeps all."""

    def __init__(self, memory: timedelta | None, clock: Callable[[], datetime]) -> None:
        self.memory = memory
        self.clock = clock
        self.script: dict[str, list[str]] = {}
        self.counted: dict[str, datetime] = {}
        self.journal: list[Seen] = []
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
        known = {one for one in ids if self._remembers(one)}
        applied = [one for one in ids if kind in APPLIES and one not in known]
        self.counted.update(dict.fromkeys(applied, self.clock()))
        said = {one: SAYS[kind] for one in ids if kind in SAYS}
        if kind == "accepted":
            said |= dict.fromkeys(known, "duplicate")
        if self.crash_at == "after bytes":
            said = {}
        self.journal.append(
            Seen(
                orders=ids,
                body=request.body,
                applied=applied,
                answered=said,
                at=self.clock(),
            )
        )
        return words(**said) if kind == "accepted" else ANSWERS[kind]

    def _remembers(self, order_id: str) -> bool:
        at = self.counted.get(order_id)
        if at is None or self.memory is None:
            return False
        return self.clock() - at <= self.memory


class CrashingBench(Bench):
    """A bench whose ledger dies where its market does."""

    def ledger(self) -> Ledger:
        market = self.transport

        class CrashingLedger(Ledger):
            def claim(self, *given: Any, **named: Any) -> dict[str, Claimed]:
                market._crash("before claim")  # type: ignore[attr-defined]
                claims = super().claim(*given, **named)
                market._crash("in claim")  # type: ignore[attr-defined]
                return claims

            def _move(self, *given: Any, **named: Any) -> None:
                super()._move(*given, **named)
                if given[1]:
                    market._crash("in outcome")  # type: ignore[attr-defined]

            def record(
                self, results: Sequence[Result], owner: str | None = None
            ) -> int:
                market._crash("after answer")  # type: ignore[attr-defined]
                return super().record(results, owner)

        self.runs += 1
        return CrashingLedger(
            self.database,
            destination="shop",
            provider="fake",
            run_id=f"run-{self.runs}",
            clock=self.clock,
        )


@cache
def template() -> Path:
    """Delivery tables, made but empty, to be copied."""
    folder = Path(tempfile.mkdtemp(prefix="attribution-tables-"))
    database = Database(f"sqlite:///{folder}/ledger.db")
    database.migrate()
    database.dispose()
    return folder / "ledger.db"


class Export(RuleBasedStateMachine):
    """One destination, its orders, and whatever may happen to them."""

    @initialize(policy=st.sampled_from([DEDUPE, NEVER]), size=st.sampled_from([1, 3]))
    def open(self, policy: Any, size: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="attribution-story-"))
        shutil.copy(template(), self.folder / "ledger.db")
        self.database = Database(f"sqlite:///{self.folder}/ledger.db")
        provider = FakeProvider(
            resend=policy, limits=Limits(in_flight=3, conversions_per_request=size)
        )
        self.bench = CrashingBench(self.database, provider)
        self.market = Market(policy.window, self.bench.clock)
        self.bench.transport = self.market
        self.orders: dict[str, Conversion] = {}
        self.earlier: dict[str, set[Money]] = {}
        self.is_planned = True
        self._add(3, has_click=True)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.dispose()
            shutil.rmtree(self.folder)

    @rule(count=FEW, has_click=st.booleans())
    def new_orders(self, count: int, has_click: bool) -> None:
        self._add(count, has_click=has_click)

    def _add(self, count: int, *, has_click: bool) -> None:
        if count:
            self.is_planned = False
        for number in range(len(self.orders), len(self.orders) + count):
            one = order(f"O{number:03}")
            self.orders[one.order_id] = one
            if not has_click:
                self.bench.provider.withheld[one.order_id] = NO_CLICK

    def _prepare(self, count: int, kinds: list[str]) -> None:
        """New orders, and what the provider will answer about each order."""
        self._add(count, has_click=True)
        for number, order_id in enumerate(self.orders):
            turned = number % len(kinds)
            self.market.script[order_id] = kinds[turned:] + kinds[:turned]

    @rule(count=FEW, kinds=KINDS, is_alone=st.booleans(), limit=LIMITS)
    def run(
        self, count: int, kinds: list[str], is_alone: bool, limit: int | None
    ) -> None:
        self._prepare(count, kinds)
        self._run(is_alone=is_alone, limit=limit)

    @rule(count=FEW, kinds=KINDS, point=st.sampled_from(POINTS))
    def kill_at(self, count: int, kinds: list[str], point: str) -> None:
        self._prepare(count, kinds)
        self.market.crash_at = point
        try:
            self._run(is_alone=True)
        except CrashError:
            pass
        finally:
            self.market.crash_at = None

    @rule(wait=st.sampled_from(WAITS))
    def advance_time(self, wait: timedelta) -> None:
        self.bench.clock.now += wait

    @rule(count=FEW, kinds=KINDS, is_late=st.booleans())
    def second_run(self, count: int, kinds: list[str], is_late: bool) -> None:
        """Another run in the middle of a window, before or after the lease is over."""
        self._prepare(count, kinds)

        def meanwhile() -> None:
            begun = self.bench.clock()
            if is_late:
                self.bench.clock.pass_by(seconds=121)
            self._run()
            took.append(self.bench.clock() - begun)

        took: list[timedelta] = []
        self.market.meanwhile = meanwhile
        summary = self._run(is_alone=True)
        self.market.meanwhile = None
        if took:
            was_overtaken = summary is None
            assert was_overtaken == (took[0] > LEASE)

    @rule(which=st.integers(0, 20))
    def operator_resolve(self, which: int) -> None:
        """A person looks at what the provider has, and says so."""
        stuck = [
            row
            for row in self.bench.rows().values()
            if row["state"] in {"uncertain", "exhausted"}
        ]
        if stuck:
            row = stuck[which % len(stuck)]
            resolve(
                self.database,
                row["delivery_id"],
                is_delivered=row["order_id"] in self.market.counted,
                by="ann",
                why="looked it up",
                clock=self.bench.clock,
            )

    @rule(which=st.integers(0, 20), cents=st.integers(0, 10_000))
    def source_row_changes(self, which: int, cents: int) -> None:
        one = self.orders[self._one(which)]
        self.earlier.setdefault(one.order_id, set()).add(_money(one))
        self.orders[one.order_id] = replace(one, revenue=Decimal(cents) / 100)
        self.is_planned = False

    @rule(which=st.integers(0, 20))
    def late_click(self, which: int) -> None:
        self.bench.provider.withheld.pop(self._one(which), None)

    @rule()
    def rerun_of_a_finished_partition(self) -> None:
        summary = self._run(is_alone=True)
        if summary and not summary.unfinished and not summary.stop_reason:
            self._check(rerun=lambda: self._run(is_alone=True))

    @invariant()
    def guarantees_hold(self) -> None:
        if hasattr(self, "database"):
            self._check()

    def _check(self, rerun: Callable[[], object] | None = None) -> None:
        check_invariants(
            self.database,
            {key: _money(one) for key, one in self.orders.items()},
            {"shop": self.bench.provider.resend},
            self.market.journal,
            complete=self.is_planned,
            earlier=self.earlier,
            rerun=rerun,
        )

    def _run(
        self, *, is_alone: bool = False, limit: int | None = None
    ) -> Summary | None:
        orders = list(self.orders.values())
        alone: Any = {"still_alone": lambda: True} if is_alone else {}
        try:
            summary = self.bench.run(orders, chunk_rows=5, limit=limit, **alone)
        except LeaseLostError:
            return None
        self.is_planned = True
        return summary

    def _one(self, which: int) -> str:
        return f"O{which % max(1, len(self.orders)):03}"


def _money(one: Conversion) -> Money:
    return int(one.revenue * 100), one.currency


TestExport = Export.TestCase
TestExport.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
