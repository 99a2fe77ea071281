"""Why a conversion is not sent: the rules of all providers, and the words of evidence.

A rule of one provider belongs in its own module; the codes stand in `rules.py`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from assets.providers.conversion import Conversion
from assets.providers.settings import DestinationSettings

DISABLED = "destination_disabled"


@dataclass(frozen=True, slots=True)
class Ineligible:
    """A conversion that is not to be sent to this destination, and why.

    Attributes:
        state: `suppressed` where the data are sound, `quarantined` where they are not.
        reason: A code of the closed list in `docs/delivery-tables.md`: the rule.
        detail: The evidence: what the rule looked at. The same facts give the same
            text; no secret, no identifier, no personal data.
    """

    state: Literal["suppressed", "quarantined"]
    reason: str
    detail: str


def check_common_rules(
    settings: DestinationSettings, conversion: Conversion, now: datetime
) -> Ineligible | None:
    """Return why no provider would be sent `conversion` under `settings`."""
    if not settings.enabled:
        return Ineligible("suppressed", DISABLED, "enabled is false")
    if conversion.is_test:
        return Ineligible("suppressed", "test_order", "is_test is true")
    if conversion.tracking_consent is False:
        return Ineligible("suppressed", "consent_refused", "tracking_consent is false")
    if settings.require_consent and conversion.tracking_consent is None:
        return Ineligible("suppressed", "no_consent", "tracking_consent is null")
    limit = settings.max_age_days
    if limit is not None and now - conversion.completed_at > timedelta(days=limit):
        # Not how old it is now: every night would change what is kept of it.
        detail = f"completed {_completed_at_text(conversion)}, taken for {limit} days"
        return Ineligible("suppressed", "too_old", detail)
    return None


def not_stored_detail(conversion: Conversion, *kinds: str) -> str:
    """Return the evidence that nothing `kinds` was known when the order was made."""
    return f"none stored up to {_completed_at_text(conversion)} of: {', '.join(kinds)}"


def check_identifiers(conversion: Conversion, *kinds: str) -> Ineligible | None:
    """Return that the identifier of one of `kinds` is in doubt, or None."""
    unfit = [
        f"{kind} ({conversion.unfit_identifiers[kind]})"
        for kind in kinds
        if kind in conversion.unfit_identifiers
    ]
    if not unfit:
        return None
    time = _completed_at_text(conversion)
    detail = f"a refused row up to {time} may count: {', '.join(unfit)}"
    return Ineligible("suppressed", "unfit_identifier", detail)


def currency_not_accepted(conversion: Conversion, *accepted: str) -> Ineligible:
    """Return that a destination counts in other currencies."""
    detail = f"currency {conversion.currency}, taken {', '.join(sorted(accepted))}"
    return Ineligible("suppressed", "currency_not_taken", detail)


def amount_too_precise(conversion: Conversion, *amounts: str) -> Ineligible:
    """Return that some amounts are finer than the currency's smallest coin."""
    digits, currency = conversion.currency_digits, conversion.currency
    detail = f"{', '.join(amounts)}: more than the {digits} decimals of {currency}"
    return Ineligible("quarantined", "amount_precision", detail)


def _completed_at_text(conversion: Conversion) -> str:
    return conversion.completed_at.isoformat().replace("+00:00", "Z")
