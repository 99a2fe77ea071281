"""The interface between the engine and a provider.

A provider decides eligibility, builds requests and reads replies. It never opens a
socket, sleeps, or accesses a table.
"""

import hashlib
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal, Protocol, runtime_checkable
from urllib.parse import urlsplit

from assets.providers.conversion import Conversion
from assets.providers.eligibility import Ineligible
from assets.providers.replies import Outcome, Reply
from assets.providers.settings import DestinationSettings

REPLY_LIMIT = 64 * 1024
"""Most bytes of a reply. The list of a provider's entries may be longer."""


@dataclass(frozen=True, slots=True)
class DataIssue:
    """A value that is sent differently from how it is stored.

    Attributes:
        code: A code of the closed list in `docs/delivery-tables.md`.
        subject: The provider's field.
        detail: Text for a person; no secret, no personal data.
    """

    code: str
    subject: str
    detail: str


def truncation_issue(subject: str, limit: int, length: int) -> DataIssue:
    """Return the data issue of a text of which only the beginning is sent."""
    detail = f"cut to {limit} characters, got {length}"
    return DataIssue(code="value_cut", subject=subject, detail=detail)


def placeholder_issue(subject: str) -> DataIssue:
    """Return the data issue of a placeholder that is not sent."""
    detail = "a placeholder for an unknown value, left out"
    return DataIssue(code="placeholder_value", subject=subject, detail=detail)


@dataclass(frozen=True)
class Request:
    """One HTTP request, exactly as it is sent.

    Attributes:
        url: Full URL. It may hold account ids, so it is never logged.
        headers: They may hold credentials, so they are never logged.
        path_template: The path as it may be logged and stored, without account id and
            query.
        reply_limit: Most bytes of the reply that are read.
        stored: The allow-listed copy of the data of each conversion in the request, as
            JSON values.
        positions: Positions of these conversions in the batch; None: all.
        order_id: The order, for a file that holds each order once.
        reports: The request reports the conversions. A request that only prepares a
            report does not: if it is lost, nothing was reported.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    path_template: str
    reply_limit: int = REPLY_LIMIT
    stored: tuple[Mapping[str, object], ...] = field(repr=False, default=())
    positions: tuple[int, ...] | None = None
    order_id: str | None = None
    reports: bool = True

    @cached_property
    def hash(self) -> str:
        """Sha256 of the exact body bytes, in hex."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def host(self) -> str:
        """Host name without port or credentials."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The rate limits of a destination.

    Attributes:
        conversions_per_request: Most conversions of one batch.
        in_flight: Concurrency window: most requests in flight at once.
        time_budget_s: Seconds after which a run stops; None: never.
    """

    conversions_per_request: int = 1
    in_flight: int = 32
    requests_per_second: float | None = None
    requests_per_hour: int | None = None
    time_budget_s: float | None = None


