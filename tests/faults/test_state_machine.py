"""The guarantees hold for any sequence of orders, replies, crashes, runs and people.

Hypothesis generates the sequences. After each step, the delivery tables are compared
with what a provider in memory counted.
"""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from assets.delivery.dispatch import Summary
from assets.delivery.lease import LEASE, LeaseLostError
from assets.ledger.database import Database
from assets.providers.base import Limits
from assets.providers.conversion import Conversion
from assets.providers.eligibility import Ineligible
from assets.resolution.resolve import resolve
from faults.kill.in_memory_provider import (
    ANSWERS,
    POINTS,
    CrashError,
    CrashingBench,
    InMemoryProvider,
)
from support.engine import DEDUPE, NEVER, FakeProvider, order
from support.invariants import Money, check_invariants

NO_CLICK = Ineligible("suppressed", "no_click_id", "none stored")
KINDS = st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=4)
FEW = st.integers(0, 3)
SOME = st.integers(1, 3)
LIMITS = st.sampled_from([None, None, 2])
WAITS = st.sampled_from(
    [timedelta(minutes=1), timedelta(minutes=3), timedelta(hours=25)]
)


@cache
def template() -> Path:
    """Delivery tables, made but empty, to be copied."""
    folder = Path(tempfile.mkdtemp(prefix="attribution-tables-"))
    atexit.register(shutil.rmtree, folder)
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
        self.remote = InMemoryProvider(policy.window, self.bench.clock)
        self.bench.transport = self.remote
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
                self.bench.provider.ineligible[one.order_id] = NO_CLICK

    def _prepare(self, count: int, kinds: list[str]) -> None:
        """New orders, and what the provider will answer about each order."""
        self._add(count, has_click=True)
        for number, order_id in enumerate(self.orders):
            turned = number % len(kinds)
            self.remote.script[order_id] = kinds[turned:] + kinds[:turned]

    @rule(count=FEW, kinds=KINDS, wait=WAITS, is_alone=st.booleans(), limit=LIMITS)
    def run(
        self,
        count: int,
        kinds: list[str],
        wait: timedelta,
        is_alone: bool,
        limit: int | None,
    ) -> None:
        self._prepare(count, kinds)
        self.bench.clock.now += wait
        self._run(is_alone=is_alone, limit=limit)

    @rule(count=SOME, kinds=KINDS, point=st.sampled_from(POINTS))
    def kill_at(self, count: int, kinds: list[str], point: str) -> None:
        self._prepare(count, kinds)
        self.remote.crash_at = point
        try:
            self._run(is_alone=True)
        except CrashError:
            pass
        finally:
            self.remote.crash_at = None

    @rule(wait=WAITS)
    def advance_time(self, wait: timedelta) -> None:
        self.bench.clock.now += wait

    @rule(count=SOME, kinds=KINDS, is_late=st.booleans())
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
        self.remote.meanwhile = meanwhile
        summary = self._run(is_alone=True)
        self.remote.meanwhile = None
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
                is_delivered=row["order_id"] in self.remote.counted,
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
        self.bench.provider.ineligible.pop(self._one(which), None)

    @rule()
    def rerun_of_a_finished_partition(self) -> None:
        if _is_finished(self._run(is_alone=True)):
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
            self.remote.journal,
            complete=self.is_planned,
            earlier=self.earlier,
            rerun=rerun,
        )

    def _run(
        self, *, is_alone: bool = False, limit: int | None = None
    ) -> Summary | None:
        orders = list(self.orders.values())
        alone: Any = {"holds_lock": lambda: True} if is_alone else {}
        try:
            summary = self.bench.run(orders, chunk_rows=5, limit=limit, **alone)
        except LeaseLostError:
            return None
        self.is_planned = True
        return summary

    def _one(self, which: int) -> str:
        return f"O{which % max(1, len(self.orders)):03}"


def _is_finished(summary: Summary | None) -> bool:
    return bool(summary and not summary.unfinished and not summary.stop_reason)


def _money(one: Conversion) -> Money:
    return int(one.revenue * 100), one.currency


TestExport = Export.TestCase
TestExport.settings = settings(
    max_examples=10,
    stateful_step_count=30,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.long
@pytest.mark.timeout(1200)
class TestExportForLonger(TestExport):  # type: ignore[misc, valid-type]
    settings = settings(TestExport.settings, max_examples=200)
