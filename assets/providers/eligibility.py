"""Eligibility rules that all providers share, and the texts of their evidence.

A rule of one provider belongs in its own package. The reason codes are in `rules.py`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal

from assets.providers.conversion import Conversion
from assets.providers.mapped_fields import column_text
from assets.providers.settings import DestinationSettings

DISABLED = "destination_disabled"


@dataclass(frozen=True, slots=True)
class Ineligible:
    """A conversion that must not be sent to a destination, and why.

    Attributes:
        state: `suppressed` if the data are valid, `quarantined` if they are not.
        reason: The rule: a code of the closed list in `docs/delivery-tables.md`.
        detail: The evidence: what the rule compared. The same facts give the same text.
            It holds no secret, no identifier and no personal data.
    """

    state: Literal["suppressed", "quarantined"]
    reason: str
    detail: str


def check_common_rules(
    settings: DestinationSettings, conversion: Conversion, now: datetime
) -> Ineligible | None:
    """Return why no provider may be sent `conversion`; None: the rules allow it."""
    if not settings.enabled:
        return Ineligible("suppressed", DISABLED, "enabled is false")
    if conversion.is_test:
        return Ineligible("suppressed", "test_order", "is_test is true")
    if conversion.tracking_consent is False:
        return Ineligible("suppressed", "consent_refused", "tracking_consent is false")
    if settings.require_consent and conversion.tracking_consent is None:
        return Ineligible("suppressed", "no_consent", "tracking_consent is null")
    return _check_age_and_amount(settings, conversion, now)


def _check_age_and_amount(
    settings: DestinationSettings, conversion: Conversion, now: datetime
) -> Ineligible | None:
    limit = settings.max_age_days
    if limit is not None and now - conversion.completed_at > timedelta(days=limit):
        # The age would change every night, and with it the stored detail.
        detail = f"completed {_completed_at_text(conversion)}, taken for {limit} days"
        return Ineligible("suppressed", "too_old", detail)
    amount = settings.reported_amount
    if settings.zero_amount == "suppress" and _is_zero(column_text(conversion, amount)):
        return Ineligible("suppressed", "zero_amount", f"{amount} is 0")
    return None


def _is_zero(amount: str | None) -> bool:
    try:
        return amount is not None and Decimal(amount) == 0
    except InvalidOperation:  # the provider's own rule refuses it
        return False


def not_stored_detail(conversion: Conversion, *kinds: str) -> str:
    """Return the evidence that none of `kinds` was known at the time of the order."""
    return f"none stored up to {_completed_at_text(conversion)} of: {', '.join(kinds)}"


def check_identifiers(conversion: Conversion, *kinds: str) -> Ineligible | None:
    """Return `unfit_identifier` if a refused row affects one of `kinds`, or None."""
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
    """Return `currency_not_taken`: the destination accepts other currencies."""
    detail = f"currency {conversion.currency}, taken {', '.join(sorted(accepted))}"
    return Ineligible("suppressed", "currency_not_taken", detail)


def amount_too_precise(conversion: Conversion, *amounts: str) -> Ineligible:
    """Return `amount_precision`: amounts have more decimals than their currency."""
    digits, currency = conversion.currency_digits, conversion.currency
    detail = f"{', '.join(amounts)}: more than the {digits} decimals of {currency}"
    return Ineligible("quarantined", "amount_precision", detail)


def _completed_at_text(conversion: Conversion) -> str:
    return conversion.completed_at.isoformat().replace("+00:00", "Z")
