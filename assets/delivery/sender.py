"""One window of batches: build, claim, send, record.

Each request's intent is committed before its first byte leaves, and every reply is
recorded before the next window goes out. When a window is sent, and how large it
is, is decided in `dispatch.py`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from assets.delivery import outcomes
from assets.delivery.exchange import Conversation, Step
from assets.delivery.planner import Planner
from assets.delivery.rate_limit import RateLimit
from assets.ledger import retry
from assets.ledger.database import LedgerError
from assets.ledger.earlier_reports import reported_before
from assets.ledger.ledger import Ledger
from assets.ledger.rows import Claimed, Result
from assets.ledger.spool import Spool
from assets.providers.conversion import Conversion
from assets.providers.replies import Outcome, Reply
from assets.transport.http import Transport

LEASE = timedelta(seconds=120)
RECORD_PATIENCE = 60.0
RECORD_PAUSE = 2.0

Batch = Sequence[Conversion]


class LeaseLostError(Exception):
    """Another run took our deliveries over while we were talking about them."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one window came to: per conversation its last reply and its outcomes."""

    talks: Sequence[tuple[Reply, Sequence[Outcome]]]
    requests: int

    @property
    def replies(self) -> list[Reply]:
        """The last reply of each conversation."""
        return [reply for reply, _ in self.talks]

    @property
    def outcomes(self) -> list[Outcome]:
        """One outcome per conversion."""
        return list(chain.from_iterable(own for _, own in self.talks))


