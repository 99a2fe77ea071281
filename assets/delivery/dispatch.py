"""Delivers one partition to one destination: plans every order, sends what is due.

It decides when to send, how much at once, and when to stop; how a window is sent is the
business of `sending.py`.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from assets.delivery import account_change
from assets.delivery.circuit_breaker import CircuitBreaker
from assets.delivery.planner import Chunk, Destination, Planner
from assets.delivery.rate_limit import ConcurrencyWindow, RateLimit, RetryBudget
from assets.delivery.recall import Queue
from assets.delivery.sender import Round, Sender
from assets.ledger import retry
from assets.ledger.ledger import Ledger
from assets.ledger.rows import Total
from assets.ledger.spool import Spool
from assets.ledger.states import State
from assets.ledger.totals import totals, unfinished
from assets.providers.conversion import Conversion
from assets.providers.replies import seconds_until_quota
from assets.transport.http import Transport
from assets.transport.reply_shapes import Surprise

PASSES = 4
PATIENCE = timedelta(seconds=30)
"""A run waits so long for a retry or a quota; what comes later is the next run's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run did and how the partition stands afterwards.

    Attributes:
        requests: Sent by this run.
        conversions_sent: Claimed and spoken of by this run; a retry counts again.
        replayed: Outcomes of an earlier run that were recorded now.
        stop_reason: Why the run ended early, or None.
        totals: Deliveries and money of the partition by state and currency.
        unfinished: Deliveries that another run of this partition would finish.
        next_due: When the first of them may be sent again; None: at once.
        surprises: What the provider's documents do not name about its replies.
    """

    requests: int
    conversions_sent: int
    replayed: int
    stop_reason: str | None
    totals: Sequence[Total]
    unfinished: int
    next_due: datetime | None = None
    surprises: Sequence[Surprise] = ()


class Dispatch:
    """One run of one partition for one destination.

    Args:
        destination: Where to.
        ledger: Its deliveries.
        transport: Where its requests go.
        partition_key: The day, `YYYY-MM-DD`.
        zone: In which `order_date` is read.
        limit: Send at most so many conversions; None: all.
        spool: Takes outcomes while the ledger cannot.
        still_alone: Tells whether no other run can be at work for this destination
            (`lock.py`): then what one left behind needs no waiting for its lease. None:
            others may be at work.
        told_to_stop: Asked after each window; true ends the run.
        sleep: Waits for seconds.
        monotonic: Seconds of a clock that never jumps.
        on_progress: Told how many conversions were sent so far, and of how many.
        on_warning: Told what a person should know before anything is sent.
    """

    def __init__(
        self,
        destination: Destination,
        ledger: Ledger,
        transport: Transport,
        *,
        partition_key: str,
        zone: tzinfo,
        limit: int | None = None,
        spool: Spool | None = None,
        still_alone: Callable[[], bool] | None = None,
        told_to_stop: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        on_progress: Callable[[int, int], None] = lambda _sent, _due: None,
        on_warning: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.provider = destination.provider
        self._account = destination.account
        self.ledger = ledger
        self.partition_key = partition_key
        self._limit = limit
        self._is_alone = still_alone is not None
        self._told_to_stop = told_to_stop
        self._sleep = sleep
        self._monotonic = monotonic
        self._started = monotonic()
        self._on_progress = on_progress
        self._on_warning = on_warning
        self._planner = Planner(
            destination, ledger, partition_key=partition_key, zone=zone
        )
        rate_limit = RateLimit(self.provider.limits, sleep=sleep)
        self._sender = Sender(
            self._planner,
            transport,
            rate_limit,
            spool=spool,
            still_alone=still_alone,
            sleep=sleep,
        )
        self._interval = rate_limit.interval
        self._window = ConcurrencyWindow(
            self.provider.limits.in_flight, rate_limit.interval
        )
        self._breaker = CircuitBreaker(resend_is_safe=self.provider.resend.is_safe)
        self._budget = RetryBudget()
        self._requests = 0
        self._sent = 0
        self._due = 0
        self._stop_reason: str | None = None

    def run(
        self,
        chunks: Callable[[], Iterable[Chunk]],
        quarantined: Iterable[Mapping[str, Any]] = (),
    ) -> Summary:
        """Plan every order, deliver what is due, return how the partition stands.

        Every order has its delivery before the first request leaves.

        Args:
            chunks: Reads the staged conversions from the start, once per pass.
            quarantined: Rows of `quarantine_row` whose order is known.

        Raises:
            LeaseLostError: Another run is at work on the same deliveries.
            LedgerError: The delivery tables cannot be used.
        """
        replayed = self._sender.replay()
        self._recover()
        self._planner.hold(quarantined)
        self._due = sum(
            self._planner.plan(chunk, self.ledger.clock()) for chunk in chunks()
        )
        self._warn(self._due)
        with ThreadPoolExecutor(self.provider.limits.in_flight) as pool:
            self._pool = pool
            self._pass(chunks, repeats=False)
            for _ in range(PASSES - 1):
                if self._is_over() or not self._wait_for_retries():
                    break
                self._pass(chunks, repeats=True)
        if self._stop_reason is None and self._limit is None:
            self._planner.retire_gone(chunks())
            self._planner.report_gone(chunks())
        return self._summary(replayed)

    def _summary(self, replayed: int) -> Summary:
        return Summary(
            requests=self._requests,
            conversions_sent=self._sent,
            replayed=replayed,
            stop_reason=self._stop_reason,
            totals=totals(
                self.ledger.database,
                destination=self.ledger.destination,
                first=self.partition_key,
                last=self.partition_key,
            ),
            unfinished=unfinished(
                self.ledger.database,
                destination=self.ledger.destination,
                partition_key=self.partition_key,
                policy=self.provider.resend,
                now=self.ledger.clock(),
            ),
            next_due=self._next_due(),
        )

    def _next_due(self) -> datetime | None:
        states = retry.sendable_states(self.provider.resend)
        return self.ledger.next_due(self.partition_key, states)

    def _recover(self) -> None:
        policy = self.provider.resend
        to = State.RETRYABLE if policy.is_safe else State.UNCERTAIN
        self.ledger.release_abandoned(
            to, "owner_died", policy.settle_delay, at_once=self._is_alone
        )
        account_change.leave_to_a_person(
            self.ledger, self._account, writes_a_file=self.provider.channel != "http"
        )

    def _warn(self, due: int) -> None:
        """Say before anything is sent that it will take longer than it may."""
        limits = self.provider.limits
        seconds = due / limits.conversions_per_request * self._interval
        budget = limits.time_budget_s
        if budget is not None and seconds > budget:
            self._on_warning(
                f"{due} conversions take at least {seconds / 60:.0f} minutes at the "
                f"configured pace, longer than the {budget / 60:.0f} that are allowed: "
                "the rest is left to the next run."
            )

    def _pass(self, chunks: Callable[[], Iterable[Chunk]], *, repeats: bool) -> None:
        for chunk in chunks():
            if self._is_over():
                return
            due = self._planner.due(chunk, self.ledger.clock())
            self._send_all(due, repeats=repeats)

    def _send_all(self, due: Sequence[Conversion], *, repeats: bool) -> None:
        batches = self.provider.batches(due[: self._allowed(repeats=repeats)])
        queue = Queue(batches, self._planner.memory)
        while window := queue.take(self._window.size):
            done = self._sender.send(self._pool, window)
            self._regulate(done, repeats=repeats)
            if self._is_over():
                return

    def _allowed(self, *, repeats: bool) -> int | None:
        by_limit = None if self._limit is None else self._limit - self._sent
        if not repeats:
            return by_limit
        left = self._budget.left
        return left if by_limit is None else min(left, by_limit)

    def _regulate(self, done: Round, *, repeats: bool) -> None:
        self._budget.sent(len(done.outcomes), repeats=repeats)
        self._requests += done.requests
        self._sent += len(done.outcomes)
        self._on_progress(self._sent, self._due)
        for reply, outcomes in done.talks:
            self._breaker.note(reply, outcomes, repeats=repeats)
        self._window.note(done.replies, done.outcomes)
        self._stop_reason = self._stop_reason or self._breaker.reason
        self._stop_reason = self._stop_reason or self._out_of_time()
        self._wait_for_quota(done)

    def _out_of_time(self) -> str | None:
        if self._told_to_stop():
            return "interrupted: this run was told to stop"
        budget = self.provider.limits.time_budget_s
        if budget is not None and self._monotonic() - self._started >= budget:
            return f"time: the {budget / 60:.0f} minutes of this run are over"
        return None

    def _wait_for_quota(self, done: Round) -> None:
        told = [seconds_until_quota(reply) for reply in done.replies]
        wait = max((one for one in told if one is not None), default=0.0)
        if self._stop_reason is not None or wait <= 0:
            return
        if wait > PATIENCE.total_seconds():
            self._stop_reason = f"quota: resets in {wait:.0f} s"
        else:
            self._sleep(wait)

    def _is_over(self) -> bool:
        spent = self._limit is not None and self._sent >= self._limit
        return spent or self._stop_reason is not None

    def _wait_for_retries(self) -> bool:
        """Wait until everything is due that a run waits for; False: nothing is."""
        now = self.ledger.clock()
        states = retry.sendable_states(self.provider.resend)
        due = self.ledger.last_due(self.partition_key, states, now + PATIENCE)
        if due is None or not self._budget.left:
            return False
        if due > now:
            self._sleep((due - now).total_seconds())
        return True
