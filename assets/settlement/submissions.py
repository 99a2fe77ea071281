"""Follows queued deliveries to their end by asking about their submissions.

A run asks about every submission that is due, of any partition: nothing else would ask
about a partition that was backfilled long ago.

It is only for providers that queue a conversion and decide later. Asking changes
nothing at the provider, so it needs no intent. A delivery that was queued without a
reference cannot be asked about: `lookup.py` looks for it.
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
from assets.settlement.call_budget import CallBudget
from assets.settlement.outcome import settle_attempt, settled_changes
from assets.transport.http import Transport

POLL_INTERVAL = timedelta(hours=1)
"""When a submission that is still queued is asked about again."""
_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class SubmissionStatus:
    """What the provider said about one queued delivery.

    Attributes:
        row: The delivery.
        request: The last request about it.
        reply: The last reply; None: nothing was sent.
        outcome: How it ended; None: it is still queued.
    """

    row: Mapping[str, Any]
    request: Request
    reply: Reply | None
    outcome: Outcome | None

    @property
    def is_refusal(self) -> bool:
        """Whether the provider refused our settings and said nothing of the order."""
        return (
            self.outcome is not None and self.outcome.verdict is Verdict.CONFIGURATION
        )

    @property
    def is_rate_limited(self) -> bool:
        """Whether the provider asked us to wait."""
        if self.reply is None:
            return False
        is_refused = self.reply.status == _TOO_MANY_REQUESTS
        return is_refused or seconds_until_quota(self.reply) is not None


class SubmissionFollower:
    """Asks once about the queued deliveries of a destination.

    It keeps to a number of calls per hour, together with other runs. Deliveries that
    are left over stay due for the next run.

    Attributes:
        asked: How many submissions were asked about.

    Args:
        provider: Reads the replies.
        ledger: The deliveries.
        transport: Sends the requests.
        partition_key: The partition of the run; stored with the attempts.
        on_progress: Called with how many submissions were asked about.
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
        self._budget = CallBudget(ledger, "settle")
        self._rate_limit = RateLimit(Limits(requests_per_second=per_second))

    def run(self) -> str | None:
        """Ask about the queued deliveries that are due.

        Returns:
            Why it stopped early (our credentials are refused), or None.
        """
        started = self.ledger.clock()
        with ThreadPoolExecutor(self.provider.limits.in_flight) as pool:
            while due := self._within_budget(self._due(started)):
                self.asked += len(due)
                statuses = list(pool.map(self._ask, due))
                self._on_progress(self.asked)
                self._record([one for one in statuses if not one.is_refusal])
                stop_reason = self._stop_reason(statuses)
                if stop_reason or any(one.is_rate_limited for one in statuses):
                    return stop_reason
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

    def _within_budget(
        self, due: Sequence[Mapping[str, Any]]
    ) -> Sequence[Mapping[str, Any]]:
        per_hour = self.provider.settle_calls
        return due[: self._budget.take(len(due), per_hour)] if due else due

    def _due(self, started: datetime) -> Sequence[Mapping[str, Any]]:
        statement = (
            select(delivery)
            .where(self._is_due(started))
            .order_by(delivery.c.next_attempt_at, delivery.c.delivery_id)
            .limit(self.provider.limits.in_flight)
        )
        with self.ledger.database.read() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def _ask(self, row: Mapping[str, Any]) -> SubmissionStatus:
        settlement = self.provider.settlement(row["provider_ref"], row["order_id"])
        request, reply = next(settlement), None
        try:
            while True:
                self._rate_limit.wait()
                reply = self.transport.send(request)
                request = settlement.send(reply)
        except StopIteration as end:
            outcome = end.value or self._overdue(row)
        if outcome is not None:
            outcome = evidence.storable(outcome, self.provider.secrets)
        return SubmissionStatus(row, request, reply, outcome)

    def _overdue(self, row: Mapping[str, Any]) -> Outcome | None:
        age = self.ledger.clock() - row["accepted_at"]
        if age < self.provider.settle_timeout:
            return None
        return Outcome(verdict=Verdict.UNCERTAIN, reason="settle_timeout")

    def _stop_reason(self, statuses: Sequence[SubmissionStatus]) -> str | None:
        for status in statuses:
            if status.is_refusal and status.outcome is not None:
                return f"configuration: {status.outcome.reason}"
        return None

    def _record(self, statuses: Sequence[SubmissionStatus]) -> None:
        now = self.ledger.clock()
        with self.ledger.database.write() as connection:
            for status in statuses:
                changes = self._changes(status, now)
                moved = connection.execute(
                    update(delivery)
                    .where(
                        delivery.c.delivery_id == status.row["delivery_id"],
                        delivery.c.state == State.QUEUED,
                        delivery.c.row_version == status.row["row_version"],
                    )
                    .values(changes | self.ledger.change_columns())
                )
                if moved.rowcount and status.outcome is not None:
                    connection.execute(
                        delivery_attempt.insert(),
                        self._attempt(status, status.outcome, now),
                    )

    def _changes(self, status: SubmissionStatus, now: datetime) -> dict[str, Any]:
        if status.outcome is None:
            return {"next_attempt_at": now + POLL_INTERVAL}
        return settled_changes(status.row, status.outcome, now)

    def _attempt(
        self, status: SubmissionStatus, outcome: Outcome, now: datetime
    ) -> dict[str, Any]:
        reply_columns = (
            {}
            if status.reply is None
            else evidence.reply_columns(
                status.reply,
                self.provider.secrets,
                shown=self.provider.storable_body(status.reply),
            )
        )
        return (
            settle_attempt(
                self.ledger, status.row, outcome, now, partition_key=self.partition_key
            )
            | evidence.request_columns(status.request)
            | reply_columns
        )
