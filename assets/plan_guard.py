"""Refuses the day of a destination whose own rules quarantine too many orders."""

from assets.figures.quarantined import quarantined_deliveries
from assets.resources import Source
from assets.source.guards import GuardError, QuarantinedOrders


class PlanGuard:
    """Checks the deliveries of a day: when they are planned, and when they were sent.

    The extract and the join have checked the orders that are quarantined for every
    destination. Here only the orders count that are fit and not suppressed. Whether
    the request of an order can be built, and holds no personal data, is known only when
    it is sent.

    Attributes:
        message: Why the day was refused; empty: it was not.

    Args:
        source: The orders of the deployment.
        destination: Configured name.
        partition_key: The day, `YYYY-MM-DD`.
        run_id: Recorded with an override.
        override: The reason why the day is right; empty: the guard applies.
    """

    def __init__(
        self,
        source: Source,
        destination: str,
        partition_key: str,
        *,
        run_id: str,
        override: str,
    ) -> None:
        self.message = ""
        self._effect = "Nothing was sent by this run."
        self._source = source
        self._destination = destination
        self._partition_key = partition_key
        self._run_id = run_id
        self._override = override

    def refusal(self) -> str | None:
        """Return the stop reason of a day that is refused; None: it may be sent."""
        orders, by_order = quarantined_deliveries(
            self._source.database, self._destination, self._partition_key
        )
        effect, self._effect = self._effect, "No quarantined order was sent."
        unfit = {
            row["order_id"] for row in self._source.quarantined(self._partition_key)
        }
        reasons = [[code] for one, code in by_order.items() if one not in unfit]
        orders -= len(by_order) - len(reasons)
        found = QuarantinedOrders(orders, reasons)
        try:
            self._source.guard.check_quarantined(
                found,
                self._partition_key,
                step=f"Delivering to {self._destination}",
                asset=f"deliveries/{self._destination}",
                effect=effect,
                run_id=self._run_id,
                override=self._override,
            )
        except GuardError as error:
            self.message = str(error)
            return f"guard: {len(found.reasons)} of {orders} orders are quarantined"
        return None
