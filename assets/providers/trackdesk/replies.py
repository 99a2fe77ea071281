"""The meaning of a reply of Trackdesk, for a conversion and for the link before it.

Neither the body nor the status of a failure is published. So the text is searched for
known reasons first. A known reason takes precedence over a status that may concern the
order. A 401, a redirect and a 5xx never concern an order.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from assets.providers.error_in_reply import looks_like_error
from assets.providers.replies import (
    Outcome,
    Phase,
    Reply,
    Verdict,
    classify,
    is_complete_2xx,
    is_html,
    read_json,
)

ALREADY_EXISTS = "already_exists"
SOURCE_NOT_FOUND = "conversion_source_not_found"

_ABSENT = "(notfound|doesnotexist)"
_REASONS = {
    reason: re.compile(pattern)
    for reason, pattern in (
        (ALREADY_EXISTS, r"alreadyexist"),
        (SOURCE_NOT_FOUND, rf"conversionsource.{{0,60}}{_ABSENT}"),
        ("conversion_type_not_found", rf"conversiontype.{{0,60}}{_ABSENT}"),
        ("conversion_type_not_configured", r"conversiontype.{0,60}notconfigured"),
        ("no_pricing", r"nopricing"),
        # Not "resource expired", which does not concern the order.
        ("expired_source", r"expired(conversion)?source|(?<!re)source.{0,20}expired"),
        ("offer_not_active", r"offer.{0,20}(notactive|inactive)|inactiveoffer"),
        ("missing_amount", r"missing.{0,20}amount|amount.{0,20}(missing|required)"),
        # Not "rate limit reached", which does not concern the order.
        ("limit_reached", r"(conversions?|recurrence)limit.{0,20}(reached|exceeded)"),
        (
            "unsupported_currency",
            r"unsupportedcurrency|currency.{0,40}(not(supported|enabled)|unsupported)",
        ),
        ("after_attribution_expiration", r"attribution.{0,30}expir"),
        ("blocked_traffic", r"blockedtraffic"),
    )
}
"""Known reasons (`trackdesk.md`, section 5, from help 6525155, 6495316, 10420821 and
7902408). The text is reduced to letters and digits, because the form of the reasons is
unknown: `CONVERSION_LIMIT_REACHED` and "conversion limit reached" are equal.
"""

_LINKED = re.compile(r"already(exist|linked)|cidexists|linkexists|^exists$")
_STATE_PREFIX = "CONVERSION_STATUS_"
"""Prefix of the states of a conversion (`trackdesk.md`, section 3). A state such as
`rejected` is no error: the conversion exists."""

_POSSIBLY_ABOUT_THE_ORDER = frozenset({403, 404})
_INTERNAL_ERROR = 500


def conversion_outcome(
    reply: Reply,
    duplicate_markers: Sequence[str] = (),
    *,
    resend_is_safe: bool = True,
) -> Outcome:
    """Return the outcome of a conversion.

    After a lost reply, the conversion may be sent again: `externalId` is always
    present, and a repeat of the same type "will fail" (help 10290309). The order of
    Trackdesk's checks is unpublished: a repeat may be refused for a limit that the
    first copy used up.

    Args:
        reply: The reply.
        duplicate_markers: Further texts that mean "already exists".
        resend_is_safe: A repeat has the same conversion type for certain.
    """
    outcome = _read(reply, duplicate_markers, resend_is_safe=resend_is_safe)
    is_refused = outcome.verdict is Verdict.REJECTED
    return replace(outcome, earlier_copy_unresolved=is_refused)


def _read(
    reply: Reply, duplicate_markers: Sequence[str], *, resend_is_safe: bool
) -> Outcome:
    reason = known_reason(reply, duplicate_markers)
    if reason == ALREADY_EXISTS:
        return Outcome(verdict=Verdict.DUPLICATE, reason=reason)
    if reason is not None:
        return Outcome(verdict=Verdict.REJECTED, reason=reason)
    if not is_complete_2xx(reply) or is_html(reply):
        return _in_general(reply, resend_is_safe=resend_is_safe)
    if looks_like_error(reply.body, ignored_prefixes=(_STATE_PREFIX,)):
        return Outcome(verdict=Verdict.UNCERTAIN, reason="error_in_reply")
    return Outcome(verdict=Verdict.ACCEPTED)


def link_outcome(reply: Reply) -> Outcome | None:
    """Return the outcome of a conversion after a failed link; None: it is linked.

    The conversion itself was not sent, so an unknown outcome may be retried. It is not
    known whether linking again is an error (`trackdesk.md`, section 7): "already
    linked" counts as linked.
    """
    texts = _texts_of(reply) if _may_be_about_the_order(reply) else []
    if any(_LINKED.search(text) for text in texts):
        return None
    outcome = conversion_outcome(reply)
    if outcome.verdict in {Verdict.ACCEPTED, Verdict.DUPLICATE}:
        return None
    if outcome.verdict is Verdict.CONFIGURATION:
        return outcome
    if outcome.verdict is Verdict.REJECTED:
        return replace(outcome, reason="link_refused", detail=outcome.reason)
    return Outcome(
        verdict=Verdict.RETRYABLE,
        reason="link_failed",
        detail=outcome.detail or outcome.reason,
        retry_after_s=outcome.retry_after_s,
    )


def row_outcome(reply: Reply) -> Outcome:
    """Return the outcome of a row of the import: written to disk, not yet reported."""
    if reply.phase is Phase.DONE and reply.status is None:
        return Outcome(verdict=Verdict.STAGED)
    return classify(reply, resend_is_safe=True)


def known_reason(reply: Reply, duplicate_markers: Sequence[str] = ()) -> str | None:
    """Return the known reason that a complete reply names, or None.

    The status of a duplicate is unknown, too (`trackdesk.md`, section 9). So configured
    texts also apply to a 500, which a service may send for a refusal.
    """
    texts = _texts_of(reply)
    is_about_the_order = _may_be_about_the_order(reply)
    may_be_marked = is_about_the_order or reply.status == _INTERNAL_ERROR
    markers = [
        _letters_and_digits(marker) for marker in duplicate_markers if may_be_marked
    ]
    if any(marker in text for text in texts for marker in markers):
        return ALREADY_EXISTS
    if not is_about_the_order:
        return None
    for reason, pattern in _REASONS.items():
        if any(pattern.search(text) for text in texts):
            return reason
    return None


def _may_be_about_the_order(reply: Reply) -> bool:
    """Tell whether a reply with this status may concern the order.

    A refusal of one order may be a 403 or 404 (`trackdesk.md`, section 5). A 429
    concerns our rate limit; a 5xx may name things that "already exist" but are no
    order.
    """
    general = classify(reply, resend_is_safe=True).verdict
    return (
        is_complete_2xx(reply)
        or reply.status in _POSSIBLY_ABOUT_THE_ORDER
        or general in {Verdict.REJECTED, Verdict.DUPLICATE}
    )


def _texts_of(reply: Reply) -> list[str]:
    """Return the texts of `reply`, as lower-case letters and digits only.

    An HTML page has none.
    """
    if reply.phase is not Phase.DONE or is_html(reply):
        return []
    return [_letters_and_digits(text) for text in _texts_in(reply.body)]


def _letters_and_digits(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _texts_in(body: bytes) -> Iterator[str]:
    """Yield every text value of a JSON body, or the body itself if it is not JSON.

    Names of fields do not count: an accepted conversion may have a field
    `attributionExpiration`.
    """
    value = read_json(body)
    if value is None:
        yield body.decode(errors="replace")
    waiting: list[Any] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend(one.values())


def _in_general(reply: Reply, *, resend_is_safe: bool) -> Outcome:
    outcome = classify(reply, resend_is_safe=resend_is_safe)
    sounds_delivered = outcome.verdict is Verdict.DUPLICATE
    if is_html(reply) and (sounds_delivered or is_complete_2xx(reply)):
        verdict = Verdict.RETRYABLE if resend_is_safe else Verdict.UNCERTAIN
        return Outcome(verdict=verdict, reason="html_reply")
    return outcome
