"""What assets are given to work with: the source and the destinations.

Types only. Which warehouse, which delivery tables and which destinations a deployment
has is configured in `pipelines`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pyarrow as pa

from assets import money
from assets.delivery.destination import Destination
from assets.joining.conversion_checks import ORPHANS
from assets.joining.join import ASSET, JoinResult, join
from assets.joining.repeated_orders import refuse_repeated
from assets.ledger.database import Database
from assets.ledger.order_days import OrderDays
from assets.ledger.quarantine import (
    ITEMS,
    ORDERS,
    REPEATED,
    Quarantine,
    quarantined_order_ids,
    quarantined_orders,
)
from assets.ledger.rows import Clock, utc_now
from assets.ledger.runs import (
    previous_source_totals,
    record_guard_override,
    replace_source_totals,
)
from assets.source.extract import ExtractResult, Window, extract
from assets.source.guards import GuardError, Guards, Tally, Volume, objections
from assets.source.warehouse import Warehouse
from assets.staging import Staging
from assets.thresholds import CheckSettings
from assets.transport.csv_outbox import CsvOutbox
from assets.transport.http import HttpTransport, Transport
from assets.transport.outbox import Outbox
from assets.validation.reject_buffer import kept_aside
from assets.validation.rejects import OnRejects, Reject


@dataclass(frozen=True, slots=True)
class Source:
    """The orders: where they come from, where they are staged, what was wrong.

    Attributes:
        allow_orders_without_items: Report an order of which no line is known.
        extra_columns: Columns beyond the contract that a destination is sent; no other
            is staged.
        guards: What a day may look like.
        zone: Zone of the partitions.
    """

    warehouse: Warehouse = field(repr=False)
    staging: Staging
    database: Database
    zone: tzinfo = UTC
    allow_orders_without_items: bool = False
    extra_columns: frozenset[str] = frozenset()
    guards: Guards = field(default_factory=Guards)
    clock: Clock = utc_now
    _admitted: dict[str, Volume] = field(default_factory=dict, repr=False)
    """Days of this run; they are counted in the delivery tables only later."""

    def extract_orders(
        self,
        partition_key: str,
        window: Window,
        *,
        run_id: str,
        override: str = "",
        on_rows: Callable[[int], object] = lambda _rows: None,
    ) -> ExtractResult:
        """Stage the completed orders, unless the day is not to be believed.

        Args:
            partition_key: The day, `YYYY-MM-DD`.
            window: Its bounds.
            run_id: Kept with an override.
            override: Why the day is right all the same; empty: a guard stops it.
            on_rows: Told how many rows were staged, chunk by chunk.

        Raises:
            GuardError: The day is refused; nothing of it was staged.
        """

        def count(rows: pa.Table) -> None:
            tally.add_good(rows)
            on_rows(len(rows))

        tally = Tally()
        return self.extract(
            ORDERS,
            partition_key,
            window,
            on_good=count,
            on_rejects=tally.add_rejects,
            admit=lambda: self._guard(tally.volume, partition_key, run_id, override),
        )

    def extract(
        self,
        statement: str,
        partition_key: str,
        window: Window,
        *,
        on_good: Callable[[pa.Table], object] = lambda _rows: None,
        on_rejects: OnRejects = lambda _rejects: None,
        admit: Callable[[], object] = lambda: None,
    ) -> ExtractResult:
        """Stage the rows of a statement; keep those that are not fit to be sent.

        What `admit` raises leaves both as they were before.
        """
        quarantine = self._quarantine(partition_key)
        with kept_aside() as aside:

            def keep(rejects: list[Reject]) -> None:
                aside.put(rejects)
                on_rejects(rejects)

            def admitted() -> None:
                admit()
                for rejects in aside.take():
                    quarantine.store(_rows(rejects))

            result = extract(
                self.warehouse,
                self.staging,
                statement,
                partition_key,
                window,
                extra_columns=self.extra_columns,
                on_good=on_good,
                on_rejects=keep,
                admit=admitted,
            )
        quarantine.mark_resolved(statement)
        return result

    def _guard(
        self, day: Volume, partition_key: str, run_id: str, override: str
    ) -> None:
        found = objections(day, self._before(partition_key), self.guards)
        if found and not override:
            raise GuardError(_refusal(partition_key, found))
        if day.orders:
            self._admitted[partition_key] = day
        if not found:
            return
        record_guard_override(
            self.database,
            partition_key,
            run_id=run_id,
            objections=found,
            reason=override,
            at=self.clock(),
        )

    def _before(self, partition_key: str) -> list[Volume]:
        days = self.guards.compare_days
        counted = previous_source_totals(self.database, partition_key, days)
        known = {key: Volume(totals) for key, totals in counted.items()}
        known |= self._admitted
        return [known[key] for key in sorted(known) if key < partition_key][-days:]

    def join(self, partition_key: str, run_id: str) -> JoinResult:
        """Stage the conversions of a partition and count what the source holds."""
        quarantine = self._quarantine(partition_key)
        quarantine.store(_rows(self._repeated(partition_key)))
        quarantine.mark_resolved(REPEATED)
        result = join(
            self.staging,
            partition_key,
            refused_order_ids=quarantined_order_ids(
                self.database, partition_key, [ORDERS, ITEMS, REPEATED]
            ),
            allow_orders_without_items=self.allow_orders_without_items,
            on_rejects=lambda rejects: quarantine.store(_rows(rejects)),
            on_issues=quarantine.add_issues,
        )
        for dataset in (ASSET, ORPHANS):
            quarantine.mark_resolved(dataset)
        self._count(partition_key, run_id, result)
        return result

    def _repeated(self, partition_key: str) -> list[Reject]:
        refused = quarantined_order_ids(self.database, partition_key, [ORDERS])

        def order_ids() -> Iterator[Sequence[str]]:
            yield sorted(refused)
            for batch in self.staging.read(ORDERS, partition_key, ["order_id"]):
                yield batch.to_pydict()["order_id"]

        days = OrderDays(self.database, partition_key)
        return refuse_repeated(days, order_ids, self.warehouse, self.zone)

    def quarantined(self, partition_key: str) -> Sequence[Mapping[str, Any]]:
        """Return one row per order of a partition that is held back.

        An order whose id could not be read stands under the id of its row.
        """
        return quarantined_orders(self.database, partition_key)

    def _quarantine(self, partition_key: str) -> Quarantine:
        return Quarantine(self.database, partition_key, self.clock())

    def _count(self, partition_key: str, run_id: str, result: JoinResult) -> None:
        sums = {
            (currency, money.minor_digits(currency)): list(found)
            for currency, found in result.totals.items()
        }
        held = {row["order_id"]: row for row in self.quarantined(partition_key)}
        for row in held.values():
            key = (row["currency"] or "", row["currency_digits"] or 0)
            entry = sums.setdefault(key, [0, 0])
            entry[0] += 1
            entry[1] += row["amount_minor"] or 0
        totals = [
            {
                "currency": currency,
                "currency_digits": digits,
                "orders": orders,
                "amount_minor": minor,
            }
            for (currency, digits), (orders, minor) in sums.items()
        ]
        replace_source_totals(
            self.database, partition_key, totals, run_id=run_id, at=self.clock()
        )


@dataclass(frozen=True, slots=True)
class Destinations:
    """The configured destinations, opened one by one when they are used.

    Attributes:
        zone: Zone of the partitions, in which `order_date` is read.
        open_destination: Returns a destination; raises where its secrets are not set.
        urls: Addresses of each destination, by name.
        credentials: Environment variables that hold its secrets, by name.
        outbox: Folder of the outbox files.
        spool: Folder for outcomes that the delivery tables could not take.
        ca_bundle: Certificates to trust instead of the usual ones.
        proxy: Address of a proxy.
        allow_private_hosts: A provider's name may lead into a private network.
        checks: What the asset checks tolerate.
    """

    zone: ZoneInfo
    open_destination: Callable[[str], Destination]
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
        return self.open_destination(name)

    def mending(self, name: str, stop_reason: str) -> str:
        """Say what to mend where a provider refused our settings.

        Args:
            name: Whose settings.
            stop_reason: `configuration: ` and the reason code.
        """
        variables = self.credentials[name]
        is_ours = stop_reason.endswith(_CREDENTIALS_REFUSED)
        if is_ours and variables:
            return f"Check the credentials in {', '.join(variables)}."
        return "Mend the settings of the destination."

    def transport(self, destination: Destination, partition_key: str) -> Transport:
        """Return where the requests of a destination go."""
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


def _refusal(partition_key: str, found: Sequence[str]) -> str:
    return (
        f"Extracting was refused for {partition_key}: expected {'; '.join(found)}. "
        "Nothing was staged or sent. Look at the warehouse; if the day is right, run "
        "it again with --override and the reason (in the UI: `override` of "
        "completed_orders)."
    )


def _rows(rejects: Sequence[Reject]) -> list[dict[str, Any]]:
    return [
        {
            **{name: value for name, value in asdict(one).items() if name in _KEPT},
            "reasons": list(one.reasons),
            "row_redacted": dict(one.row_redacted),
        }
        for one in rejects
    ]


_CREDENTIALS_REFUSED = ("http_401", "http_403")
_KEPT = frozenset(Reject.__dataclass_fields__) - {"partition_key"}
