"""What came back for a request, and what it means where a provider says nothing.

`Reply` is all that the transport can tell. `classify` is the general table of
outcomes; a provider module overrules it only where its own documents are narrower.
Pure code: no sockets, no clock, no tables.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """How far a request came. Before SENDING not one byte of it had left."""

    NONE = "none"
    CONNECTING = "connecting"
    SENDING = "sending"
    WAITING = "waiting"
    READING = "reading"
    DONE = "done"


class Verdict(StrEnum):
    """What a reply means for one conversion."""

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
    """Everything the transport learned about one request.

    Attributes:
        phase: DONE only where the whole reply was read.
        status: HTTP status; None where no status line arrived, or nothing was sent
            over a wire (an outbox).
        headers: Names in lower case.
        body: The first 64 KiB.
        error: Our own word for what broke, never an exception's text.
        duration_s: Seconds from first try to connect to last byte.
        at: When the reply was complete or given up, aware UTC.
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
    """What happened to one conversion.

    Attributes:
        reason: A code of the closed list in `docs/delivery-tables.md`.
        detail: Text for a person; no secret, no personal data.
        provider_ref: The provider's handle for it (a submission id).
        provider_status: The provider's own word (`QUEUED`).
        retry_after_s: Seconds the provider asked us to wait, at the least.
        remember: Digests of keys that stand from now on (`memory.py`).
        leaves_earlier_open: It refuses this copy, which tells nothing of one that went
            before: that may have been taken, and even be why this one is refused.
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
"""`Reply.error` where the server could not prove who it is."""

_NOT_PROCESSED = frozenset({408, 425, 429})
_OUR_SETTINGS = frozenset({401, 403, 404, 405, 407, 410})


def classify(reply: Reply, *, resend_is_safe: bool) -> Outcome:
    """Return the general outcome of `reply` (delivery rules, section 5.1).

    A complete 2xx is UNCERTAIN here, or RETRYABLE where resending is safe: only a
    provider module can call a reply a success.

    Args:
        reply: What came back.
        resend_is_safe: The provider drops a repeat, so a lost reply may be re-sent.
    """
    lost = Verdict.RETRYABLE if resend_is_safe else Verdict.UNCERTAIN
    if reply.phase in {Phase.NONE, Phase.CONNECTING}:
        if reply.error in {CERTIFICATE, PRIVATE_ADDRESS}:
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
    """Return the seconds of a Retry-After header, or None where it says nothing.

    A date is read against the moment of the reply; the past means now. Text that is
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
    """Return the JSON value in `body`, or None where there is none to be trusted.

    Whatever a body holds, no exception leaves: deep nesting, a number too large to be
    read, wrong encoding, NaN and a name that is given twice all count as no JSON.
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
    """Tell whether the body is a page for people, not an answer of a service."""
    if "html" in reply.headers.get("content-type", "").lower():
        return True
    start = reply.body.removeprefix(b"\xef\xbb\xbf")[:64].lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html"))


def is_complete_2xx(reply: Reply) -> bool:
    """Tell whether a whole reply with a status of success was read."""
    return reply.phase is Phase.DONE and reply.status in SUCCESS


_EPOCH = 1e9
_RESETS = ("x-ratelimit-reset", "x-ratelimit-reset-hour", "ratelimit-reset")
_REMAINING = ("x-ratelimit-remaining", "x-ratelimit-remaining-hour")


def seconds_until_quota(reply: Reply) -> float | None:
    """Return for how long nothing more should be sent, or None where nothing says so.

    Retry-After wins; else a reset header, above 10^9 an epoch, otherwise seconds:
    impact.com's documents contradict each other on the unit (impact.md, section 4).
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
