"""What a run makes of the deliveries it finds: plan, send again, mend, leave, report.

Reads and decides; nothing is written and nothing is sent. The dry run shows an
assessment, a real one carries it out (`planning.py`).
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
"""The provider was told: a change of the order is drift, never a reason to resend."""

EVENT_CHANGED = "event_changed"
REPORTED_BEFORE = "reported_before"
SUPERSEDED = frozenset({EVENT_CHANGED, REPORTED_BEFORE})
"""Another delivery of the same order to the same destination stands for it."""


def may_be_reported(row: Row) -> bool:
    """Tell whether the provider was or may have been told of a delivery."""
    return row.first_sent_at is not None or row.state in _TOLD


_TOLD = REPORTED | {State.UNCERTAIN, State.SENDING}


@dataclass(slots=True)
class Assessment:
    """What is to be done about some orders of a partition.

    Attributes:
        planned: Orders never sent, with the delivery that exists or None.
        due: Conversions to be sent now.
        revised: Deliveries that go back into planning.
        refreshed: Deliveries never sent whose source row changed while they waited.
        moved: Deliveries whose order lies in another partition now.
        unchanged: The source row changed in nothing that the destination is told.
        drifted: The order changed after it was reported.
        doubted: Deliveries of which a repeat could count twice by now.
        given_up: Deliveries not to be sent again, each with reason and evidence.
    """

    planned: list[tuple[Row | None, Decision]] = field(default_factory=list)
    due: list[Conversion] = field(default_factory=list)
    revised: list[tuple[Row, Decision]] = field(default_factory=list)
    refreshed: list[tuple[Row, Decision]] = field(default_factory=list)
    moved: list[tuple[Row, Decision]] = field(default_factory=list)
    unchanged: list[tuple[Row, Decision]] = field(default_factory=list)
    drifted: list[tuple[Row, Decision]] = field(default_factory=list)
    doubted: list[Row] = field(default_factory=list)
    given_up: list[tuple[Row, str, str | None]] = field(default_factory=list)


class Assessor:
    """Assesses deliveries that a request may already have spoken of.

    Args:
        provider: Whose rules hold.
        decide: What the source says of a conversion.
        now: The time of the assessment.
    """

    def __init__(self, provider: Provider, decide: Decide, now: datetime) -> None:
        self._provider = provider
        self._decide = decide
        self._now = now

    def assess(
        self, found: Assessment, row: Row, build: Build, *, is_changed: bool
    ) -> None:
        """Add what is to be done about one delivery.

        Args:
            found: Takes the result.
            row: A delivery that is not in a soft state.
            build: Builds its conversion; called only where it is needed.
            is_changed: The source row or the mapping is not what it was.
        """
        why = retry.exhaustion(row, self._provider.resend, self._now)
        if retry.is_in_doubt(row, self._provider.resend, self._now):
            found.doubted.append(row)
        elif why:
            found.given_up.append((row, why, None))
        elif row.state in retry.sendable_states(self._provider.resend):
            self._assess_open(found, row, build, is_changed=is_changed)
        elif row.state is State.EXHAUSTED and row.state_reason not in retry.USED_UP:
            self._assess_given_up(found, row, build())
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
            end(found, row, decision, self._provider.resend)

    def _assess_given_up(
        self, found: Assessment, row: Row, conversion: Conversion
    ) -> None:
        """What the source had ended: its fault may be mended by now."""
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
        is_mended = self._payload_hash(conversion) != row.payload_hash
        if not is_mended or decision.state is not State.PENDING:
            found.unchanged.append((row, decision))
        elif row.first_sent_at is None:
            found.revised.append((row, decision))
        else:
            # An attempt before the refusal may have counted: the resend rules hold.
            self._send_again(found, row, decision)

    def _send_again(self, found: Assessment, row: Row, decision: Decision) -> None:
        found.revised.append((row, replace(decision, state=State.RETRYABLE)))
        waiting = replace(row, state=State.RETRYABLE)
        why = retry.exhaustion(waiting, self._provider.resend, self._now)
        if retry.is_in_doubt(waiting, self._provider.resend, self._now):
            found.doubted.append(waiting)
        elif why:
            found.given_up.append((waiting, why, None))

    def _assess_reported(
        self, found: Assessment, row: Row, conversion: Conversion
    ) -> None:
        decision = self._decide(conversion)
        if row.payload_hash not in {None, self._payload_hash(conversion)}:
            found.drifted.append((row, decision))
            decision = replace(decision, **_reported_worth(row))
        found.unchanged.append((row, decision))

    def _payload_hash(self, conversion: Conversion) -> str | None:
        try:
            return sha256(self._provider.payload(conversion)).hexdigest()
        except (ValueError, ArithmeticError, LookupError, TypeError):
            return None


def end(found: Assessment, row: Row, decision: Decision, policy: ResendPolicy) -> None:
    """Add how an open delivery ends that the source does not let us send again."""
    if not may_be_reported(row):
        found.revised.append((row, decision))
    elif not policy.supports_lookup:
        # It may have been applied, so that it must not look as if never sent.
        why = decision.reason or decision.state
        found.given_up.append((row, why, decision.detail))
    elif row.state is State.RETRYABLE:
        # The provider will be asked; what is uncertain already waits for that.
        found.doubted.append(row)


def _reported_worth(row: Row) -> dict[str, Any]:
    """A delivery is worth what the provider was told, whatever the source says now."""
    names = ("amount_minor", "currency", "currency_digits")
    return {name: getattr(row, name) for name in names}
