"""A claimed batch and the rows of `delivery_attempt` that record its exchange."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from assets.delivery import evidence
from assets.delivery.exchange import BatchExchange, Step
from assets.ledger.rows import Claimed, new_attempt_id
from assets.ledger.states import State
from assets.providers.base import Request
from assets.providers.conversion import Conversion
from assets.providers.replies import Reply

_MAX_INT32 = 2**31 - 1


@dataclass(frozen=True)
class ClaimedBatch:
    """The exchange of a batch whose deliveries this run has claimed.

    Attributes:
        exchange: The exchange, with its first request built.
        claims: The claims, by position in the batch.
        batch_id: Stored with each attempt.
    """

    exchange: BatchExchange
    claims: Sequence[Claimed]
    batch_id: str = field(default_factory=new_attempt_id)

    @property
    def conversions(self) -> Sequence[Conversion]:
        """The conversions of the batch."""
        return self.exchange.batch

    def intents(self, step: Step, at: datetime) -> list[dict[str, Any]]:
        """Return the rows that record, before a request is sent, what it reports.

        Args:
            step: The request.
            at: When the intent was written.
        """
        return [
            self._attempt(step, position)
            | evidence.request_columns(step.request)
            | {
                "event": "intent",
                "happened_at": at,
                "request_json": stored,
                "request_bytes": len(step.request.body),
                "request_hash": step.request.hash,
                "from_state": self.claims[position].from_state,
                "to_state": State.SENDING,
            }
            for position, stored in zip(
                step.attempt_ids, _stored_content(step.request), strict=True
            )
        ]

    def attempts(self, position: int, to_state: State) -> list[dict[str, Any]]:
        """Return the rows that record the replies about one conversion.

        Args:
            position: The position of the conversion in the batch.
            to_state: The new state of its delivery, written with the last reply.
        """
        replied = self.exchange.replied_steps(position)
        return [
            self._attempt(step, position)
            | self._evidence(reply, position)
            | {
                "from_state": State.SENDING,
                "to_state": to_state if step is replied[-1][0] else None,
            }
            for step, reply in replied
        ]

    def _attempt(self, step: Step, position: int) -> dict[str, Any]:
        claim = self.claims[position]
        return {
            "attempt_id": step.attempt_ids[position],
            "delivery_id": claim.delivery_id,
            "attempt_no": claim.attempt_no,
            "step_no": step.number,
            "code_version": evidence.CODE_VERSION,
            "decided_by": "auto",
            "batch_id": self.batch_id,
            "batch_index": position,
        }

    def _evidence(self, reply: Reply, position: int) -> dict[str, Any]:
        outcome = self.exchange.outcomes[position]
        return {
            "happened_at": reply.at,
            "retry_after_s": _whole_seconds(outcome.retry_after_s),
            "reason": outcome.reason,
            "detail": outcome.detail,
        } | evidence.reply_columns(reply, self.exchange.redacted_values)


def _stored_content(request: Request) -> Sequence[object]:
    if request.stored:
        return request.stored
    count = 1 if request.positions is None else len(request.positions)
    return [None] * count


def _whole_seconds(seconds: float | None) -> int | None:
    return None if seconds is None else min(int(seconds), _MAX_INT32)
