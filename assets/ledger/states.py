"""The states of a delivery and the legal transitions between them.

A delivery is one conversion to one destination. Pure code: no tables, no providers.
"""

from enum import StrEnum


class State(StrEnum):
    """State of a delivery."""

    PENDING = "pending"
    """Valid and eligible; never sent, or provably not sent."""
    SUPPRESSED = "suppressed"
    """A rule says not to send it; the next run decides again."""
    QUARANTINED = "quarantined"
    """The row failed validation; decided again when the row is corrected."""
    SENDING = "sending"
    """The intent is committed; bytes may be on the wire."""
    RETRYABLE = "retryable"
    """Provably not applied, or a repeat is harmless; sent again."""
    UNCERTAIN = "uncertain"
    """No reply, outcome unknown: it may have been applied."""
    QUEUED = "queued"
    """Accepted for later processing; followed until it is settled."""
    STAGED = "staged"
    """Written to the outbox; not handed to the provider."""
    ACCEPTED = "accepted"
    """The provider confirmed it."""
    SETTLED = "settled"
    """The provider finished processing and confirmed it."""
    DUPLICATE = "duplicate"
    """The provider already has this conversion."""
    REJECTED = "rejected"
    """The provider refused it permanently."""
    EXHAUSTED = "exhausted"
    """Attempts or time are used up."""


S = State

DELIVERED = frozenset({S.ACCEPTED, S.SETTLED, S.DUPLICATE})
"""The provider has it."""

REPLANNABLE = frozenset({S.PENDING, S.SUPPRESSED, S.QUARANTINED})
"""Never sent: the next run plans it again from the source."""

INELIGIBLE = frozenset({S.SUPPRESSED, S.QUARANTINED})
"""Not eligible to be sent."""

UNFINISHED = frozenset({S.PENDING, S.SENDING, S.RETRYABLE})
"""A run helps: a partition with one of these fails its step."""

TRANSITIONS: dict[State | None, frozenset[State]] = {
    None: REPLANNABLE,
    S.PENDING: frozenset({S.SUPPRESSED, S.QUARANTINED, S.SENDING}),
    S.SUPPRESSED: frozenset({S.PENDING, S.QUARANTINED}),
    S.QUARANTINED: frozenset({S.PENDING, S.SUPPRESSED}),
    S.SENDING: frozenset(
        {
            S.ACCEPTED,
            S.QUEUED,
            S.DUPLICATE,
            S.REJECTED,
            S.RETRYABLE,
            S.UNCERTAIN,
            S.STAGED,
            S.PENDING,
        }
    ),
    S.RETRYABLE: frozenset(
        {S.SENDING, S.EXHAUSTED, S.UNCERTAIN, S.SUPPRESSED, S.QUARANTINED}
    ),
    S.UNCERTAIN: frozenset({S.SENDING, S.EXHAUSTED, S.ACCEPTED, S.SETTLED, S.REJECTED}),
    S.QUEUED: frozenset({S.SETTLED, S.REJECTED, S.DUPLICATE, S.UNCERTAIN}),
    S.STAGED: frozenset({S.PENDING}),
    S.REJECTED: frozenset({S.PENDING, S.RETRYABLE, S.SUPPRESSED}),
    S.EXHAUSTED: frozenset({S.PENDING, S.RETRYABLE, S.SUPPRESSED}),
    S.ACCEPTED: frozenset(),
    S.SETTLED: frozenset(),
    S.DUPLICATE: frozenset(),
}
"""Every transition the program may make. None: the delivery does not exist yet."""

MANUAL_TRANSITIONS: dict[State, frozenset[State]] = {
    S.UNCERTAIN: frozenset({S.ACCEPTED, S.PENDING}),
    S.EXHAUSTED: frozenset({S.ACCEPTED, S.PENDING}),
    S.REJECTED: frozenset({S.PENDING}),
    S.STAGED: frozenset({S.ACCEPTED, S.PENDING}),
}
"""Every transition a person may decide who found out the outcome."""


class IllegalTransitionError(Exception):
    """The program tried an illegal transition: a bug, never a fault of the data."""


def check_transition(before: State | None, after: State) -> None:
    """Raise unless a delivery may go from `before` to `after`.

    Raises:
        IllegalTransitionError: `TRANSITIONS` does not contain the transition.
    """
    if after not in TRANSITIONS[before]:
        legal = ", ".join(sorted(TRANSITIONS[before])) or "none: the state is final"
        message = f"A delivery cannot go from {before} to {after}; legal: {legal}."
        raise IllegalTransitionError(message)
