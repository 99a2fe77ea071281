"""One partition of one destination: what every step of a run needs to know."""

from datetime import tzinfo

from assets.delivery.decision import Decider
from assets.delivery.destination import Destination
from assets.ledger.ledger import Ledger
from assets.ledger.rows import delivery_id


class DestinationPartition:
    """One partition of one destination in one run.

    Args:
        destination: The destination.
        ledger: The deliveries of the destination.
        partition_key: The day, `YYYY-MM-DD`.
        zone: The time zone of `order_date`.
    """

    def __init__(
        self,
        destination: Destination,
        ledger: Ledger,
        *,
        partition_key: str,
        zone: tzinfo,
    ) -> None:
        self.destination = destination
        self.provider = destination.provider
        self.ledger = ledger
        self.partition_key = partition_key
        self.decider = Decider(self.provider, destination.mapping_version, zone)
        self.attempt_columns = {
            "run_id": ledger.run_id,
            "partition_key": partition_key,
        }
        """Columns that each row of `delivery_attempt` of this run has."""

    def delivery_id(self, order_id: str) -> str:
        """Return the id of the delivery of an order."""
        return delivery_id(
            self.destination.provider_name,
            self.destination.name,
            self.decider.conversion_key(order_id),
        )
