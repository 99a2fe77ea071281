"""Delivers one partition to one destination: plan, claim, send, record.

The only module that knows both providers and the ledger. Every request has its intent
committed before its first byte leaves, and every reply of a window is recorded before
the next window goes out.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import islice
from typing import Any

from assets.delivery import outcomes, retry
from assets.delivery.conversation import Conversation, Step
from assets.delivery.ledger import Ledger
from assets.delivery.pace import Pace, Window
from assets.delivery.planning import Chunk, Destination, Planner
from assets.delivery.rows import Claimed, Result, Total
from assets.delivery.states import RERUN_HELPS, State
from assets.delivery.totals import totals
from assets.delivery.transport import Transport
from assets.providers.conversion import Conversion
from assets.providers.replies import Verdict

PASSES = 4
PATIENCE = timedelta(seconds=30)
"""A run waits so long for its next retry; what is due later is left to the next run."""
LEASE = timedelta(seconds=120)
_GOOD = frozenset({Verdict.ACCEPTED, Verdict.QUEUED, Verdict.DUPLICATE, Verdict.STAGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run did and how the partition stands afterwards.

    Attributes:
        requests: Sent by this run.
        conversions_sent: Claimed and spoken of by this run; a retry counts again.
        stop_reason: Why the run ended early, or None.
        totals: Deliveries and money of the partition by state and currency.
    """

    requests: int
    conversions_sent: int
    stop_reason: str | None
    totals: Sequence[Total]

    @property
    def unfinished(self) -> int:
        """Deliveries that another run of this partition would finish."""
        return sum(one.orders for one in self.totals if one.state in RERUN_HELPS)


class LeaseLostError(Exception):
    """Another run took our deliveries over while we were talking about them."""


