"""What a provider module is: conversions in, requests out, replies in, outcomes out.

A provider decides eligibility, builds requests and reads replies. It never opens a
socket, sleeps, or touches a table. What the engine may expect of it belongs here.
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
"""Bytes of an answer; a list of what a provider holds may be longer."""


@dataclass(frozen=True, slots=True)
class DataIssue:
    """Something that a destination is told otherwise than it is stored.

    Attributes:
        code: A code of the closed list in `docs/delivery-tables.md`.
        subject: The provider's field.
        detail: Text for a person; no secret, no personal data.
    """

    code: str
    subject: str
    detail: str


def truncation_issue(subject: str, limit: int, length: int) -> DataIssue:
    """Return the doubt about a text of which only the beginning is sent."""
    detail = f"cut to {limit} characters, got {length}"
    return DataIssue(code="value_cut", subject=subject, detail=detail)


@dataclass(frozen=True)
class Request:
    """One HTTP request, ready to be sent byte for byte.

    Attributes:
        url: Full address; may hold account ids, so it is never logged.
        headers: May hold credentials, so they are never logged.
        path_template: The path as it may be logged and stored: no account id, no
            query.
        reply_limit: Bytes of the reply that are read at most.
        stored: For each conversion that it speaks of, the allow-listed copy of what
            is said about it, as JSON values.
        positions: Which conversions of the batch it speaks of; None: all of them.
        order_id: Whose it is, for a file in which an order stands once.
        reports: It reports them. A step that only prepares does not: when it is lost,
            nothing was told yet.
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
    """How fast a provider may be talked to.

    Attributes:
        conversions_per_request: At most so many in one batch.
        in_flight: Requests on the wire at once.
        time_budget_s: A run ends after so many seconds; None: never.
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
        settings: Its own wishes, which win.
        in_flight: What the provider takes by default.
        conversions_per_request: Size of a batch.
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
        kind: `dedupe`: the provider drops a repeat. `never`: it may count it twice.
        window: For `dedupe`: only so long after the first send; None: always.
        settle_delay: For `dedupe`: not before this long after a lost reply.
        supports_lookup: After the window the provider is asked what it has
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
"""Yields requests, is sent their replies, returns one outcome per conversion."""

Settlement = Generator[Request, Reply, Outcome | None]
"""The same for one queued submission; None means that it is still being processed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupResult:
    """What a look at the provider's own list told about some orders.

    Attributes:
        found: What became of an order that is in the list, by order id.
        is_complete: The whole list was read. Only then does absence mean anything.
        seen: How many entries were read.
        problem: Why the look ended early: a code of the closed list of reasons.
        refused: Our credentials or settings were; no other look will fare better.
    """

    outcomes: Mapping[str, Outcome]
    is_complete: bool
    entries_read: int = 0
    problem: str | None = None
    is_configuration_error: bool = False


Lookup = Generator[Request, Reply, LookupResult]
"""Yields requests, is sent their replies, returns what was found.

A reply that never came (`Phase.NONE`) tells it to end with what it has.
"""


class Provider(Protocol):
    """One configured account at a provider.

    Attributes:
        event: What is reported (an event type, a goal): part of the conversion key.
        secrets: Values that must never be stored or shown.
    """

    event: str

    @property
    def channel(self) -> Literal["http", "outbox", "csv"]:
        """`http`, or the file that takes requests: `outbox` (JSON Lines) or `csv`."""

    limits: Limits
    resend: ResendPolicy
    secrets: tuple[str, ...]

    def eligibility(self, conversion: Conversion, now: datetime) -> Ineligible | None:
        """Return why `conversion` is not to be sent, or None where it is."""

    def batches(
        self, conversions: Sequence[Conversion]
    ) -> Iterable[Sequence[Conversion]]:
        """Cut `conversions`, all eligible, into what goes out together."""

    def payload(self, conversion: Conversion) -> bytes:
        """Return what is reported of a conversion, by which a change is recognised.

        Raises:
            ValueError: No request can be built of it.
        """

    def exchange(self, batch: Sequence[Conversion]) -> Exchange:
        """Talk about one batch. The same batch gives the same bytes."""


@runtime_checkable
class ReportsDataIssues(Protocol):
    """A provider that leaves out or cuts what the other side would not take."""

    def data_issues(self, conversion: Conversion) -> Sequence[DataIssue]:
        """Return what of a conversion is sent otherwise than it is stored."""


class QueueingProvider(Provider, Protocol):
    """A provider that takes conversions into a queue and decides later.

    Attributes:
        settle_after: How long after acceptance the first look is worth a call.
        settle_timeout: When to give up and call the conversion uncertain.
        settle_calls: Questions about submissions in an hour.
        lookup_calls: Pages of the provider's own list in an hour.
        lookup_span: The longest range of order times that one look may cover.
        lookup_reach: How old an order may be to be looked up.
        alarms: Reasons that ask for a person at once.
    """

    settle_after: timedelta
    settle_timeout: timedelta
    settle_calls: int
    lookup_calls: int
    lookup_max_range: timedelta
    lookup_max_age: timedelta
    alarms: frozenset[str]

    def settlement(self, provider_ref: str, order_id: str) -> Settlement:
        """Ask once what became of a queued submission."""

    def storable_body(self, reply: Reply) -> bytes:
        """Return what may be kept of an answer about a submission."""

    def lookup(
        self, order_ids: Collection[str], first: datetime, last: datetime
    ) -> Lookup:
        """Look for orders of a range of times in the provider's own list.

        What is not found there may have been taken all the same.
        """


def batches_of_one(conversions: Sequence[Conversion]) -> Iterable[Sequence[Conversion]]:
    """Cut into batches of one, for providers that take one conversion a request."""
    return ((conversion,) for conversion in conversions)
