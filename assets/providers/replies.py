"""Replies of requests, and the outcome of a reply that a provider does not document.

`Reply` is what the transport knows. `classify` is the general table of outcomes. A
provider overrides it only if its own documents are narrower. Pure code: no sockets, no
clock, no tables.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """How far a request got. Before SENDING, no byte of it was sent."""

    NONE = "none"
    CONNECTING = "connecting"
    SENDING = "sending"
    WAITING = "waiting"
    READING = "reading"
    DONE = "done"


UNSENT = frozenset({Phase.NONE, Phase.CONNECTING})
"""Phases in which no byte of the request was sent."""


class Verdict(StrEnum):
    """The meaning of a reply for one conversion."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    SETTLED = "settled"
    DUPLICATE = "duplicate"
    STAGED = "staged"
    REJECTED = "rejected"
    RETRYABLE = "retryable"
    UNCERTAIN = "uncertain"
    CONFIGURATION = "configuration"
    """Our settings are wrong, not the order: it stays pending and the run stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Everything that the transport knows about the reply to one request.

    Attributes:
        phase: DONE only if the whole reply was read.
        status: HTTP status; None if no status line arrived, or for an outbox.
        headers: Names in lower case.
        body: The first 64 KiB.
        error: Our own code of the error, never the text of an exception.
        duration_s: Seconds from the first attempt to connect to the last byte.
        at: When the reply was complete or abandoned, aware UTC.
    """

    phase: Phase
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str | None = None
    duration_s: float = 0.0
    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one conversion.

    Attributes:
        reason: A code of the closed list in `docs/delivery-tables.md`.
        detail: Text for a person; no secret, no personal data.
        provider_ref: The provider's reference (a submission id).
        provider_status: The provider's own status (`QUEUED`).
        retry_after_s: Least seconds to wait, as the provider asked.
        remember: Digests of keys to remember (`remembered_keys.py`).
        earlier_copy_unresolved: The refusal concerns this copy only. An earlier copy
            may have been accepted, and may be the reason of the refusal.
    """

    verdict: Verdict
    reason: str | None = None
    detail: str | None = None
    provider_ref: str | None = None
    provider_status: str | None = None
    retry_after_s: float | None = None
    remember: tuple[str, ...] = ()
    earlier_copy_unresolved: bool = False


SUCCESS = range(200, 300)
CERTIFICATE = "certificate"
PRIVATE_ADDRESS = "private_address"
"""`Reply.error` if the server could not prove its identity."""
UNSENDABLE = "unsendable_request"
"""`Reply.error` if a header or the address holds what no request can carry."""

_NOT_PROCESSED = frozenset({408, 425, 429})
_OUR_SETTINGS = frozenset({401, 403, 404, 405, 407, 410})


def classify(reply: Reply, *, resend_is_safe: bool) -> Outcome:
    """Return the general outcome of `reply` (delivery rules, section 5.1).

    A complete 2xx is UNCERTAIN here, or RETRYABLE if resending is safe: only a provider
    decides that a reply is a success.

    Args:
        reply: The reply.
        resend_is_safe: The provider drops a repeat, so the request may be sent again
            after a lost reply.
    """
    lost = Verdict.RETRYABLE if resend_is_safe else Verdict.UNCERTAIN
    if reply.phase in UNSENT:
        if reply.error in {CERTIFICATE, PRIVATE_ADDRESS, UNSENDABLE}:
            return Outcome(verdict=Verdict.CONFIGURATION, reason=reply.error)
        return Outcome(verdict=Verdict.RETRYABLE, reason="not_sent", detail=reply.error)
    if reply.phase is not Phase.DONE or reply.status is None:
        return Outcome(verdict=lost, reason="no_reply", detail=reply.error)
    wait = retry_after(reply)
    return Outcome(
        verdict=_verdict_of_status(reply.status, lost, wait is not None),
        reason=f"http_{reply.status}",
        retry_after_s=wait if wait is not None else seconds_until_quota(reply),
    )


def _verdict_of_status(status: int, lost: Verdict, has_retry_after: bool) -> Verdict:  # noqa: FBT001
    if status in _NOT_PROCESSED or (status == 503 and has_retry_after):  # noqa: PLR2004
        return Verdict.RETRYABLE
    if status in _OUR_SETTINGS or 300 <= status < 400:  # noqa: PLR2004
        return Verdict.CONFIGURATION
    if status == 409:  # noqa: PLR2004
        return Verdict.DUPLICATE
    if 400 <= status < 500:  # noqa: PLR2004
        return Verdict.REJECTED
    return lost


def retry_after(reply: Reply) -> float | None:
    """Return the seconds of a Retry-After header, or None if there is none.

    A date is relative to the time of the reply; a date in the past is 0. Text that is
    neither a number nor a date is ignored.
    """
    text = reply.headers.get("retry-after")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        if moment.tzinfo is None:  # "-0000": UTC, zone of the sender unknown
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - reply.at).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None


def read_json(body: bytes) -> Any:
    """Return the JSON value in `body`, or None if it is no unambiguous JSON.

    It never raises an exception. Deep nesting, a number that is too large, a wrong
    encoding, NaN and a repeated name all give None.
    """
    try:
        return json.loads(
            body.decode("utf-8"),
            parse_constant=_reject,
            parse_float=_finite,
            object_pairs_hook=_without_duplicates,
        )
    except (ValueError, RecursionError):
        return None


def _reject(what: str) -> Any:
    message = f"{what} is not JSON to be trusted"
    raise ValueError(message)


def _finite(text: str) -> float:
    number = float(text)
    return number if abs(number) < float("inf") else _reject(text)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _reject("a name given twice")


def is_html(reply: Reply) -> bool:
    """Tell whether the body is an HTML page, not a reply of the API."""
    if "html" in reply.headers.get("content-type", "").lower():
        return True
    start = reply.body.removeprefix(b"\xef\xbb\xbf")[:64].lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html"))


def is_complete_2xx(reply: Reply) -> bool:
    """Tell whether a complete reply with a 2xx status was read."""
    return reply.phase is Phase.DONE and reply.status in SUCCESS


_EPOCH = 1e9
_RESETS = ("x-ratelimit-reset", "x-ratelimit-reset-hour", "ratelimit-reset")
_REMAINING = ("x-ratelimit-remaining", "x-ratelimit-remaining-hour")


def seconds_until_quota(reply: Reply) -> float | None:
    """Return for how many seconds nothing should be sent; None: the quota is not spent.

    Retry-After takes precedence over a reset header. A reset above 10^9 is an epoch,
    otherwise seconds: impact.com's documents contradict each other on the unit
    (impact.md, section 4).
    """
    spent = any(reply.headers.get(name, "").strip() == "0" for name in _REMAINING)
    if reply.status != 429 and not spent:  # noqa: PLR2004
        return None
    wait = retry_after(reply)
    return _seconds_to_reset(reply) if wait is None else wait


def _seconds_to_reset(reply: Reply) -> float | None:
    for name in _RESETS:
        text = reply.headers.get(name, "").strip()
        if text.isascii() and text.isdigit() and len(text) <= len("1487332519000"):
            reset = float(text)
            seconds = reset - reply.at.timestamp() if reset > _EPOCH else reset
            return max(0.0, seconds)
    return None
