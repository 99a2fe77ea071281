"""Plain values that go into the ledger and come out of it."""

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
"""Reasons after which the provider did not process the conversion.

Such an attempt does not count towards `MAX_ATTEMPTS`.
"""


def utc_now() -> datetime:
    """Return the time of this machine, aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The planned delivery of one order to one destination, before any send.

    Attributes:
        conversion_key: Event and order id; unique per destination.
        order_at: When the order was completed; None where it could not be read.
        amount_minor: Revenue in minor units of `currency`; None where unreadable.
        state: `pending`, `suppressed` or `quarantined`.
        detail: The evidence of `reason`.
        mapping_version: Version of the settings that build the payload.
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
    """The columns of a delivery that decide its next step.

    Attributes:
        unprocessed_attempts: How many of its `attempts` the provider did not process.
            Counted only from `MAX_ATTEMPTS` attempts on, else 0.
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
    """A delivery that this run may send, as it was when it was claimed.

    Attributes:
        attempt_no: Number of the new attempt; it fences results of earlier owners.
        payload_hash: Hash of the payload sent before; None: nothing was sent.
        previous_amount: Amount columns of an earlier send that a person resolved as
            not delivered (`previous_sends.py`); None: there was no such decision.
        retry_requested: The provider read an earlier send and asked for a retry.
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
    """The result of one attempt, ready to be recorded.

    Attributes:
        delivery_id: The delivery.
        attempt_no: The fence: recorded only if it is still the newest attempt.
        state: The new state of the delivery.
        changes: Further columns of `delivery`.
        attempts: `outcome` rows of `delivery_attempt`, one per request.
        issues: Rows of `data_issue` that result from the reply.
        learnt: Keys for table `remembered`, order id by digest.
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
    """Number of deliveries in one state, and their money in minor units."""

    destination: str
    partition_key: str
    state: State
    currency: str | None
    currency_digits: int | None
    orders: int
    amount_minor: int


def delivery_id(provider: str, destination: str, conversion_key: str) -> str:
    """Return the id of a delivery: the same in every run, so that it exists once."""
    text = "\x1f".join((provider, destination, conversion_key))
    return sha256(text.encode()).hexdigest()


def new_attempt_id() -> str:
    """Return a UUID of version 7: unique, and sorted by time."""
    milliseconds = int(time.time() * 1000).to_bytes(6, "big")
    raw = bytearray(milliseconds + os.urandom(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))
