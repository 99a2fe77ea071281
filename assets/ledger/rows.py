"""What goes into the ledger and what comes out of it, as plain values."""

import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

from assets.ledger.states import State

Clock = Callable[[], datetime]

MAX_ATTEMPTS = 30
NOT_PROCESSED = frozenset(
    {"not_sent", "link_failed", "http_408", "http_425", "http_429"}
)
"""The provider did nothing with the conversion: such a try uses no attempt."""


def utc_now() -> datetime:
    """The time of this machine, aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the source says about one order for one destination, before any send.

    Attributes:
        conversion_key: Event and order id; unique per destination.
        order_at: When the order was completed; None where it could not be read.
        amount_minor: Revenue in minor units of `currency`; None where unreadable.
        state: `pending`, `suppressed` or `quarantined`.
        detail: The evidence of `reason`: what was looked at.
        mapping_version: Which settings would make the payload.
    """

    conversion_key: str
    order_id: str
    state: State
    reason: str | None = None
    detail: str | None = None
    order_at: datetime | None = None
    order_date: date | None = None
    amount_minor: int | None = None
    currency: str | None = None
    currency_digits: int | None = None
    source_hash: str | None = None
    mapping_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the engine has to know of a delivery to decide what is next.

    Attributes:
        untried: How many of its `attempts` the provider did nothing with; counted only
            where there are many (`register.py`).
    """

    delivery_id: str
    conversion_key: str
    order_id: str
    partition_key: str
    state: State
    state_reason: str | None
    state_detail: str | None
    attempts: int
    source_hash: str | None
    payload_hash: str | None
    mapping_version: str | None
    first_sent_at: datetime | None
    next_attempt_at: datetime | None
    accepted_at: datetime | None
    order_at: datetime | None
    order_date: date | None
    amount_minor: int | None
    currency: str | None
    currency_digits: int | None
    unprocessed_attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that is ours to send, and what was known of it when it was claimed.

    Attributes:
        attempt_no: The fence.
        payload_hash: Of what was sent before; None: nothing was.
        told: Columns of what it was worth when a person called an earlier send not
            delivered (`told.py`); None: nobody did.
        was_put_off: The provider read an earlier send and asked for another.
    """

    delivery_id: str
    attempt_no: int
    from_state: State
    first_sent_at: datetime | None = None
    payload_hash: str | None = None
    source_hash: str | None = None
    mapping_version: str | None = None
    previous_amount: Mapping[str, Any] | None = None
    retry_requested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one attempt came to, ready to be recorded.

    Attributes:
        delivery_id: Whose attempt.
        attempt_no: The fence: recorded only if it is still the newest attempt.
        state: Where the delivery goes.
        changes: Further columns of `delivery`.
        attempts: `outcome` rows of `delivery_attempt`, one per request.
        issues: Rows of `data_issue` that the reply gave rise to.
        learnt: What it taught: order id by digest, kept in `remembered`.
    """

    delivery_id: str
    attempt_no: int
    state: State
    changes: Mapping[str, Any]
    attempts: Sequence[Mapping[str, Any]]
    issues: Sequence[Mapping[str, Any]] = ()
    learnt: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """How many deliveries stand in one state, and their money in minor units."""

    destination: str
    partition_key: str
    state: State
    currency: str | None
    currency_digits: int | None
    orders: int
    amount_minor: int


def delivery_id(provider: str, destination: str, conversion_key: str) -> str:
    """The same delivery has the same id in every run, so it can exist only once."""
    text = "\x1f".join((provider, destination, conversion_key))
    return sha256(text.encode()).hexdigest()


def new_attempt_id() -> str:
    """A UUID of version 7: unique, and sorted by time."""
    milliseconds = int(time.time() * 1000).to_bytes(6, "big")
    raw = bytearray(milliseconds + os.urandom(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))