class Dispatch:
    """One run of one partition for one destination.

    Args:
        destination: Where to.
        ledger: Its deliveries.
        transport: Where its requests go.
        partition_key: The day, `YYYY-MM-DD`.
        zone: In which `order_date` is read.
        limit: Send at most so many conversions; None: all.
        sleep: Waits for seconds.
        on_progress: Told how many conversions were sent so far.
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
        sleep: Callable[[float], None] = time.sleep,
        on_progress: Callable[[int], None] = lambda _sent: None,
    ) -> None:
        self.destination = destination
        self.provider = destination.provider
        self.ledger = ledger
        self.transport = transport
        self.partition_key = partition_key
        self._planner = Planner(
            destination, ledger, partition_key=partition_key, zone=zone
        )
        self.clock = ledger.clock
        self._limit = limit
        self._sleep = sleep
        self._on_progress = on_progress
        self._pace = Pace(self.provider.limits, sleep=sleep)
        self._window = Window(self.provider.limits.in_flight, self._pace.interval)
        self._requests = 0
        self._sent = 0
        self._stop_reason: str | None = None

    def run(
        self,
        chunks: Callable[[], Iterable[Chunk]],
        quarantined: Iterable[Mapping[str, Any]] = (),
    ) -> Summary:
        """Deliver what is due and return how the partition stands.

        Args:
            chunks: Reads the staged conversions from the start, once per pass.
            quarantined: Rows of `quarantine_row` whose order is known.

        Raises:
            LeaseLostError: Another run is at work on the same deliveries.
            LedgerError: The delivery tables cannot be used.
        """
        self._recover()
        self._planner.hold(quarantined)
        with ThreadPoolExecutor(self.provider.limits.in_flight) as pool:
            self._pool = pool
            for _ in range(PASSES):
                for chunk in chunks():
                    self._send_all(self._planner.due(chunk, self.clock()))
                    if self._stopped():
                        break
                if self._stopped() or not self._wait_for_retries():
                    break
        return Summary(
            requests=self._requests,
            conversions_sent=self._sent,
            stop_reason=self._stop_reason,
            totals=totals(
                self.ledger.database,
                destination=self.destination.name,
                first=self.partition_key,
                last=self.partition_key,
            ),
        )

    def _recover(self) -> None:
        safe = self.provider.resend.is_safe
        to = State.RETRYABLE if safe else State.UNCERTAIN
        self.ledger.release_abandoned(
            to, "owner_died", self.provider.resend.settle_delay
        )

    def _stopped(self) -> bool:
        spent = self._limit is not None and self._sent >= self._limit
        return spent or self._stop_reason is not None

    def _wait_for_retries(self) -> bool:
        states = retry.sendable_states(self.provider.resend)
        due = self.ledger.next_due(self.partition_key, states)
        wait = None if due is None else due - self.clock()
        if wait is None or wait > PATIENCE:
            return False
        self._sleep(max(0.0, wait.total_seconds()))
        return True

    def _send_all(self, due: Sequence[Conversion]) -> None:
        if self._limit is not None:
            due = due[: self._limit - self._sent]
        batches = iter(self.provider.batches(due))
        while window := list(islice(batches, self._window.size)):
            talks = self._claim(self._build(window))
            list(self._pool.map(self._talk, talks))
            self._record(talks)
            if self._stopped():
                return

    def _build(self, window: Sequence[Sequence[Conversion]]) -> list[Conversation]:
        """Build first requests before any claim, so that a bad row costs no attempt."""
        built = []
        for batch in window:
            talk = Conversation(self.provider, batch)
            try:
                talk.open()
            except (ValueError, ArithmeticError, LookupError, TypeError) as broken:
                if len(batch) > 1:
                    built += self._build([[one] for one in batch])
                else:
                    self._planner.set_aside(batch[0], broken)
            else:
                built.append(talk)
        return built

    def _claim(self, talks: Sequence[Conversation]) -> list[Conversation]:
        """Claim and write the intents of a window in one commit."""
        wanted = [
            self._planner.delivery_id(one.order_id)
            for talk in talks
            for one in talk.batch
        ]
        if not wanted:
            return []
        now = self.clock()
        states = retry.sendable_states(self.provider.resend)
        with self.ledger.database.write() as connection:
            claims = self.ledger.claim(connection, wanted, states, now + LEASE)
            ours = [mine for talk in talks if (mine := self._ours(talk, claims))]
            rows = [row for talk in ours for row in talk.intents(talk.steps[0], now)]
            self._intend(connection, rows)
        return ours

    def _ours(
        self, talk: Conversation, claims: Mapping[str, Claimed]
    ) -> Conversation | None:
        """Keep to the conversions that were claimed; rebuild where some were not."""
        ids = [self._planner.delivery_id(one.order_id) for one in talk.batch]
        if not all(one in claims for one in ids):
            pairs = zip(ids, talk.batch, strict=True)
            talk = Conversation(
                self.provider, [one for key, one in pairs if key in claims]
            )
            if not talk.batch:
                return None
            talk.open()
        talk.claims = [claims[one] for one in ids if one in claims]
        return talk

    def _intend(self, connection: Any, rows: Sequence[dict[str, Any]]) -> None:
        whose = {"run_id": self.ledger.run_id, "partition_key": self.partition_key}
        if rows:
            self.ledger.intend(connection, [row | whose for row in rows])

    def _talk(self, talk: Conversation) -> None:
        talk.talk(self.transport, self._intend_further, self._pace.wait)

    def _intend_further(self, talk: Conversation, step: Step) -> None:
        now = self.clock()
        claims = [talk.claims[position] for position in step.attempt_ids]
        with self.ledger.database.write() as connection:
            if not self.ledger.renew(connection, claims, now + LEASE):
                message = f"A lease was lost by {self.destination.name}: nothing sent."
                raise LeaseLostError(message)
            self._intend(connection, talk.intents(step, now))

    def _record(self, talks: Sequence[Conversation]) -> None:
        now = self.clock()
        results = [
            self._result(talk, position, now)
            for talk in talks
            for position in range(len(talk.batch))
        ]
        fenced = self.ledger.record(results) if results else 0
        self._requests += sum(talk.requests for talk in talks)
        self._sent += len(results)
        self._on_progress(self._sent)
        for talk in talks:
            self._learn(talk)
            if talk.broken is not None:
                raise talk.broken
        if fenced:
            message = (
                f"Recording failed for {self.destination.name} {self.partition_key}: "
                f"expected {len(results)} deliveries of ours, {fenced} were taken "
                "over by another run. Wait for that run to end, then run again."
            )
            raise LeaseLostError(message)

    def _learn(self, talk: Conversation) -> None:
        for outcome in talk.outcomes:
            if outcome.verdict in _GOOD:
                self._window.succeeded()
            if outcome.verdict is Verdict.CONFIGURATION:
                self._stop_reason = f"configuration: {outcome.reason}"

    def _result(self, talk: Conversation, position: int, now: datetime) -> Result:
        outcome, claim = talk.outcomes[position], talk.claims[position]
        state, changes = outcomes.apply(
            outcome,
            claim,
            self.provider,
            now=now,
            bytes_left=talk.bytes_left(position),
            payload_hash=talk.payload_hash(position),
        )
        whose = {"run_id": self.ledger.run_id, "partition_key": self.partition_key}
        return Result(
            delivery_id=claim.delivery_id,
            attempt_no=claim.attempt_no,
            state=state,
            changes=changes,
            attempts=[row | whose for row in talk.attempts(position, state)],
        )
