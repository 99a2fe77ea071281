"""The evidence that is stored of requests and replies.

It holds no secret, and no personal data that a provider may echo.
"""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from assets.privacy.personal import EMAIL
from assets.providers.base import Request
from assets.providers.conversion import Conversion
from assets.providers.replies import Outcome, Reply

STORED_REPLY_BYTES = 8 * 1024
CODE_VERSION = version("attribution-exporter")
MIN_REDACTED_LENGTH = 4
"""Shorter values are not redacted: they are parts of too many other words."""

_PERSONAL_FIELDS = (
    "visitor_id",
    "customer_id",
    "customer_email_sha1",
    "customer_email_sha256",
    "customer_city",
    "customer_postcode",
)


def redact(text: str, hidden: Iterable[str]) -> str:
    """Return `text` without the hidden values, longest first, and without e-mails."""
    for value in sorted(filter(None, hidden), key=len, reverse=True):
        text = text.replace(value, "***")
    return EMAIL.sub("***", text)


def personal_values(conversion: Conversion) -> list[str]:
    """Return the personal values of an order that a reply may echo."""
    values = (getattr(conversion, name) for name in _PERSONAL_FIELDS)
    found = [value for value in values if value] + list(conversion.identifiers.values())
    return [value for value in found if len(value) >= MIN_REDACTED_LENGTH]


def storable(outcome: Outcome, hidden: Iterable[str]) -> Outcome:
    """Return `outcome` in a form that every database stores, without hidden values.

    A provider may send any text. A reference that does not fit is dropped: a part of
    it could be the reference of something else.

    Args:
        outcome: What the provider module returned.
        hidden: Values that must not be stored.
    """
    ref = outcome.provider_ref
    return replace(
        outcome,
        reason=_fit(outcome.reason, hidden, 64),
        detail=_fit(outcome.detail, hidden, 512),
        provider_status=_fit(outcome.provider_status, hidden, 64),
        provider_ref=ref if ref == _fit(ref, hidden, 256) else None,
    )


def _fit(text: str | None, hidden: Iterable[str], length: int) -> str | None:
    if text is None:
        return None
    # NUL and lone surrogates cannot be stored. Redact first: a secret that is cut in
    # half would not be found.
    whole = redact(text, hidden).encode("utf-8", "replace").decode("utf-8")
    return whole.replace("\x00", "\ufffd")[:length]


def request_columns(request: Request) -> dict[str, Any]:
    """Return where a request went. Its content is stored in another column."""
    return {
        "method": request.method,
        "host": request.host,
        "path_template": request.path_template,
    }


def reply_columns(
    reply: Reply, hidden: Iterable[str], *, shown: bytes | None = None
) -> dict[str, Any]:
    """Return what came back: the first 8 KiB as text, and the hash of the whole body.

    Args:
        reply: The reply.
        hidden: Values that must not be stored.
        shown: The part of the body that may be stored as text; None: all of it.
    """
    text = (reply.body if shown is None else shown).decode("utf-8", "replace")
    return {
        "phase": reply.phase,
        "http_status": reply.status,
        "error_class": reply.error,
        "duration_ms": round(reply.duration_s * 1000),
        "response_text": _fit(text, hidden, STORED_REPLY_BYTES) or None,
        "response_bytes": len(reply.body),
        "response_hash": sha256(reply.body).hexdigest(),
        "response_truncated": len(reply.body) > STORED_REPLY_BYTES,
    }
