"""Follows queued deliveries to their end: what became of each submission.

A run looks at every one that is due, of whatever partition: a day that was backfilled
long ago has nobody else who asks.

Only for providers that take a conversion into a queue and decide later. Asking changes
nothing at the provider, so it needs no intent. A delivery that was queued without a
reference has nothing to be asked by: `lookup.py` looks for it.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, update

from assets.delivery import evidence
from assets.delivery.rate_limit import RateLimit
from assets.ledger.ledger import Ledger
from assets.ledger.states import State
from assets.ledger.tables import delivery, delivery_attempt
from assets.providers.base import Limits, QueueingProvider, Request
from assets.providers.replies import Outcome, Reply, Verdict, seconds_until_quota
from assets.settlement.call_budget import Allowance
from assets.settlement.outcome import settle_attempt, settled_changes
from assets.transport.http import Transport

AGAIN = timedelta(hours=1)
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Answer:
    """What was learned about one queued delivery; `outcome` None: still queued."""

    row: Mapping[str, Any]
    request: Request
    reply: Reply | None
    outcome: Outcome | None

    @property
    def is_refusal(self) -> bool:
        """Whether it says something about our settings and nothing about the order."""
        return (
            self.outcome is not None and self.outcome.verdict is Verdict.CONFIGURATION
        )


class Settle:
    """One look at the queued deliveries of a destination.

    It keeps to a number of calls in an hour, together with other runs; what is left
    over stays due for the next one.

    Attributes:
        asked: How many submissions were asked about.

    Args:
        provider: Reads the replies.
        ledger: The deliveries.
        transport: Where requests go.
        partition_key: On whose behalf it looks; kept with the attempts.
        on_progress: Told how many submissions were asked about.
    """

    def __init__(
        self,
        provider: QueueingProvider,
        ledger: Ledger,
        transport: Transport,
        *,
        partition_key: str,
        on_progress: Callable[[int], None] = lambda _asked: None,
    ) -> None:
        self._on_progress = on_progress
        self.provider = provider
        self.ledger = ledger
        self.transport = transport
        self.partition_key = partition_key
        self.asked = 0
        per_second = provider.limits.requests_per_second
        self._allowance = Allowance(ledger, "settle")
        self._rate_limit = RateLimit(Limits(requests_per_second=per_second))

    def run(self) -> str | None:
        """Ask about the queued deliveries that are due.

        Returns:
            Why it stopped early (our credentials are refused), or None.
        """
        begun = self.ledger.clock()
        with ThreadPoolExecutor(self.provider.limits.in_flight) as pool:
            while due := self._allowed(self._due(begun)):
                self.asked += len(due)
                answers = list(pool.map(self._ask, due))
                self._on_progress(self.asked)
                self._record([one for one in answers if not one.is_refusal])
                stop = self._refused(answers)
                if stop or any(map(_is_told_to_wait, answers)):
                    return stop
        return None

    def left(self) -> int:
        """Count the queued deliveries that are due and were not asked about."""
        now = self.ledger.clock()
        statement = select(func.count()).select_from(delivery)
        with self.ledger.database.read() as connection:
            return connection.execute(statement.where(self._is_due(now))).scalar_one()

    def _is_due(self, by: datetime) -> ColumnElement[bool]:
        return and_(
            delivery.c.destination == self.ledger.destination,
            delivery.c.state == State.QUEUED,
            delivery.c.provider_ref.is_not(None),
            delivery.c.next_attempt_at <= by,
        )

    def _allowed(self, due: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        per_hour = self.provider.settle_calls
        return due[: self._allowance.take(len(due), per_hour)] if due else due

    def _due(self, begun: datetime) -> Sequence[Mapping[str, Any]]:
        statement = (
            select(delivery)
            .where(self._is_due(begun))
            .order_by(delivery.c.next_attempt_at, delivery.c.delivery_id)
            .limit(self.provider.limits.in_flight)
        )
        with self.ledger.database.read() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def _ask(self, row: Mapping[str, Any]) -> Answer:
        asking = self.provider.settlement(row["provider_ref"], row["order_id"])
        request, reply = next(asking), None
        try:
            while True:
                self._rate_limit.wait()
                reply = self.transport.send(request)
                request = asking.send(reply)
        except StopIteration as done:
            outcome = done.value or self._overdue(row)
        if outcome is not None:
            outcome = evidence.storable(outcome, self.provider.secrets)
        return Answer(row, request, reply, outcome)

    def _overdue(self, row: Mapping[str, Any]) -> Outcome | None:
        age = self.ledger.clock() - row["accepted_at"]
        if age < self.provider.settle_timeout:
            return None
        return Outcome(verdict=Verdict.UNCERTAIN, reason="settle_timeout")

    def _refused(self, answers: Sequence[Answer]) -> str | None:
        for answer in answers:
            if answer.is_refusal and answer.outcome is not None:
                return f"configuration: {answer.outcome.reason}"
        return None

    def _record(self, answers: Sequence[Answer]) -> None:
        now = self.ledger.clock()
        with self.ledger.database.write() as connection:
            for answer in answers:
                changes = self._changes(answer, now)
                moved = connection.execute(
                    update(delivery)
                    .where(
                        delivery.c.delivery_id == answer.row["delivery_id"],
                        delivery.c.state == State.QUEUED,
                        delivery.c.row_version == answer.row["row_version"],
                    )
                    .values(changes | self.ledger.touched())
                )
                if moved.rowcount and answer.outcome is not None:
                    connection.execute(
                        delivery_attempt.insert(), self._attempt(answer, now)
                    )

    def _changes(self, answer: Answer, now: datetime) -> dict[str, Any]:
        outcome = answer.outcome
        if outcome is None:
            return {"next_attempt_at": now + AGAIN}
        return settled_changes(answer.row, outcome, now)

    def _attempt(self, answer: Answer, now: datetime) -> dict[str, Any]:
        outcome = answer.outcome
        assert outcome is not None  # noqa: S101 - the caller asked
        evidence_of_reply = (
            {}
            if answer.reply is None
            else evidence.of_reply(
                answer.reply,
                self.provider.secrets,
                shown=self.provider.storable_body(answer.reply),
            )
        )
        return (
            settle_attempt(
                self.ledger, answer.row, outcome, now, partition_key=self.partition_key
            )
            | evidence.of_request(answer.request)
            | evidence_of_reply
        )


def _is_told_to_wait(answer: Answer) -> bool:
    reply = answer.reply
    if reply is None:
        return False
    return reply.status == _TOO_MANY or seconds_until_quota(reply) is not None
