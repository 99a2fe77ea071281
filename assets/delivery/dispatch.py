"""Delivers one partition to one destination: plans every order and sends what is due.

How a window is sent belongs in `sender.py`; how large it is and when to stop belongs in
`flow_control.py`.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from assets.delivery import flow_control
from assets.delivery.account_change import mark_reported_elsewhere
from assets.delivery.batch_queue import BatchQueue
from assets.delivery.chunk import ReadChunks
from assets.delivery.chunk_assessor import ChunkAssessor
from assets.delivery.destination_partition import DestinationPartition
from assets.delivery.flow_control import FlowControl
from assets.delivery.planner import Planner
from assets.delivery.rate_limit import RateLimit
from assets.delivery.recorder import OutcomeRecorder
from assets.delivery.sender import Sender
from assets.ledger import retry
from assets.ledger.abandoned import release_abandoned
from assets.ledger.rows import Total
from assets.ledger.spool import Spool
from assets.ledger.states import State
from assets.ledger.totals import totals
from assets.ledger.unfinished import count_unfinished, last_due, next_due
from assets.providers.conversion import Conversion
from assets.transport.http import Transport
from assets.transport.reply_shapes import UnexpectedShape

PASSES = 4
"""The first pass sends every order; the others send what is to be retried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run did, and the state of the partition after it.

    Attributes:
        requests: Requests sent by this run.
        conversions_sent: Conversions sent by this run; a retry counts again.
        replayed: Outcomes of an earlier run that were recorded by this one.
        stop_reason: Why the run ended early, or None.
        totals: Deliveries and money of the partition by state and currency.
        unfinished: Deliveries that another run of this partition would finish.
        next_due: When the first of them may be sent again; None: at once.
        unexpected_shapes: What the provider's documents do not describe of its
            replies.
    """

    requests: int
    conversions_sent: int
    replayed: int
    stop_reason: str | None
    totals: Sequence[Total]
    unfinished: int
    next_due: datetime | None = None
    unexpected_shapes: Sequence[UnexpectedShape] = ()


class RunOptions(TypedDict, total=False):
    """Options of a run. Each may be left out.

    Attributes:
        limit: Send at most this many conversions; None: all.
        sleep: Waits for some seconds.
        on_progress: Called with how many conversions were sent so far, and how many
            are due.
        on_warning: Called with what a person should know before anything is sent.
        refusal: Asked when every order is planned, and again after the passes: why
            nothing more may be sent, as a stop reason, or None.
    """

    refusal: Callable[[], str | None]
    limit: int | None
    sleep: Callable[[float], None]
    on_progress: Callable[[int, int], None]
    on_warning: Callable[[str], None]


class Dispatch:
    """One run of one partition for one destination.

    Args:
        partition: The partition and its destination.
        transport: Sends the requests.
        limit: As in `RunOptions`.
        spool: Stores outcomes while the ledger cannot.
        holds_lock: Returns whether no other run can work for this destination
            (`lock.py`). Then claims of a dead run are released before their lease ends.
            None: other runs may work.
        stop_requested: Checked after each window; true ends the run.
        sleep: As in `RunOptions`.
        monotonic: Returns the seconds of a monotonic clock.
        on_progress: As in `RunOptions`.
        on_warning: As in `RunOptions`.
        refusal: As in `RunOptions`.
    """

    def __init__(
        self,
        partition: DestinationPartition,
        transport: Transport,
        *,
        limit: int | None = None,
        spool: Spool | None = None,
        holds_lock: Callable[[], bool] | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        on_progress: Callable[[int, int], None] = lambda _sent, _due: None,
        on_warning: Callable[[str], None] = lambda _text: None,
        refusal: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.partition = partition
        self._provider = partition.provider
        self._ledger = partition.ledger
        self._is_alone = holds_lock is not None
        self._is_limited = limit is not None
        self._sleep = sleep
        self._on_progress = on_progress
        self._on_warning = on_warning
        self._refusal = refusal
        rate_limit = RateLimit(self._provider.limits, sleep=sleep)
        self._interval = rate_limit.interval
        self._flow = FlowControl(
            self._provider,
            rate_limit.interval,
            limit=limit,
            stop_requested=stop_requested,
            sleep=sleep,
            monotonic=monotonic,
        )
        self._assessor = ChunkAssessor(partition)
        self._planner = Planner(self._assessor)
        self._recorder = OutcomeRecorder(
            partition, self._assessor.remembered_keys, spool=spool, sleep=sleep
        )
        self._sender = Sender(
            partition,
            self._planner,
            self._recorder,
            transport,
            rate_limit,
            holds_lock=holds_lock,
        )
        self._due = 0

    def run(
        self, chunks: ReadChunks, quarantined: Iterable[Mapping[str, Any]] = ()
    ) -> Summary:
        """Plan every order, send what is due, and return the state of the partition.

        Every order has its delivery before the first request is sent.

        Args:
            chunks: Reads the staged conversions from the start, once per pass.
            quarantined: Rows of `quarantine_row` whose order is known.

        Raises:
            LeaseLostError: Another run works on the same deliveries.
            LedgerError: The delivery tables cannot be used.
        """
        replayed = self._recorder.replay()
        self._release_abandoned()
        self._planner.plan_quarantined(quarantined)
        self._due = sum(
            self._planner.plan(chunk, self._ledger.clock()) for chunk in chunks()
        )
        self._warn_if_slow(self._due)
        self._flow.stop_reason = self._refusal()
        with ThreadPoolExecutor(self._provider.limits.in_flight) as pool:
            self._pool = pool
            self._pass(chunks, is_retry=False)
            for _ in range(PASSES - 1):
                if self._flow.is_over or not self._wait_for_retries():
                    break
                self._pass(chunks, is_retry=True)
        # Only sending shows that a request cannot be built.
        self._flow.stop_reason = self._flow.stop_reason or self._refusal()
        if self._flow.stop_reason is None and not self._is_limited:
            self._planner.end_missing_orders(chunks())
            self._planner.record_missing_orders(chunks())
        return self._summary(replayed)

    def _summary(self, replayed: int) -> Summary:
        name, key = self._ledger.destination, self.partition.partition_key
        states = retry.sendable_states(self._provider.resend)
        return Summary(
            requests=self._flow.requests,
            conversions_sent=self._flow.sent,
            replayed=replayed,
            stop_reason=self._flow.stop_reason,
            totals=totals(self._ledger.database, destination=name, first=key, last=key),
            unfinished=count_unfinished(
                self._ledger.database,
                destination=name,
                partition_key=key,
                policy=self._provider.resend,
                now=self._ledger.clock(),
            ),
            next_due=next_due(self._ledger, key, states),
        )

    def _release_abandoned(self) -> None:
        policy = self._provider.resend
        to = State.RETRYABLE if policy.is_safe else State.UNCERTAIN
        release_abandoned(
            self._ledger,
            to,
            "owner_died",
            policy.settle_delay,
            ignore_leases=self._is_alone,
        )
        mark_reported_elsewhere(
            self._ledger,
            self.partition.destination.account,
            writes_a_file=self._provider.channel != "http",
        )

    def _warn_if_slow(self, due: int) -> None:
        """Warn before anything is sent that it will take longer than it may."""
        limits = self._provider.limits
        seconds = due / limits.conversions_per_request * self._interval
        budget = limits.time_budget_s
        if budget is not None and seconds > budget:
            self._on_warning(
                f"{due} conversions take at least {seconds / 60:.0f} minutes at the "
                f"configured rate limit, but the time budget is {budget / 60:.0f} "
                "minutes. The rest is left to the next run."
            )

    def _pass(self, chunks: ReadChunks, *, is_retry: bool) -> None:
        for chunk in chunks():
            if self._flow.is_over:
                return
            due = self._assessor.due(chunk, self._ledger.clock())
            self._send_all(due, is_retry=is_retry)

    def _send_all(self, due: Sequence[Conversion], *, is_retry: bool) -> None:
        allowed = due[: self._flow.allowance(is_retry=is_retry)]
        batches = self._provider.batches(allowed)
        queue = BatchQueue(batches, self._assessor.remembered_keys)
        while window := queue.take(self._flow.window_size):
            result = self._sender.send(self._pool, window)
            self._flow.record(result, is_retry=is_retry)
            self._on_progress(self._flow.sent, self._due)
            self._flow.check(result.replies)
            if self._flow.is_over:
                return

    def _wait_for_retries(self) -> bool:
        """Wait until the retries of this run are due; return whether there are any."""
        now = self._ledger.clock()
        states = retry.sendable_states(self._provider.resend)
        until = now + flow_control.MAX_WAIT
        due = last_due(self._ledger, self.partition.partition_key, states, until)
        if due is None or not self._flow.may_retry:
            return False
        if due > now:
            self._sleep((due - now).total_seconds())
        return True
