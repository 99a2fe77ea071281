"""The decision about one order for one destination, made from its source row.

It neither reads nor writes the delivery tables.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from assets import money
from assets.delivery.assessment import REPORTED_BEFORE
from assets.delivery.missing_orders import MISSING_FROM_SOURCE
from assets.ledger.rows import Decision, Row
from assets.ledger.states import State
from assets.privacy.personal import PersonalDataError
from assets.providers.base import Provider
from assets.providers.conversion import Conversion


class Decider:
    """Makes the decisions about orders for one destination.

    Args:
        provider: The provider whose rules apply.
        mapping_version: Stored with each decision.
        zone: The time zone of `order_date`.
    """

    def __init__(self, provider: Provider, mapping_version: str, zone: tzinfo) -> None:
        self._provider = provider
        self._mapping_version = mapping_version
        self._zone = zone

    def conversion_key(self, order_id: str) -> str:
        """Return the conversion key of an order."""
        return f"{self._provider.event}:{order_id}"

    def decide(
        self, conversion: Conversion, source_hash: str, now: datetime
    ) -> Decision:
        """Decide by the eligibility rules of the provider."""
        ineligible = self._provider.eligibility(conversion, now)
        return self.decision(
            conversion,
            state=State.PENDING if ineligible is None else State(ineligible.state),
            reason=None if ineligible is None else ineligible.reason,
            detail=None if ineligible is None else ineligible.detail,
            source_hash=source_hash,
        )

    def reported_before(self, conversion: Conversion, earlier: Row) -> Decision:
        """Suppress an order that was reported under another event.

        Args:
            conversion: The order.
            earlier: Its delivery under the other event.
        """
        event = earlier.conversion_key.removesuffix(f":{conversion.order_id}")
        return self.decision(
            conversion,
            state=State.SUPPRESSED,
            reason=REPORTED_BEFORE,
            detail=f"reported as event {event} already",
        )

    def decision(self, conversion: Conversion, **verdict: Any) -> Decision:
        """Return a decision with the columns of a conversion."""
        digits = conversion.currency_digits
        return Decision(
            conversion_key=self.conversion_key(conversion.order_id),
            order_id=conversion.order_id,
            order_at=conversion.completed_at,
            order_date=conversion.completed_at.astimezone(self._zone).date(),
            amount_minor=money.to_minor(conversion.revenue, digits),
            currency=conversion.currency,
            currency_digits=digits,
            mapping_version=self._mapping_version,
            **verdict,
        )

    def quarantined(self, row: Mapping[str, Any]) -> Decision:
        """Return the decision about a row of `quarantine_row` whose order is known."""
        order_at = row["order_at"]
        reasons = " ".join(row["reasons"])
        other = row.get("original_order_id")
        return Decision(
            conversion_key=self.conversion_key(row["order_id"]),
            order_id=row["order_id"],
            state=State.QUARANTINED,
            reason=row["reasons"][0],
            detail=f"{reasons} (a row of {other})" if other else reasons,
            order_at=order_at,
            order_date=order_at and order_at.astimezone(self._zone).date(),
            amount_minor=row["amount_minor"],
            currency=row["currency"],
            currency_digits=row["currency_digits"],
            source_hash=row["source_row_hash"],
            mapping_version=self._mapping_version,
        )


def missing_from_source(row: Row) -> Decision:
    """Return the decision about an order that is missing from the source."""
    detail = f"the source returns no such order for {row.partition_key}"
    return suppressed(row, MISSING_FROM_SOURCE, detail)


def suppressed(row: Row, reason: str, detail: str) -> Decision:
    """Return the decision not to send a delivery that was never reported."""
    return Decision(
        conversion_key=row.conversion_key,
        order_id=row.order_id,
        state=State.SUPPRESSED,
        reason=reason,
        detail=detail,
        order_at=row.order_at,
        order_date=row.order_date,
        amount_minor=row.amount_minor,
        currency=row.currency,
        currency_digits=row.currency_digits,
        source_hash=row.source_hash,
        mapping_version=row.mapping_version,
    )


def build_failure(error: Exception) -> tuple[str, str]:
    """Return reason and detail of a conversion whose request cannot be built."""
    if isinstance(error, PersonalDataError):
        return "pii_in_payload", str(error)
    # Only the class of the error: its text may quote the order.
    return "payload_error", f"building the request failed with {type(error).__name__}"