class Sender:
    """Sends windows of batches.

    Args:
        planner: Knows destination, ledger and partition.
        transport: Where requests go.
        pace: When the next request may go out.
        spool: Takes outcomes that the ledger cannot take; None: they are raised.
        still_alone: Tells whether this run still holds its destination.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        planner: Planner,
        transport: Transport,
        rate_limit: RateLimit,
        *,
        spool: Spool | None = None,
        still_alone: Callable[[], bool] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._planner = planner
        self._provider = planner.provider
        self._ledger: Ledger = planner.ledger
        self._transport = transport
        self._rate_limit = rate_limit
        self._spool = spool
        self._still_alone = still_alone or (lambda: True)
        self._lease = LEASE + timedelta(seconds=2 * rate_limit.interval)
        self._in_window: list[Claimed] = []
        self._sleep = sleep
        self._whose = {
            "run_id": self._ledger.run_id,
            "partition_key": planner.partition_key,
        }

    def send(self, pool: ThreadPoolExecutor, window: Sequence[Batch]) -> Round:
        """Send the batches of a window at once and record what came back.

        Raises:
            LeaseLostError: Another run took deliveries of ours over.
            LedgerError: The outcomes could not be recorded; they are in the spool.
        """
        talks = self._claim(self._build(window))
        list(pool.map(self._talk, talks))
        self._record(talks)
        return Round(
            [(talk.last_reply, talk.outcomes) for talk in talks],
            sum(talk.requests for talk in talks),
        )

    def replay(self) -> int:
        """Record what an earlier run could only spool; return how many outcomes."""
        if self._spool is None:
            return 0
        kept = self._spool.read()
        for owner, result in kept:
            self._ledger.record([result], owner=owner)
        # Even where nothing is kept: the next outcome must not follow half a line.
        self._spool.clear()
        return len(kept)

    def _build(self, window: Sequence[Batch]) -> list[Conversation]:
        """Build first requests before any claim, so that a bad row costs no attempt."""
        built = []
        for batch in window:
            talk = Conversation(self._provider, batch)
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
        wanted = [self._id(one) for talk in talks for one in talk.batch]
        if not wanted:
            return []
        self._in_window = []
        if not self._still_alone():
            message = (
                f"Sending stopped for {self._ledger.destination} "
                f"{self._planner.partition_key}: expected to hold the destination, "
                "another run may have taken it. Run this partition again."
            )
            raise LeaseLostError(message)
        now = self._ledger.clock()
        states = retry.sendable_states(self._provider.resend)
        with self._ledger.database.write() as connection:
            claims = self._ledger.claim(
                connection,
                wanted,
                states,
                now + self._lease,
                retry.repeatable_from(self._provider.resend, now),
            )
            claims |= reported_before(connection, claims.values())
            ours = [mine for talk in talks if (mine := self._ours(talk, claims))]
            for talk in ours:
                self._intend(connection, talk.intents(talk.steps[0], now))
        self._in_window = [claim for talk in ours for claim in talk.claims]
        return ours

    def _ours(
        self, talk: Conversation, claims: Mapping[str, Claimed]
    ) -> Conversation | None:
        """Keep to the conversions that were claimed; rebuild where some were not."""
        ids = [self._id(one) for one in talk.batch]
        if not all(one in claims for one in ids):
            pairs = zip(ids, talk.batch, strict=True)
            batch = [one for key, one in pairs if key in claims]
            if not batch:
                return None
            talk = Conversation(self._provider, batch)
            talk.open()
        talk.claims = [claims[one] for one in ids if one in claims]
        return talk

    def _talk(self, talk: Conversation) -> None:
        talk.talk(self._transport, self._intend_further, self._rate_limit.wait)

    def _intend_further(self, talk: Conversation, step: Step) -> None:
        now = self._ledger.clock()
        # The whole window: what was answered already waits for this conversation.
        claims, until = self._in_window, now + self._lease
        with self._ledger.database.write() as connection:
            if not self._ledger.renew(connection, claims, until):
                message = "A lease was lost before a further request: it was not sent."
                raise LeaseLostError(message)
            self._intend(connection, talk.intents(step, now))

    def _intend(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        self._ledger.intend(connection, [row | self._whose for row in rows])

    def _record(self, talks: Sequence[Conversation]) -> None:
        now = self._ledger.clock()
        results = [
            self._result(talk, position, now)
            for talk in talks
            for position in range(len(talk.batch))
        ]
        fenced = self._commit(results) if results else 0
        for result in results:
            self._planner.memory.learn(result.learnt)
        for talk in talks:
            if talk.broken is not None:
                raise talk.broken
        if fenced:
            message = (
                f"Recording failed for {self._ledger.destination} "
                f"{self._planner.partition_key}: expected {len(results)} deliveries "
                f"of ours, {fenced} were taken over by another run. Wait for that run "
                "to end, then run again."
            )
            raise LeaseLostError(message)

    def _commit(self, results: Sequence[Result]) -> int:
        """Record, for a minute against a ledger that does not answer; else spool."""
        waited = 0.0
        while True:
            try:
                return self._ledger.record(results)
            except SQLAlchemyError as broken:
                if waited >= RECORD_PATIENCE:
                    self._give_up(results, broken)
            self._sleep(RECORD_PAUSE)
            waited += RECORD_PAUSE

    def _give_up(self, results: Sequence[Result], broken: SQLAlchemyError) -> None:
        if self._spool is None:
            raise broken
        self._spool.keep(self._ledger.owner, results)
        message = (
            f"Recording failed for {self._ledger.destination} "
            f"{self._planner.partition_key}: expected the delivery tables to take "
            f"{len(results)} outcomes, got {type(broken).__name__} for a minute. They "
            "are kept on disk: mend the database, then run this partition again."
        )
        raise LedgerError(message) from None

    def _result(self, talk: Conversation, position: int, now: datetime) -> Result:
        claim, outcome = talk.claims[position], talk.outcomes[position]
        conversion = talk.batch[position]
        content = self._planner.content(conversion, talk.payload_hashes[position])
        state, changes = outcomes.apply(
            outcome,
            claim,
            self._provider,
            now=now,
            bytes_left=talk.bytes_left(position),
            content=content,
        )
        drifted = outcomes.holds_another(outcome, claim, content)
        return Result(
            delivery_id=claim.delivery_id,
            attempt_no=claim.attempt_no,
            state=state,
            changes=changes,
            attempts=[row | self._whose for row in talk.attempts(position, state)],
            issues=[self._planner.drift(conversion.order_id, state, now)]
            if drifted
            else (),
            learnt=dict.fromkeys(outcome.remember, conversion.order_id),
        )

    def _id(self, conversion: Conversion) -> str:
        return self._planner.delivery_id(conversion.order_id)
