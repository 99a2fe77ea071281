"""One batch and what is said about it: requests, replies, outcomes, attempts.

It runs a provider's exchange step by step and keeps the evidence of each step. When to
talk, and with whom else at the same time, is decided in `dispatch.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from itertools import chain
from typing import Any

from assets.delivery import evidence
from assets.ledger.rows import Claimed, new_attempt_id, utc_now
from assets.ledger.states import State
from assets.privacy.personal import refuse_personal
from assets.providers.base import Provider, Request
from assets.providers.conversion import Conversion
from assets.providers.replies import Outcome, Phase, Reply, Verdict
from assets.transport.http import ForbiddenHostError, Transport

Intend = Callable[["Conversation", "Step"], None]


@dataclass(slots=True)
class Step:
    """One request of a conversation and, once it came, its reply."""

    number: int
    request: Request
    attempt_ids: dict[int, str]
    reply: Reply | None = None
    is_intended: bool = True


@dataclass
class Conversation:
    """What is said about the claimed conversions of one batch.

    Attributes:
        claims: By position in the batch.
        outcomes: By position, once the conversation is over.
        payload_hashes: Of what is reported of each conversion: a change is drift.
        broken: A fault of our own code, raised again after all is recorded.
    """

    provider: Provider
    batch: Sequence[Conversion]
    claims: Sequence[Claimed] = ()
    batch_id: str = field(default_factory=new_attempt_id)
    steps: list[Step] = field(default_factory=list)
    outcomes: Sequence[Outcome] = ()
    payload_hashes: Sequence[str] = ()
    broken: Exception | None = None

    def open(self) -> Step:
        """Build the first request; nothing is sent.

        Raises:
            PersonalDataError: Something personal stands in what would be reported.
        """
        payloads = [self.provider.payload(one) for one in self.batch]
        for payload in payloads:
            refuse_personal(payload, self._spared)
        self.payload_hashes = [sha256(one).hexdigest() for one in payloads]
        self._exchange = self.provider.exchange(self.batch)
        return self._step(next(self._exchange))

    def talk(
        self, transport: Transport, intend: Intend, wait: Callable[[], None]
    ) -> None:
        """Send request after request until the provider module has its outcomes.

        Args:
            transport: Where requests go.
            intend: Commits the intent of every request but the first, whose intent
                stands already.
            wait: Returns when the next request may go out.
        """
        step = self.steps[0]
        try:
            while True:
                wait()
                step.reply = self._send(transport, step.request)
                step = self._step(self._exchange.send(step.reply))
                self._intend(intend, step)
        except StopIteration as done:
            self._conclude(done.value or ())
        except Exception as broken:  # noqa: BLE001 - recorded first, raised later
            self.broken = self.broken or broken
        if not self.outcomes:
            self.outcomes = [self._unknown(one) for one in range(len(self.batch))]

    def intents(self, step: Step, at: datetime) -> list[dict[str, Any]]:
        """The rows that say, before it is sent, whom a request speaks of."""
        return [
            self._common(step, position)
            | evidence.of_request(step.request)
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
                step.attempt_ids, _stored(step.request), strict=True
            )
        ]

    def attempts(self, position: int, to_state: State) -> list[dict[str, Any]]:
        """The rows that say what came of each request about one conversion."""
        replied = self._replied(position)
        return [
            self._common(step, position)
            | self._evidence(reply, position)
            | {
                "from_state": State.SENDING,
                "to_state": to_state if step is replied[-1][0] else None,
            }
            for step, reply in replied
        ]

    @property
    def last_reply(self) -> Reply:
        """The reply after which nothing more was said."""
        replies = [
            step.reply
            for step in self.steps
            if step.is_intended and step.reply is not None
        ]
        return replies[-1]

    def bytes_left(self, position: int) -> bool:
        """Tell whether a byte that reports this conversion may have left."""
        return any(
            step.request.reports and reply.phase not in _BEFORE_BYTES
            for step, reply in self._replied(position)
        )

    @property
    def requests(self) -> int:
        """How many requests were handed to the transport."""
        return sum(step.is_intended and step.reply is not None for step in self.steps)

    def _conclude(self, outcomes: Sequence[Outcome]) -> None:
        if len(outcomes) == len(self.batch):
            secrets = self._hidden
            self.outcomes = [evidence.storable(one, secrets) for one in outcomes]
        elif self.broken is None:
            message = (
                f"Reading the replies failed: expected {len(self.batch)} outcomes, got "
                f"{len(outcomes)}. The provider module must return one per conversion."
            )
            self.broken = ValueError(message)

    def _replied(self, position: int) -> list[tuple[Step, Reply]]:
        return [
            (step, step.reply)
            for step in self.steps
            if step.is_intended
            and position in step.attempt_ids
            and step.reply is not None
        ]

    def _intend(self, intend: Intend, step: Step) -> None:
        if self.broken is None:
            try:
                intend(self, step)
            except Exception as broken:  # noqa: BLE001 - recorded first, raised later
                self.broken = broken
        step.is_intended = self.broken is None

    def _send(self, transport: Transport, request: Request) -> Reply:
        if self.broken is not None:
            # Without its intent nothing leaves; the module still tells what it knows.
            return Reply(phase=Phase.NONE, error="not_intended", at=utc_now())
        try:
            return transport.send(request)
        except ForbiddenHostError as refused:
            self.broken = refused
            return Reply(phase=Phase.NONE, error="forbidden_host", at=utc_now())
        except Exception as broken:  # noqa: BLE001 - recorded first, raised later
            self.broken = broken
            return Reply(phase=Phase.WAITING, error=type(broken).__name__, at=utc_now())

    def _step(self, request: Request) -> Step:
        refuse_personal(request.body, self._spared)
        spoken_of = request.positions
        positions = range(len(self.batch)) if spoken_of is None else spoken_of
        step = Step(
            number=len(self.steps),
            request=request,
            attempt_ids={position: new_attempt_id() for position in positions},
        )
        self.steps.append(step)
        return step

    def _unknown(self, position: int) -> Outcome:
        left = self.bytes_left(position)
        verdict = Verdict.UNCERTAIN if left else Verdict.RETRYABLE
        return Outcome(verdict=verdict, reason="internal_error")

    def _common(self, step: Step, position: int) -> dict[str, Any]:
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

    @cached_property
    def _spared(self) -> frozenset[str]:
        own = {one.order_id for one in self.batch}
        items = chain.from_iterable(one.items for one in self.batch)
        return frozenset(own.union(*((one.sku, one.product_id or "") for one in items)))

    @cached_property
    def _hidden(self) -> list[str]:
        personal = map(evidence.personal_values, self.batch)
        return [*self.provider.secrets, *chain.from_iterable(personal)]

    def _evidence(self, reply: Reply, position: int) -> dict[str, Any]:
        outcome = self.outcomes[position]
        return {
            "happened_at": reply.at,
            "retry_after_s": _whole(outcome.retry_after_s),
            "reason": outcome.reason,
            "detail": outcome.detail,
        } | evidence.of_reply(reply, self._hidden)


_BEFORE_BYTES = frozenset({Phase.NONE, Phase.CONNECTING})


def _stored(request: Request) -> Sequence[Mapping[str, object] | None]:
    if request.stored:
        return request.stored
    count = 1 if request.positions is None else len(request.positions)
    return [None] * count


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else min(int(seconds), 2**31 - 1)