def limits_of(
    settings: DestinationSettings, *, in_flight: int, conversions_per_request: int = 1
) -> Limits:
    """Return the limits of a destination.

    Args:
        settings: The settings of the destination. They take precedence.
        in_flight: The default concurrency window of the provider.
        conversions_per_request: Most conversions of one batch.
    """
    budget = settings.time_budget_minutes
    return Limits(
        conversions_per_request=conversions_per_request,
        in_flight=settings.in_flight or in_flight,
        requests_per_second=settings.requests_per_second,
        requests_per_hour=settings.requests_per_hour,
        time_budget_s=budget and budget * 60.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendPolicy:
    """Whether a conversion that may have been applied may be sent again.

    Attributes:
        kind: `dedupe`: the provider drops a repeat. `never`: it may count a repeat.
        window: For `dedupe`: how long after the first send the provider drops a repeat;
            None: always.
        settle_delay: For `dedupe`: the least time between a lost reply and a repeat.
        supports_lookup: After the window, the order is looked up at the provider
            (`QueueingProvider`).
    """

    kind: Literal["dedupe", "never"]
    window: timedelta | None = None
    settle_delay: timedelta = timedelta()
    supports_lookup: bool = False

    @property
    def is_safe(self) -> bool:
        """Whether a repeat is harmless at all."""
        return self.kind == "dedupe"


Exchange = Generator[Request, Reply, list[Outcome]]
"""Yields requests, receives their replies, and returns one outcome per conversion."""

Settlement = Generator[Request, Reply, Outcome | None]
"""The same for one queued submission. None: it is still being processed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupResult:
    """The result of looking up orders in the provider's own list.

    Attributes:
        outcomes: The outcome of each order that is in the list, by order id.
        is_complete: The whole list was read. Otherwise absence means nothing.
        entries_read: Number of entries that were read.
        problem: Why the lookup ended early: a code of the closed list of reasons.
        is_configuration_error: The provider refused our credentials or settings. No
            other lookup will succeed.
    """

    outcomes: Mapping[str, Outcome]
    is_complete: bool
    entries_read: int = 0
    problem: str | None = None
    is_configuration_error: bool = False


Lookup = Generator[Request, Reply, LookupResult]
"""Yields requests, receives their replies, and returns the result.

After a reply that never came (`Phase.NONE`), it ends with what it has.
"""


class Provider(Protocol):
    """One configured account at a provider.

    Attributes:
        event: What is reported (an event type, a goal). It is part of the conversion
            key.
        secrets: Values that must never be stored or shown.
    """

    event: str

    @property
    def channel(self) -> Literal["http", "outbox", "csv"]:
        """`http`, or the file that requests go to: `outbox` (JSON Lines) or `csv`."""

    limits: Limits
    resend: ResendPolicy
    secrets: tuple[str, ...]

    def eligibility(self, conversion: Conversion, now: datetime) -> Ineligible | None:
        """Return why `conversion` must not be sent; None: it is eligible."""

    def batches(
        self, conversions: Sequence[Conversion]
    ) -> Iterable[Sequence[Conversion]]:
        """Group eligible conversions into batches that are sent together."""

    def payload(self, conversion: Conversion) -> bytes:
        """Return the payload of a conversion. A changed payload is a changed order.

        Raises:
            ValueError: No request can be built.
        """

    def exchange(self, batch: Sequence[Conversion]) -> Exchange:
        """Report one batch. The same batch gives the same bytes."""


@runtime_checkable
class ReportsDataIssues(Protocol):
    """A provider that leaves out or cuts values that the other side would refuse."""

    def data_issues(self, conversion: Conversion) -> Sequence[DataIssue]:
        """Return the values that are sent differently from how they are stored."""


@runtime_checkable
class SendsPhoneNumbers(Protocol):
    """A provider with fields for telephone numbers.

    Attributes:
        phone_fields: Fields of its form that may hold one.
    """

    phone_fields: Collection[str]

    def phone_numbers(self, conversion: Conversion) -> Collection[str]:
        """Return the numbers that are sent. A reply is stored without them."""


class QueueingProvider(Provider, Protocol):
    """A provider that queues conversions and decides later.

    Attributes:
        settle_after: Time between acceptance and the first question about a submission.
        settle_timeout: Time after which the conversion becomes uncertain.
        settle_calls: Most questions about submissions per hour.
        lookup_calls: Most pages of the provider's own list per hour.
        lookup_max_range: Longest range of order times of one lookup.
        lookup_max_age: Greatest age of an order that can be looked up.
        alarms: Reasons that need a person at once.
    """

    settle_after: timedelta
    settle_timeout: timedelta
    settle_calls: int
    lookup_calls: int
    lookup_max_range: timedelta
    lookup_max_age: timedelta
    alarms: frozenset[str]

    def settlement(self, provider_ref: str, order_id: str) -> Settlement:
        """Ask once about a queued submission."""

    def storable_body(self, reply: Reply) -> bytes:
        """Return the part of a reply about a submission that may be stored."""

    def lookup(
        self, order_ids: Collection[str], first: datetime, last: datetime
    ) -> Lookup:
        """Look up orders of a range of times in the provider's own list.

        An order that is not in the list may have been accepted nevertheless.
        """


def batches_of_one(conversions: Sequence[Conversion]) -> Iterable[Sequence[Conversion]]:
    """Return batches of one, for providers that accept one conversion per request."""
    return ((conversion,) for conversion in conversions)
