"""Follows queued deliveries to their end: what became of each submission.

A run looks at every one that is due, of whatever partition: a day that was backfilled
long ago has nobody else who asks.

Only for providers that take a conversion into a queue and decide later. Asking changes
nothing at the provider, so it needs no intent.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from assets.delivery import evidence
from assets.delivery.ledger import Ledger
from assets.delivery.outcomes import STATE_OF
from assets.delivery.pace import Pace
from assets.delivery.rows import new_attempt_id
from assets.delivery.states import DELIVERED, State, check
from assets.delivery.tables import delivery, delivery_attempt
from assets.delivery.transport import Transport
from assets.providers.base import Request, Settling
from assets.providers.replies import Outcome, Reply, Verdict

AGAIN = timedelta(hours=1)
SLICE = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What was learned about one queued delivery; `outcome` None: still queued."""

    row: Mapping[str, Any]
    request: Request | None
    reply: Reply | None
    outcome: Outcome | None


class Settle:
    """One look at the queued deliveries of a destination.

    Args:
        provider: Reads the replies.
        ledger: The deliveries.
        transport: Where requests go.
        partition_key: On whose behalf it looks; kept with the attempts.
    """

    def __init__(
        self,
        provider: Settling,
        ledger: Ledger,
        transport: Transport,
        *,
        partition_key: str,
    ) -> None:
        self.provider = provider
        self.ledger = ledger
        self.transport = transport
        self.partition_key = partition_key
        self._pace = Pace(provider.limits)

    def run(self) -> str | None:
        """Ask about every queued delivery that is due.

        Returns:
            Why it stopped early (our credentials are refused), or None.
        """
        begun = self.ledger.clock()
        with ThreadPoolExecutor(self.provider.limits.in_flight) as pool:
            while due := self._due(begun):
                answers = list(pool.map(self._ask, due))
                stop = self._refused(answers)
                if stop:
                    return stop
                self._record(answers)
        return None

    def _due(self, begun: datetime) -> Sequence[Mapping[str, Any]]:
        statement = (
            select(delivery)
            .where(
                delivery.c.destination == self.ledger.destination,
                delivery.c.state == State.QUEUED,
                delivery.c.next_attempt_at <= begun,
            )
            .order_by(delivery.c.next_attempt_at, delivery.c.delivery_id)
            .limit(SLICE)
        )
        with self.ledger.database.read() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def _ask(self, row: Mapping[str, Any]) -> Answer:
        if row["provider_ref"] is None:
            return Answer(row, None, None, self._overdue(row))
        asking = self.provider.settlement(row["provider_ref"], row["order_id"])
        request, reply = next(asking), None
        try:
            while True:
                self._pace.wait()
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
            outcome = answer.outcome
            if outcome is not None and outcome.verdict is Verdict.CONFIGURATION:
                return f"configuration: {outcome.reason}"
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
        state = STATE_OF[outcome.verdict]
        check(State.QUEUED, state)
        return {
            "state": state,
            "state_reason": outcome.reason,
            "state_detail": outcome.detail,
            "provider_status": outcome.provider_status,
            "settled_at": now if state in DELIVERED else None,
            "settle_seconds": int((now - answer.row["accepted_at"]).total_seconds()),
            "next_attempt_at": None,
        }

    def _attempt(self, answer: Answer, now: datetime) -> dict[str, Any]:
        outcome = answer.outcome
        assert outcome is not None  # noqa: S101 - the caller asked
        return {
            "attempt_id": new_attempt_id(),
            "event": "settle",
            "delivery_id": answer.row["delivery_id"],
            "attempt_no": answer.row["attempts"],
            "step_no": 0,
            "happened_at": now,
            "run_id": self.ledger.run_id,
            "partition_key": self.partition_key,
            "code_version": evidence.CODE_VERSION,
            "decided_by": "auto",
            "from_state": State.QUEUED,
            "to_state": STATE_OF[outcome.verdict],
            "reason": outcome.reason,
            "detail": outcome.detail,
        } | self._evidence(answer)

    def _evidence(self, answer: Answer) -> dict[str, Any]:
        if answer.request is None or answer.reply is None:
            return {}
        secrets = self.provider.secrets
        sent = evidence.of_request(answer.request)
        return sent | evidence.of_reply(answer.reply, secrets)
