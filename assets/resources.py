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
from assets.delivery.planner import Destination
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
    quarantined_orders,
    refused_order_ids,
)
from assets.ledger.rows import Clock, utc_now
from assets.ledger.runs import (
    keep_override,
    keep_source_totals,
    source_totals_before,
)
from assets.source.extract import ExtractResult, Window, extract
from assets.source.guards import (
    GuardError,
    Guards,
    Volume,
    VolumeCounter,
    guard_violations,
)
from assets.source.warehouse import Warehouse
from assets.staging import Staging
from assets.thresholds import CheckSettings
from assets.transport.csv_outbox import CsvOutbox
from assets.transport.http import HttpTransport, Transport
from assets.transport.outbox import Outbox
from assets.validation.reject_buffer import reject_buffer
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
    _accepted: dict[str, Volume] = field(default_factory=dict, repr=False)
    """Days of this run; they are counted in the delivery tables only later."""

    def extract_orders(
        self,
        partition_key: str,
        window: Window,
        *,
        run_id: str,
        override: str = "",
        on_rows: Callable[[int], object] = lambda _quarantine_rows: None,
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
            counter.add_good(rows)
            on_rows(len(rows))

        counter = VolumeCounter()
        return self.extract(
            ORDERS,
            partition_key,
            window,
            on_good=count,
            on_rejects=counter.add_rejects,
            before_commit=lambda: self._check_guards(
                counter.volume, partition_key, run_id, override
            ),
        )

    def extract(
        self,
        statement: str,
        partition_key: str,
        window: Window,
        *,
        on_good: Callable[[pa.Table], object] = lambda _quarantine_rows: None,
        on_rejects: OnRejects = lambda _rejects: None,
        before_commit: Callable[[], object] = lambda: None,
    ) -> ExtractResult:
        """Stage the rows of a statement; keep those that are not fit to be sent.

        What `before_commit` raises leaves both as they were before.
        """
        quarantine = self._quarantine(partition_key)
        with reject_buffer() as buffer:

            def keep(rejects: list[Reject]) -> None:
                buffer.append(rejects)
                on_rejects(rejects)

            def admitted() -> None:
                before_commit()
                for rejects in buffer.read_back():
                    quarantine.keep(_quarantine_rows(rejects))

            result = extract(
                self.warehouse,
                self.staging,
                statement,
                partition_key,
                window,
                extra_columns=self.extra_columns,
                on_good=on_good,
                on_rejects=keep,
                before_commit=admitted,
            )
        quarantine.resolve_unseen(statement)
        return result

    def _check_guards(
        self, day: Volume, partition_key: str, run_id: str, override: str
    ) -> None:
        found = guard_violations(day, self._earlier_days(partition_key), self.guards)
        if found and not override:
            raise GuardError(_guard_message(partition_key, found))
        if day.orders:
            self._accepted[partition_key] = day
        if not found:
            return
        keep_override(
            self.database,
            partition_key,
            run_id=run_id,
            objections=found,
            reason=override,
            at=self.clock(),
        )

    def _earlier_days(self, partition_key: str) -> list[Volume]:
        days = self.guards.compare_days
        counted = source_totals_before(self.database, partition_key, days)
        known = {key: Volume(totals) for key, totals in counted.items()}
        known |= self._accepted
        return [known[key] for key in sorted(known) if key < partition_key][-days:]

    def join(self, partition_key: str, run_id: str) -> JoinResult:
        """Stage the conversions of a partition and count what the source holds."""
        quarantine = self._quarantine(partition_key)
        quarantine.keep(_quarantine_rows(self._repeated(partition_key)))
        quarantine.resolve_unseen(REPEATED)
        result = join(
            self.staging,
            partition_key,
            refused_order_ids=refused_order_ids(
                self.database, partition_key, [ORDERS, ITEMS, REPEATED]
            ),
            allow_orders_without_items=self.allow_orders_without_items,
            on_rejects=lambda rejects: quarantine.keep(_quarantine_rows(rejects)),
            on_issues=quarantine.doubt,
        )
        for dataset in (ASSET, ORPHANS):
            quarantine.resolve_unseen(dataset)
        self._record_totals(partition_key, run_id, result)
        return result

    def _repeated(self, partition_key: str) -> list[Reject]:
        refused = refused_order_ids(self.database, partition_key, [ORDERS])

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

    def _record_totals(
        self, partition_key: str, run_id: str, result: JoinResult
    ) -> None:
        sums = {
            (currency, money.minor_digits(currency)): list(found)
            for currency, found in result.totals.items()
        }
        quarantined_rows = {
            row["order_id"]: row for row in self.quarantined(partition_key)
        }
        for row in quarantined_rows.values():
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
        keep_source_totals(
            self.database, partition_key, totals, run_id=run_id, at=self.clock()
        )


@dataclass(frozen=True, slots=True)
class Destinations:
    """The configured destinations, opened one by one when they are used.

    Attributes:
        zone: Zone of the partitions, in which `order_date` is read.
        make_destination: Returns a destination; raises where its secrets are not set.
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


def _guard_message(partition_key: str, found: Sequence[str]) -> str:
    return (
        f"Extracting was refused for {partition_key}: expected {'; '.join(found)}. "
        "Nothing was staged or sent. Look at the warehouse; if the day is right, run "
        "it again with --override and the reason (in the UI: `override` of "
        "completed_orders)."
    )


def _quarantine_rows(rejects: Sequence[Reject]) -> list[dict[str, Any]]:
    return [
        {
            **{
                name: value
                for name, value in asdict(one).items()
                if name in _QUARANTINE_COLUMNS
            },
            "reasons": list(one.reasons),
            "row_redacted": dict(one.row_redacted),
        }
        for one in rejects
    ]


_CREDENTIALS_REFUSED = ("http_401", "http_403")
_QUARANTINE_COLUMNS = frozenset(Reject.__dataclass_fields__) - {"partition_key"}
