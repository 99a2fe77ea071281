"""The resources of the assets: the source and the destinations.

Types only. `pipelines` configures the warehouse, the delivery tables and the
destinations of a deployment.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from assets.delivery.destination import Destination
from assets.joining.joiner import Joiner
from assets.ledger.database import Database
from assets.ledger.quarantine import quarantined_orders
from assets.ledger.rows import Clock, utc_now
from assets.source.day_guard import DayGuard
from assets.source.extractor import Extractor
from assets.source.guards import Guards
from assets.source.warehouse import Warehouse
from assets.staging import Staging
from assets.thresholds import CheckSettings
from assets.transport.csv_outbox import CsvOutbox
from assets.transport.http import HttpTransport, Transport
from assets.transport.outbox import Outbox


class Source:
    """The orders of the deployment: where they come from and where they are staged.

    Attributes:
        warehouse: The database that holds the orders.
        staging: The folder of staged files.
        database: The delivery tables.
        guard: Refuses a day that is not plausible.
        extractor: Brings the rows of a day to the staging folder.
        joiner: Makes conversions of the staged rows.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        staging: Staging,
        database: Database,
        *,
        zone: tzinfo = UTC,
        allow_orders_without_items: bool = False,
        extra_columns: frozenset[str] = frozenset(),
        guards: Guards | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Set up both steps.

        Args:
            warehouse: The database that holds the orders.
            staging: The folder of staged files.
            database: The delivery tables.
            zone: Time zone of the partitions.
            allow_orders_without_items: Report an order that has no stored line.
            extra_columns: Columns beyond the contract that a destination is sent.
            guards: The limits of a day; None: the defaults.
            clock: The current time.
        """
        self.warehouse = warehouse
        self.staging = staging
        self.database = database
        self.guard = DayGuard(database, guards or Guards(), clock)
        self.extractor = Extractor(warehouse, staging, self.guard, extra_columns)
        self.joiner = Joiner(
            warehouse, staging, database, zone, allow_orders_without_items, clock
        )

    def quarantined(self, partition_key: str) -> Sequence[Mapping[str, Any]]:
        """Return one row per quarantined order of a partition.

        An order whose id could not be read is identified by the id of its row.
        """
        return quarantined_orders(self.database, partition_key)


@dataclass(frozen=True, slots=True)
class Destinations:
    """The configured destinations. Each is opened when it is used.

    Attributes:
        zone: Time zone of the partitions; `order_date` is a date in this zone.
        make_destination: Returns a destination. Raises if a secret of it is not set.
        urls: Addresses of each destination, by name.
        credentials: Environment variables that hold its secrets, by name.
        outbox: Folder of the outbox files.
        spool: Folder for outcomes that could not be written to the delivery tables.
        ca_bundle: Certificates to trust instead of the default ones.
        proxy: Address of a proxy.
        allow_private_hosts: A provider's host may resolve to a private address.
        checks: The thresholds of the asset checks.
    """

    zone: ZoneInfo
    make_destination: Callable[[str], Destination]
    urls: Mapping[str, Sequence[str]]
    credentials: Mapping[str, Sequence[str]]
    outbox: Path
    spool: Path
    ca_bundle: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    allow_private_hosts: bool = False
    checks: CheckSettings = field(default_factory=CheckSettings)

    def open(self, name: str) -> Destination:
        """Return a configured destination, ready to build requests."""
        return self.make_destination(name)

    def repair_hint(self, name: str, stop_reason: str) -> str:
        """Return what to correct if a provider refused our settings.

        Args:
            name: The destination.
            stop_reason: `configuration: ` and the reason code.
        """
        variables = self.credentials[name]
        is_ours = stop_reason.endswith(_CREDENTIALS_REFUSED)
        if is_ours and variables:
            return f"Check the credentials in {', '.join(variables)}."
        return "Correct the settings of the destination."

    def transport(self, destination: Destination, partition_key: str) -> Transport:
        """Return the transport of a destination: HTTP, or an outbox file."""
        folder = self.outbox / destination.name
        if destination.provider.channel == "outbox":
            return Outbox(folder / f"{partition_key}.jsonl")
        if destination.provider.channel == "csv":
            return CsvOutbox(folder / f"{partition_key}.csv")
        return HttpTransport(
            [urlsplit(url).netloc for url in self.urls[destination.name]],
            connections=destination.provider.limits.in_flight,
            ca_bundle=self.ca_bundle,
            proxy=self.proxy,
            allow_private=self.allow_private_hosts,
        )


_CREDENTIALS_REFUSED = ("http_401", "http_403")
