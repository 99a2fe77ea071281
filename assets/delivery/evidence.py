"""What is kept of requests and replies: proof of what was said, without a secret."""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from assets.providers.base import Request
from assets.providers.replies import Outcome, Reply

STORED_REPLY = 8 * 1024
CODE_VERSION = version("attribution-exporter")


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with every secret replaced, longest first."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def storable(outcome: Outcome, secrets: Iterable[str]) -> Outcome:
    """Return `outcome` as every database takes it, without secrets.

    A provider may say anything. A reference that does not fit is dropped: half of one
    is another's.
    """
    ref = outcome.provider_ref
    return replace(
        outcome,
        reason=_fit(outcome.reason, secrets, 64),
        detail=_fit(outcome.detail, secrets, 512),
        provider_status=_fit(outcome.provider_status, secrets, 64),
        provider_ref=ref if ref == _fit(ref, secrets, 256) else None,
    )


def _fit(text: str | None, secrets: Iterable[str], length: int) -> str | None:
    if text is None:
        return None
    # Neither NUL nor half a character can be stored; a secret is cut by no length.
    whole = scrub(text, secrets).encode("utf-8", "replace").decode("utf-8")
    return whole.replace("\x00", "\ufffd")[:length]


def of_request(request: Request) -> dict[str, Any]:
    """Return where a request went; its content is kept beside it."""
    return {
        "method": request.method,
        "host": request.host,
        "path_template": request.path_template,
    }


def of_reply(reply: Reply, secrets: Iterable[str]) -> dict[str, Any]:
    """Return what came back: the first 8 KiB as text, and the hash of all of it."""
    text = reply.body.decode("utf-8", "replace")
    return {
        "phase": reply.phase,
        "http_status": reply.status,
        "error_class": reply.error,
        "duration_ms": round(reply.duration_s * 1000),
        "response_text": _fit(text, secrets, STORED_REPLY) or None,
        "response_bytes": len(reply.body),
        "response_hash": sha256(reply.body).hexdigest(),
        "response_truncated": len(reply.body) > STORED_REPLY,
    }
