"""What impact.com's replies mean, for a conversion sent and for a submission queued.

Reading only: nothing here builds a request.

Sources: `impact-conversions-reference.txt` ("Example response") and
`shared/providers/impact.md`, sections 4 (replies) and 6 (submissions).
"""

import re
from collections.abc import Mapping
from typing import Any

from assets.providers.impact_fields import may_be_quoted
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

_SUBMISSION_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")

_PUBLISHED = frozenset(
    {
        *("ACTION_REF_NOT_FOUND", "NO_VALID_ACTION_REF", "CREDITING_RULE_MISMATCH"),
        *("OTHER_REF_PRIORITIZED", "OUTSIDE_ASSOCIATION_WINDOW"),
        *("CONTRACT_NOT_FOUND", "ACTIONTERMS_NOT_FOUND", "PARTNER_NOT_ACTIVE"),
        *("REFTYPE_NOT_ACCEPTED", "RESTRICTED_PROMOCODE", "BLOCKED_BY_PROMOCODE"),
        *("MAX_RECURRENCES_REACHED", "BLACKLISTED_SOURCE_IP", "UNCLAIMED"),
        *("CAMPAIGN_NOT_FOUND", "ACTIONTRACKER_NOT_FOUND"),
        *("ACTIONTRACKER_NOT_ACTIVE", "ACTIONTRACKER_CAMPAIGN_MISMATCH"),
        *("VALIDATION", "MALFORMED", "CONV_MALFORMED", "NO_ITEM", "OID_MISSING"),
    }
)
"""Reason codes of impact.md 6; CONV_DUPLICATE is read before these."""


def read_conversion_reply(reply: Reply, submissions: str) -> Outcome:
    """Return what became of a conversion that was posted.

    A lost reply is UNCERTAIN, not RETRYABLE: the first copy may still stand in the
    queue, and what happens to two queued copies is unpublished (impact.md 5). A 5xx is
    to be retried automatically (guide, "intelligent retry functionality").

    Args:
        reply: What came back.
        submissions: Path under which our own submissions live, with a slash at the
            end. An address elsewhere is not followed: it would be given our
            credentials (impact.md 6).
    """
    if reply.phase is not Phase.DONE or reply.status is None:
        return classify(reply, resend_is_safe=False)
    general = classify(reply, resend_is_safe=True)
    success = 200 <= reply.status < 300  # noqa: PLR2004
    about_the_order = general.verdict in {Verdict.REJECTED, Verdict.DUPLICATE}
    if is_html(reply) and (success or about_the_order):
        return Outcome(verdict=Verdict.UNCERTAIN, reason="html_reply")
    if success:
        return _read_success(_object(reply), submissions)
    if about_the_order:
        return _refused(_object(reply), general)
    return general


def read_submission(reply: Reply, order_id: str) -> Outcome | None:
    """Return what became of a queued submission; None: to be asked again later.

    Only the API's own 404 says that the submission is gone; a page for people, a
    broken connection or a 5xx says nothing about it.
    """
    if reply.phase is not Phase.DONE or reply.status is None:
        return None
    general = classify(reply, resend_is_safe=True)
    if reply.status in {404, 410}:
        gone = Outcome(verdict=Verdict.UNCERTAIN, reason="submission_not_found")
        return None if is_html(reply) else gone
    if general.verdict is Verdict.CONFIGURATION:
        return general
    if reply.status != 200:  # noqa: PLR2004
        return None
    return _read_state(_object(reply), order_id)


def _object(reply: Reply) -> dict[str, Any]:
    """The body's JSON object with lower-case keys; empty where there is none."""
    return _lowered(read_json(reply.body))


def _lowered(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    return {key.lower(): inner for key, inner in value.items()}


def _word(value: object) -> str | None:
    """A short text on one line, or None where `value` is no text."""
    if not isinstance(value, str):
        return None
    return " ".join(value.split())[:_MESSAGE] or None


def _read_success(body: dict[str, Any], submissions: str) -> Outcome:
    status = _word(body.get("status"))
    match (status or "").upper():
        case "QUEUED":
            ref = _submission_id(body.get("queueduri"), submissions)
            return Outcome(
                verdict=Verdict.QUEUED,
                reason=None if ref else "queued_without_ref",
                provider_ref=ref,
                provider_status=status,
            )
        case "OK":
            return Outcome(verdict=Verdict.ACCEPTED, provider_status=status)
        case "ERROR":
            refused = Outcome(verdict=Verdict.REJECTED, reason="error_in_reply")
            return _refused(body, refused)
    return Outcome(
        verdict=Verdict.UNCERTAIN, reason="unclear_reply", provider_status=status
    )


def _submission_id(uri: object, submissions: str) -> str | None:
    if not isinstance(uri, str) or not uri.startswith(submissions):
        return None
    found = _SUBMISSION_ID.fullmatch(uri.removeprefix(submissions))
    return found.group() if found and set(found.group()) != {"."} else None


def _refused(body: dict[str, Any], general: Outcome) -> Outcome:
    return Outcome(
        verdict=general.verdict,
        reason=general.reason,
        detail=_first_error(body),
        provider_status=_word(body.get("status")),
    )


def _first_error(body: dict[str, Any]) -> str | None:
    """The first error's parameter and message, in either published spelling.

    Messages quote the value ("Invalid numeric format (fifty)"), so that of a
    parameter that may hold personal data is left out.
    """
    errors = body.get("errors")
    first = _lowered(errors[0]) if isinstance(errors, list) and errors else {}
    name = _word(first.get("field"))
    message = _word(first.get("message")) or _word(body.get("message"))
    if name and not may_be_quoted(name):
        message = None
    return ": ".join(part for part in (name, message) if part) or None


def _read_state(body: dict[str, Any], order_id: str) -> Outcome | None:
    """Read a submission object (impact.md 6); its OrderId may be null."""
    told = body.get("orderid")
    if told not in (None, "") and str(told) != order_id:
        return Outcome(verdict=Verdict.UNCERTAIN, reason="wrong_order_in_submission")
    status = _word(body.get("status"))
    if (status or "").lower() != "complete":
        return None
    kind, reason = body.get("errortype") or "", body.get("errorreason") or ""
    if not isinstance(kind, str) or not isinstance(reason, str):
        return None
    return _settled(reason.split() or kind.split(), status)


def _settled(codes: list[str], status: str | None) -> Outcome:
    """With several codes the first decides, except that a duplicate is no refusal."""
    if not codes:
        return Outcome(verdict=Verdict.SETTLED, provider_status=status)
    first = codes[0].upper()
    verdict, why = Verdict.REJECTED, "unknown_reason"
    if "CONV_DUPLICATE" in (code.upper() for code in codes):
        verdict, why = Verdict.DUPLICATE, "conv_duplicate"
    elif first in _PUBLISHED:
        why = first.lower()
    return Outcome(
        verdict=verdict,
        reason=why,
        detail=_word(" ".join(codes)),
        provider_status=status,
    )
