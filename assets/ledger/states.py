"""The states of a delivery and the ways between them. Nothing else moves a delivery.

A delivery is one conversion to one destination. Pure code: no tables, no providers.
"""

from enum import StrEnum


class State(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    """Valid and eligible; never sent, or provably unsent."""
    SUPPRESSED = "suppressed"
    """Not to be sent as things stand; looked at again by the next run."""
    QUARANTINED = "quarantined"
    """The row failed validation; looked at again when the row is fixed."""
    SENDING = "sending"
    """The intent is committed; bytes may be on the wire."""
    RETRYABLE = "retryable"
    """Provably not applied, or a repeat is harmless."""
    UNCERTAIN = "uncertain"
    """May have been applied; nobody answered."""
    QUEUED = "queued"
    """Taken for later processing; followed until it is settled."""
    STAGED = "staged"
    """Written to the outbox: prepared, handed to nobody."""
    ACCEPTED = "accepted"
    """The provider confirmed it."""
    SETTLED = "settled"
    """Processing ended well."""
    DUPLICATE = "duplicate"
    """The provider already holds this conversion."""
    REJECTED = "rejected"
    """Refused for good."""
    EXHAUSTED = "exhausted"
    """Attempts or time used up."""


S = State

DELIVERED = frozenset({S.ACCEPTED, S.SETTLED, S.DUPLICATE})
"""The provider has it."""

SOFT = frozenset({S.PENDING, S.SUPPRESSED, S.QUARANTINED})
"""Never sent: the next run decides anew from the source."""

NOT_SENT = frozenset({S.SUPPRESSED, S.QUARANTINED})
"""Not eligible: not to be sent as things stand."""

RERUN_HELPS = frozenset({S.PENDING, S.SENDING, S.RETRYABLE})
"""A partition with one of these is not finished: its step fails."""

TRANSITIONS: dict[State | None, frozenset[State]] = {
    None: SOFT,
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
"""Every legal way of the program. None: there is no row yet."""

BY_A_PERSON: dict[State, frozenset[State]] = {
    S.UNCERTAIN: frozenset({S.ACCEPTED, S.PENDING}),
    S.EXHAUSTED: frozenset({S.ACCEPTED, S.PENDING}),
    S.REJECTED: frozenset({S.PENDING}),
    S.STAGED: frozenset({S.ACCEPTED, S.PENDING}),
}
"""What a person may decide who knows what became of a delivery."""


class IllegalTransitionError(Exception):
    """Code tried a way that does not exist: a bug, never a fault of the data."""


def check(before: State | None, after: State) -> None:
    """Raise unless a delivery may go from `before` to `after`.

    Raises:
        IllegalTransitionError: The way is not in `TRANSITIONS`.
    """
    if after not in TRANSITIONS[before]:
        legal = ", ".join(sorted(TRANSITIONS[before])) or "none: the state is final"
        message = f"A delivery cannot go from {before} to {after}; legal: {legal}."
        raise IllegalTransitionError(message)
