"""The meaning of impact.com's reply to a conversion.

Nothing here builds a request. Replies about queued submissions are read in
`submissions.py`.

Sources: `impact-conversions-reference.txt` ("Example response") and
`shared/providers/impact.md`, section 4.
"""

import re
from collections.abc import Mapping
from typing import Any

from assets.providers.impact.fields import may_be_quoted
from assets.providers.replies import (
    Outcome,
    Phase,
    Reply,
    Verdict,
    classify,
    is_html,
    read_json,
)

_MESSAGE = 200
_ENTRIES = 5

_SUBMISSION_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


def read_conversion_reply(reply: Reply, submissions: str) -> Outcome:
    """Return the outcome of a posted conversion.

    A lost reply is UNCERTAIN, not RETRYABLE: the first copy may still be in the queue,
    and the result of two queued copies is unpublished (impact.md 5). A 5xx is retried
    automatically (guide, "intelligent retry functionality").

    Args:
        reply: The reply.
        submissions: Path of our own submissions, with a slash at the end. Another
            address is not followed, because it would receive our credentials
            (impact.md 6).
    """
    if reply.phase is not Phase.DONE or reply.status is None:
        return classify(reply, resend_is_safe=False)
    general = classify(reply, resend_is_safe=True)
    success = 200 <= reply.status < 300  # noqa: PLR2004
    concerns_the_order = general.verdict in {Verdict.REJECTED, Verdict.DUPLICATE}
    if is_html(reply) and (success or concerns_the_order):
        return Outcome(verdict=Verdict.UNCERTAIN, reason="html_reply")
    if success:
        return _read_success(object_of(reply), submissions)
    if concerns_the_order:
        return _refusal(object_of(reply), general)
    return general


def object_of(reply: Reply) -> dict[str, Any]:
    """Return the JSON object of a body, with lower-case keys; empty if none."""
    return _with_lower_case_keys(read_json(reply.body))


def _with_lower_case_keys(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    return {key.lower(): inner for key, inner in value.items()}


def short_text(value: object) -> str | None:
    """Return a short text on one line, or None if `value` is no text."""
    if not isinstance(value, str):
        return None
    return " ".join(value.split())[:_MESSAGE] or None


def _read_success(body: dict[str, Any], submissions: str) -> Outcome:
    status = short_text(body.get("status"))
    match (status or "").upper():
        case "QUEUED":
            ref = _submission_id(body.get("queueduri"), submissions)
            return Outcome(
                verdict=Verdict.QUEUED,
                reason=None if ref else "queued_without_ref",
                detail=_warnings(body),
                provider_ref=ref,
                provider_status=status,
            )
        case "OK":
            return Outcome(
                verdict=Verdict.ACCEPTED,
                detail=_warnings(body),
                provider_status=status,
            )
        case "ERROR":
            refused = Outcome(verdict=Verdict.REJECTED, reason="error_in_reply")
            return _refusal(body, refused)
    return Outcome(
        verdict=Verdict.UNCERTAIN, reason="unclear_reply", provider_status=status
    )


def _submission_id(uri: object, submissions: str) -> str | None:
    if not isinstance(uri, str) or not uri.startswith(submissions):
        return None
    found = _SUBMISSION_ID.fullmatch(uri.removeprefix(submissions))
    return found.group() if found and set(found.group()) != {"."} else None


def _refusal(body: dict[str, Any], general: Outcome) -> Outcome:
    return Outcome(
        verdict=general.verdict,
        reason=general.reason,
        detail=_errors(body) or short_text(body.get("message")),
        provider_status=short_text(body.get("status")),
    )


def _errors(body: dict[str, Any]) -> str | None:
    return _field_messages(body.get("errors"))


def _warnings(body: dict[str, Any]) -> str | None:
    """Return the optional values that impact.com left out of an accepted conversion."""
    messages = _field_messages(body.get("warnings"))
    return f"warnings: {messages}" if messages else None


def _field_messages(reported: object) -> str | None:
    """Return parameters and messages, in either published spelling.

    Messages quote the value ("Invalid numeric format (fifty)"). So the message of a
    parameter that may hold personal data is left out.
    """
    entries = (
        [_with_lower_case_keys(one) for one in reported]
        if isinstance(reported, list)
        else []
    )
    return "; ".join(filter(None, map(_field_message, entries[:_ENTRIES]))) or None


def _field_message(entry: dict[str, Any]) -> str:
    name, message = short_text(entry.get("field")), short_text(entry.get("message"))
    if name and not may_be_quoted(name):
        message = None
    return ": ".join(part for part in (name, message) if part)
