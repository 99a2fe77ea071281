"""Runs the exchange of one batch: requests, replies and outcomes.

It runs the exchange of the provider module step by step. Who claims the batch, and
which batches are sent at the same time, is decided in `sender.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from itertools import chain

from assets.delivery import evidence
from assets.ledger.rows import new_attempt_id, utc_now
from assets.privacy.personal import refuse_personal
from assets.providers.base import Provider, Request, SendsPhoneNumbers
from assets.providers.conversion import Conversion
from assets.providers.replies import UNSENT, Outcome, Phase, Reply, Verdict
from assets.transport.http import ForbiddenHostError, Transport


@dataclass(slots=True)
class Step:
    """One request of an exchange and, once it came, its reply.

    Attributes:
        number: Position in the exchange, from 0.
        request: The request.
        attempt_ids: Id of the attempt, by position of the conversion in the batch.
        reply: The reply, or None.
        has_intent: Its intent is committed. Without one nothing is sent.
    """

    number: int
    request: Request
    attempt_ids: dict[int, str]
    reply: Reply | None = None
    has_intent: bool = True


CommitIntent = Callable[[Step], None]
"""Commits the intent of a step. It raises where the step must not be sent."""


@dataclass
class BatchExchange:
    """The exchange with a provider about one batch of conversions.

    Attributes:
        steps: The requests so far, each with its reply.
        outcomes: By position in the batch, once the exchange has ended.
        payload_hashes: Hash of what is reported of each conversion. If it changes after
            the report, that is drift.
        error: An error of our own code. It is raised after everything is recorded.
    """

    provider: Provider
    batch: Sequence[Conversion]
    steps: list[Step] = field(default_factory=list)
    outcomes: Sequence[Outcome] = ()
    payload_hashes: Sequence[str] = ()
    error: Exception | None = None

    def build_first_request(self) -> Step:
        """Build the first request without sending it.

        Raises:
            PersonalDataError: The report would contain personal data.
        """
        payloads = [self.provider.payload(one) for one in self.batch]
        for payload in payloads:
            self._refuse_personal(payload)
        self.payload_hashes = [sha256(one).hexdigest() for one in payloads]
        self._exchange = self.provider.exchange(self.batch)
        return self._add_step(next(self._exchange))

    def run(
        self,
        transport: Transport,
        commit_intent: CommitIntent,
        wait: Callable[[], None],
    ) -> None:
        """Send request after request until the provider module returns its outcomes.

        Args:
            transport: Sends the requests.
            commit_intent: Commits the intent of each further request. The intent of the
                first request is committed already.
            wait: Returns when the next request may be sent.
        """
        step = self.steps[0]
        try:
            while True:
                wait()
                step.reply = self._send(transport, step.request)
                step = self._add_step(self._exchange.send(step.reply))
                self._commit_intent(commit_intent, step)
        except StopIteration as end:
            self._set_outcomes(end.value or ())
        except Exception as error:  # noqa: BLE001 - recorded first, raised later
            self.error = self.error or error
        if not self.outcomes:
            positions = range(len(self.batch))
            self.outcomes = [self._internal_error(one) for one in positions]

    @property
    def last_reply(self) -> Reply:
        """The reply that ended the exchange."""
        return [reply for _, reply in self._replied_steps()][-1]

    @property
    def requests(self) -> int:
        """How many requests were handed to the transport."""
        return len(self._replied_steps())

    def replied_steps(self, position: int) -> list[tuple[Step, Reply]]:
        """Return the steps about one conversion that were sent, with their replies."""
        return [
            (step, reply)
            for step, reply in self._replied_steps()
            if position in step.attempt_ids
        ]

    def may_have_left(self, position: int) -> bool:
        """Return whether a byte that reports this conversion may have left."""
        return any(
            step.request.reports and reply.phase not in UNSENT
            for step, reply in self.replied_steps(position)
        )

    @cached_property
    def redacted_values(self) -> list[str]:
        """Values that must not be stored with a reply: secrets and personal data."""
        hidden = [*self.provider.secrets]
        for one in self.batch:
            hidden += evidence.personal_values(one)
            if isinstance(self.provider, SendsPhoneNumbers):
                hidden += self.provider.phone_numbers(one)
        return hidden

    def _replied_steps(self) -> list[tuple[Step, Reply]]:
        return [
            (step, step.reply)
            for step in self.steps
            if step.has_intent and step.reply is not None
        ]

    def _set_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        if len(outcomes) == len(self.batch):
            hidden = self.redacted_values
            self.outcomes = [evidence.storable(one, hidden) for one in outcomes]
        elif self.error is None:
            message = (
                f"Reading the replies failed: expected {len(self.batch)} outcomes, got "
                f"{len(outcomes)}. The provider module must return one per conversion."
            )
            self.error = ValueError(message)

    def _commit_intent(self, commit_intent: CommitIntent, step: Step) -> None:
        if self.error is None:
            try:
                commit_intent(step)
            except Exception as error:  # noqa: BLE001 - recorded first, raised later
                self.error = error
        step.has_intent = self.error is None

    def _send(self, transport: Transport, request: Request) -> Reply:
        if self.error is not None:
            # Nothing is sent without its intent. The provider module still returns the
            # outcomes that it knows.
            return Reply(phase=Phase.NONE, error="not_intended", at=utc_now())
        try:
            return transport.send(request)
        except ForbiddenHostError as error:
            self.error = error
            return Reply(phase=Phase.NONE, error="forbidden_host", at=utc_now())
        except Exception as error:  # noqa: BLE001 - recorded first, raised later
            self.error = error
            return Reply(phase=Phase.WAITING, error=type(error).__name__, at=utc_now())

    def _add_step(self, request: Request) -> Step:
        self._refuse_personal(request.body)
        positions = request.positions
        if positions is None:
            positions = tuple(range(len(self.batch)))
        step = Step(
            number=len(self.steps),
            request=request,
            attempt_ids={position: new_attempt_id() for position in positions},
        )
        self.steps.append(step)
        return step

    def _internal_error(self, position: int) -> Outcome:
        left = self.may_have_left(position)
        verdict = Verdict.UNCERTAIN if left else Verdict.RETRYABLE
        return Outcome(verdict=verdict, reason="internal_error")

    def _refuse_personal(self, body: bytes) -> None:
        phone_fields = (
            self.provider.phone_fields
            if isinstance(self.provider, SendsPhoneNumbers)
            else ()
        )
        refuse_personal(body, self._exempt_values, phone_fields)

    @cached_property
    def _exempt_values(self) -> frozenset[str]:
        """Order ids, SKUs and product ids: they may look personal and are not."""
        order_ids = {one.order_id for one in self.batch}
        items = chain.from_iterable(one.items for one in self.batch)
        products = ((one.sku or "", one.product_id or "") for one in items)
        return frozenset(order_ids.union(*products))
