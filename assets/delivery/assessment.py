"""What a run has to do about existing deliveries: plan, send, correct, end or report.

An assessment reads and decides; it writes nothing and sends nothing. A dry run shows
it, and a real run carries it out (`planner.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from assets.ledger import retry
from assets.ledger.rows import Decision, Row
from assets.ledger.states import State
from assets.providers.base import Provider, ResendPolicy
from assets.providers.conversion import Conversion

Build = Callable[[], Conversion]
Decide = Callable[[Conversion], Decision]

REPORTED = frozenset(
    {State.ACCEPTED, State.SETTLED, State.DUPLICATE, State.QUEUED, State.STAGED}
)
"""The order was reported. A later change of it is drift, never a reason to resend."""

EVENT_CHANGED = "event_changed"
REPORTED_BEFORE = "reported_before"
SUPERSEDED = frozenset({EVENT_CHANGED, REPORTED_BEFORE})
"""Another delivery reports the same order to the same destination."""

_MAY_BE_REPORTED = REPORTED | {State.UNCERTAIN, State.SENDING}


def may_be_reported(row: Row) -> bool:
    """Return whether a delivery was reported or may have been reported."""
    return row.first_sent_at is not None or row.state in _MAY_BE_REPORTED


@dataclass(slots=True)
class Assessment:
    """What to do about some orders of a partition.

    Attributes:
        planned: Orders that were never sent, each with its delivery or None.
        due: Conversions to send in this run.
        revised: Deliveries that go back into planning.
        refreshed: Deliveries that were never sent and whose source row changed while
            they waited.
        moved: Deliveries whose order is in another partition than the delivery.
        unchanged: Deliveries whose source row changed in nothing that is reported.
        drifted: Deliveries whose order changed after it was reported.
        uncertain: Deliveries that could count twice if they were sent again.
        exhausted: Deliveries that must not be sent again, each with its reason and
            detail.
    """

    planned: list[tuple[Row | None, Decision]] = field(default_factory=list)
    due: list[Conversion] = field(default_factory=list)
    revised: list[tuple[Row, Decision]] = field(default_factory=list)
    refreshed: list[tuple[Row, Decision]] = field(default_factory=list)
    moved: list[tuple[Row, Decision]] = field(default_factory=list)
    unchanged: list[tuple[Row, Decision]] = field(default_factory=list)
    drifted: list[tuple[Row, Decision]] = field(default_factory=list)
    uncertain: list[Row] = field(default_factory=list)
    exhausted: list[tuple[Row, str, str | None]] = field(default_factory=list)


class Assessor:
    """Assesses deliveries that may have been sent before.

    Args:
        provider: The provider whose rules apply.
        decide: Returns the decision about a conversion.
        now: The time of the assessment.
    """

    def __init__(self, provider: Provider, decide: Decide, now: datetime) -> None:
        self._provider = provider
        self._decide = decide
        self._now = now

    def assess(
        self, found: Assessment, row: Row, build: Build, *, is_changed: bool
    ) -> None:
        """Add what to do about one delivery.

        Args:
            found: Gets the result.
            row: A delivery that is not in a soft state.
            build: Builds its conversion. It is called only where that is needed.
            is_changed: The source row or the mapping changed since it was sent.
        """
        why = retry.exhaustion_reason(row, self._provider.resend, self._now)
        if retry.is_repeat_unsafe(row, self._provider.resend, self._now):
            found.uncertain.append(row)
        elif why:
            found.exhausted.append((row, why, None))
        elif row.state in retry.sendable_states(self._provider.resend):
            self._assess_open(found, row, build, is_changed=is_changed)
        elif (
            row.state is State.EXHAUSTED and row.state_reason not in retry.FINAL_REASONS
        ):
            self._assess_exhausted(found, row, build())
        elif is_changed and row.state is State.REJECTED:
            self._assess_rejected(found, row, build())
        elif is_changed and row.state in REPORTED:
            self._assess_reported(found, row, build())

    def _assess_open(
        self, found: Assessment, row: Row, build: Build, *, is_changed: bool
    ) -> None:
        if is_changed and row.payload_hash is None:
            found.refreshed.append((row, self._decide(build())))
        if retry.is_due(row, self._provider.resend, self._now):
            self._assess_due(found, row, build())

    def _assess_due(self, found: Assessment, row: Row, conversion: Conversion) -> None:
        decision = self._decide(conversion)
        if decision.state is State.PENDING:
            found.due.append(conversion)
        else:
            end_delivery(found, row, decision, self._provider.resend)

    def _assess_exhausted(
        self, found: Assessment, row: Row, conversion: Conversion
    ) -> None:
        """Reopen a delivery that the source ended, if the source was corrected."""
        decision = self._decide(conversion)
        if decision.state is not State.PENDING:
            return
        if may_be_reported(row):
            self._send_again(found, row, decision)
        else:
            found.revised.append((row, decision))

    def _assess_rejected(
        self, found: Assessment, row: Row, conversion: Conversion
    ) -> None:
        decision = self._decide(conversion)
        is_corrected = self._payload_hash(conversion) != row.payload_hash
        if not is_corrected or decision.state is not State.PENDING:
            found.unchanged.append((row, decision))
        elif row.first_sent_at is None:
            found.revised.append((row, decision))
        else:
            # An attempt before the rejection may have counted: the resend policy rules.
            self._send_again(found, row, decision)

    def _send_again(self, found: Assessment, row: Row, decision: Decision) -> None:
        found.revised.append((row, replace(decision, state=State.RETRYABLE)))
        retryable = replace(row, state=State.RETRYABLE)
        why = retry.exhaustion_reason(retryable, self._provider.resend, self._now)
        if retry.is_repeat_unsafe(retryable, self._provider.resend, self._now):
            found.uncertain.append(retryable)
        elif why:
            found.exhausted.append((retryable, why, None))

    def _assess_reported(
        self, found: Assessment, row: Row, conversion: Conversion
    ) -> None:
        decision = self._decide(conversion)
        if row.payload_hash not in {None, self._payload_hash(conversion)}:
            found.drifted.append((row, decision))
            decision = replace(decision, **_reported_amount(row))
        found.unchanged.append((row, decision))

    def _payload_hash(self, conversion: Conversion) -> str | None:
        try:
            return sha256(self._provider.payload(conversion)).hexdigest()
        except (ValueError, ArithmeticError, LookupError, TypeError):
            return None


def end_delivery(
    found: Assessment, row: Row, decision: Decision, policy: ResendPolicy
) -> None:
    """Add the end of an open delivery that must not be sent any more.

    Args:
        found: Gets the result.
        row: The open delivery.
        decision: Why it must not be sent.
        policy: The resend policy of the provider.
    """
    if not may_be_reported(row):
        found.revised.append((row, decision))
    elif not policy.supports_lookup:
        # It may have been applied, so it must not look as if it was never sent.
        why = decision.reason or decision.state
        found.exhausted.append((row, why, decision.detail))
    elif row.state is State.RETRYABLE:
        # It becomes uncertain, so that a look-up asks the provider about it.
        found.uncertain.append(row)


def _reported_amount(row: Row) -> dict[str, Any]:
    """Return the amount that was reported, whatever the source says."""
    names = ("amount_minor", "currency", "currency_digits")
    return {name: getattr(row, name) for name in names}
