"""What the source says of one order for one destination, as a decision.

Pure: nothing is read from the delivery tables here and nothing is written.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from assets import money
from assets.delivery.assessment import REPORTED_BEFORE
from assets.delivery.missing_orders import GONE
from assets.ledger.rows import Decision, Row
from assets.ledger.states import State
from assets.privacy.personal import PersonalDataError
from assets.providers.base import Provider
from assets.providers.conversion import Conversion


class Decider:
    """Decides what is to become of orders, for one destination.

    Args:
        provider: Whose rules hold.
        mapping_version: Kept with each decision.
        zone: In which `order_date` is read.
    """

    def __init__(self, provider: Provider, mapping_version: str, zone: tzinfo) -> None:
        self._provider = provider
        self._mapping_version = mapping_version
        self._zone = zone

    def key(self, order_id: str) -> str:
        """Return the conversion key of an order."""
        return f"{self._provider.event}:{order_id}"

    def decide(
        self, conversion: Conversion, source_hash: str, now: datetime
    ) -> Decision:
        """Decide by the rules of the provider."""
        withheld = self._provider.eligibility(conversion, now)
        return self.decision(
            conversion,
            state=State.PENDING if withheld is None else State(withheld.state),
            reason=None if withheld is None else withheld.reason,
            detail=None if withheld is None else withheld.detail,
            source_hash=source_hash,
        )

    def reported_before(self, conversion: Conversion, told: Row) -> Decision:
        """Decide not to report an order that was reported under another event."""
        event = told.conversion_key.removesuffix(f":{conversion.order_id}")
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
            conversion_key=self.key(conversion.order_id),
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
        """Return the decision of a row of `quarantine_row` whose order is known."""
        order_at = row["order_at"]
        reasons = " ".join(row["reasons"])
        other = row.get("stands_for")
        return Decision(
            conversion_key=self.key(row["order_id"]),
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


def gone(row: Row) -> Decision:
    """Return the decision about an order that the source no longer has."""
    return ended(row, GONE, f"the source returns no such order for {row.partition_key}")


def ended(row: Row, reason: str, detail: str) -> Decision:
    """Return the decision that a delivery that was never told is not to be sent."""
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


def fault_of(broken: Exception) -> tuple[str, str]:
    """Return reason and detail where no request can be built of a conversion."""
    if isinstance(broken, PersonalDataError):
        return "pii_in_payload", str(broken)
    # Only the kind: its text may quote the order.
    return "payload_error", f"building the request failed with {type(broken).__name__}"
