"""The meaning of impact.com's reply about a queued submission.

Nothing here builds a request.

Source: `shared/providers/impact.md`, section 6 (submissions and their reason codes).
"""

import json
import re
from typing import Any

from assets.providers.impact.actions import SEVERAL_ACTIONS
from assets.providers.impact.replies import object_of, short_text
from assets.providers.replies import (
    Outcome,
    Phase,
    Reply,
    Verdict,
    classify,
    is_html,
    read_json,
)

NOT_ATTRIBUTED = frozenset(
    {
        *("ACTION_REF_NOT_FOUND", "NO_VALID_ACTION_REF", "CREDITING_RULE_MISMATCH"),
        *("OTHER_REF_PRIORITIZED", "OUTSIDE_ASSOCIATION_WINDOW"),
        *("CONTRACT_NOT_FOUND", "ACTIONTERMS_NOT_FOUND", "PARTNER_NOT_ACTIVE"),
        *("REFTYPE_NOT_ACCEPTED", "RESTRICTED_PROMOCODE", "BLOCKED_BY_PROMOCODE"),
        *("MAX_RECURRENCES_REACHED", "BLACKLISTED_SOURCE_IP", "UNCLAIMED"),
    }
)
"""No partner is credited: a normal business result."""

CONFIGURATION = frozenset(
    {
        *("CAMPAIGN_NOT_FOUND", "ACTIONTRACKER_NOT_FOUND"),
        *("ACTIONTRACKER_NOT_ACTIVE", "ACTIONTRACKER_CAMPAIGN_MISMATCH"),
    }
)
"""Our settings do not fit the account: somebody must correct them."""

BAD_DATA = frozenset(
    {"VALIDATION", "MALFORMED", "CONV_MALFORMED", "NO_ITEM", "OID_MISSING"}
)
"""We sent invalid data."""

DUPLICATE = "CONV_DUPLICATE"
WRONG_ORDER = "wrong_order_in_submission"
WRONG_SUBMISSION = "wrong_submission"
_CONVERSION = "conversion"

_PUBLISHED = NOT_ATTRIBUTED | CONFIGURATION | BAD_DATA

ALARMS = frozenset(
    {
        *(WRONG_ORDER, WRONG_SUBMISSION, SEVERAL_ACTIONS),
        *(code.lower() for code in CONFIGURATION),
    }
)
"""Reasons that need a person at once (impact.md 6: refused, alert)."""


def read_submission(reply: Reply, ref: str, order_id: str) -> Outcome | None:
    """Return the outcome of a queued submission; None: ask again later.

    Only the API's own 404 means that the submission does not exist. An HTML page, a
    broken connection or a 5xx means nothing.

    Args:
        reply: The reply.
        ref: The id of the submission.
        order_id: The order of the submission.
    """
    if reply.phase is not Phase.DONE or reply.status is None:
        return None
    general = classify(reply, resend_is_safe=True)
    if reply.status in {404, 410}:
        not_found = Outcome(verdict=Verdict.UNCERTAIN, reason="submission_not_found")
        return None if is_html(reply) else not_found
    if general.verdict is Verdict.CONFIGURATION:
        return general
    if reply.status != 200:  # noqa: PLR2004
        return None
    body = object_of(reply)
    mismatch = _mismatch(body, ref, order_id)
    if mismatch is not None:
        return Outcome(verdict=Verdict.UNCERTAIN, reason=mismatch)
    return _read_state(body)


def without_payload(reply: Reply) -> bytes:
    """Return the submission without its copy of the form, which holds personal data.

    A body that is no submission is kept as it is. A broken one is not kept.
    """
    if b'"payload"' not in reply.body.lower():
        return reply.body
    body = read_json(reply.body)
    if not isinstance(body, dict):
        return b""
    kept = {name: value for name, value in body.items() if not _is_payload(name)}
    return json.dumps(kept, ensure_ascii=False).encode("utf-8", "replace")


def _is_payload(name: str) -> bool:
    return name.lower() == "payload"


def _mismatch(body: dict[str, Any], ref: str, order_id: str) -> str | None:
    """Return why the submission is not our conversion, or None.

    OrderId may be null (impact.md 6). Only then the BatchId is compared, because it is
    not verified that it is spelt as in QueuedUri. A missing value is accepted: the
    submission was requested by its address.
    """
    order_id_reported, batch = body.get("orderid"), body.get("batchid")
    if order_id_reported not in (None, ""):
        if str(order_id_reported) != order_id:
            return WRONG_ORDER
    elif batch not in (None, "") and str(batch) != ref:
        return WRONG_SUBMISSION
    is_conversion = str(body.get("type") or _CONVERSION).lower() == _CONVERSION
    return None if is_conversion else WRONG_SUBMISSION


def _read_state(body: dict[str, Any]) -> Outcome | None:
    status = short_text(body.get("status"))
    if (status or "").lower() != "complete":
        return None
    kind, reason = body.get("errortype") or "", body.get("errorreason") or ""
    if not isinstance(kind, str) or not isinstance(reason, str):
        return None
    return _settled(_codes(reason) or _codes(kind), status)


def _codes(text: str) -> list[str]:
    """Return the codes. "space-separated" is published; other signs are accepted."""
    return [code for code in re.split(r"[\s,;|]+", text) if code]


def _settled(codes: list[str], status: str | None) -> Outcome:
    """Return the outcome of the first code, unless one of them is a duplicate."""
    if not codes:
        return Outcome(verdict=Verdict.SETTLED, provider_status=status)
    first = codes[0].upper()
    verdict, why = Verdict.REJECTED, "unknown_reason"
    if DUPLICATE in (code.upper() for code in codes):
        verdict, why = Verdict.DUPLICATE, "conv_duplicate"
    elif first in _PUBLISHED:
        why = first.lower()
    return Outcome(
        verdict=verdict,
        reason=why,
        detail=short_text(" ".join(codes)),
        provider_status=status,
    )
