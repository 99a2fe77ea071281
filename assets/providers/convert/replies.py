"""The meaning of a reply of Convert's Tracking API.

Convert documents no result per event and no reliable body. So a complete 2xx is a
success with any body, unless the body reports an error.
"""

from dataclasses import replace

from assets.providers.error_in_reply import reports_error
from assets.providers.replies import (
    Outcome,
    Reply,
    Verdict,
    classify,
    is_complete_2xx,
    is_html,
)


def outcome_of(reply: Reply, *, resend_is_safe: bool) -> Outcome:
    """Return the outcome of every conversion of a request.

    A 409 is a refusal like any other 4xx: Convert documents no key by which it could
    recognise an order (`convert.md`, sections 6 and 7).

    Args:
        reply: The reply.
        resend_is_safe: The destination sends uncertain conversions again.
    """
    outcome = classify(reply, resend_is_safe=resend_is_safe)
    if is_complete_2xx(reply):
        return _outcome_of_2xx(reply, outcome)
    if outcome.verdict is Verdict.DUPLICATE:
        return replace(outcome, verdict=Verdict.REJECTED)
    return outcome


def _outcome_of_2xx(reply: Reply, general: Outcome) -> Outcome:
    if is_html(reply):
        return replace(general, reason="html_reply")
    if reports_error(reply.body):
        return Outcome(verdict=Verdict.UNCERTAIN, reason="error_in_reply")
    return Outcome(verdict=Verdict.ACCEPTED)
