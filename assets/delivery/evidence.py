"""What is kept of requests and replies: proof of what was said.

Without a secret, and without personal data that a provider may echo.
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

STORED_REPLY = 8 * 1024
CODE_VERSION = version("attribution-exporter")


def scrub(text: str, hidden: Iterable[str]) -> str:
    """Return `text` with every hidden value replaced, longest first, and e-mails."""
    for value in sorted(filter(None, hidden), key=len, reverse=True):
        text = text.replace(value, "***")
    return EMAIL.sub("***", text)


def personal_values(conversion: Conversion) -> list[str]:
    """Return what a reply may echo and must not be kept of an order's customer."""
    values = (getattr(conversion, name) for name in _PERSONAL)
    found = [value for value in values if value] + list(conversion.identifiers.values())
    return [value for value in found if len(value) >= SHORTEST_HIDDEN]


_PERSONAL = (
    "visitor_id",
    "customer_id",
    "customer_email_sha1",
    "customer_city",
    "customer_postcode",
)
SHORTEST_HIDDEN = 4
"""Shorter values stand in too many other words."""


def storable(outcome: Outcome, hidden: Iterable[str]) -> Outcome:
    """Return `outcome` as every database takes it, without hidden values.

    A provider may say anything. A reference that does not fit is dropped: half of one
    is another's.
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
    # Neither NUL nor half a character can be stored; a secret is cut by no length.
    whole = scrub(text, hidden).encode("utf-8", "replace").decode("utf-8")
    return whole.replace("\x00", "\ufffd")[:length]


def of_request(request: Request) -> dict[str, Any]:
    """Return where a request went; its content is kept beside it."""
    return {
        "method": request.method,
        "host": request.host,
        "path_template": request.path_template,
    }


def of_reply(
    reply: Reply, hidden: Iterable[str], *, shown: bytes | None = None
) -> dict[str, Any]:
    """Return what came back: the first 8 KiB as text, and the hash of all of it.

    Args:
        reply: What came back.
        hidden: Values that must not be kept.
        shown: What may be kept as text, where that is not all of it.
    """
    text = (reply.body if shown is None else shown).decode("utf-8", "replace")
    return {
        "phase": reply.phase,
        "http_status": reply.status,
        "error_class": reply.error,
        "duration_ms": round(reply.duration_s * 1000),
        "response_text": _fit(text, hidden, STORED_REPLY) or None,
        "response_bytes": len(reply.body),
        "response_hash": sha256(reply.body).hexdigest(),
        "response_truncated": len(reply.body) > STORED_REPLY,
    }
