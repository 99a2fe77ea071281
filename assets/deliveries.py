"""Assets: the deliveries of a day, one asset per destination, made by a factory.

A step fails only if running it again would help. Rejected, suppressed and quarantined
orders, and orders with an unknown outcome, are shown by checks and metadata.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import dagster as dg
import pyarrow as pa

from assets.checks.destination import destination_checks
from assets.checks.money_conserved import money_conserved, money_conserved_spec
from assets.checks.reply_shape import reply_shape, reply_shape_spec
from assets.checks.threshold_checks import DELIVERY_CHECKS, check_specs
from assets.conversions import conversions
from assets.day_by_day import day_by_day
from assets.delivery.destination import Destination
from assets.delivery.dispatch import Summary
from assets.delivery.run import deliver
from assets.joining.join import ASSET
from assets.metadata import explanation_metadata, totals_metadata
from assets.plan_guard import PlanGuard
from assets.progress import Progress
from assets.providers.conversion import Conversion
from assets.resources import Destinations, Source
from assets.source.guards import GuardError
from assets.validation.schemas import CONVERSIONS, arrow_schema

CHUNK_ROWS = 5_000
CHECK = "finished"

Results = Iterator[
    dg.AssetCheckResult | dg.AssetObservation | dg.MaterializeResult[None]
]


class DeliveryConfig(dg.Config):
    """Options of one run.

    Attributes:
        limit: Send at most this many conversions; 0: all.
        override: The reason why the day is right although many of its orders are
            quarantined for this destination; blank: the guard applies.
    """

    limit: int = 0
    override: str = ""


class StagedChunk:
    """Some staged conversions. A row becomes a conversion when it is needed."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._rows: list[dict[str, Any]] | None = None
        self.order_ids = _texts(batch, "order_id")
        self.source_hashes = _texts(batch, "source_hash")

    def conversion(self, index: int) -> Conversion:
        """Build the conversion of one row."""
        if self._rows is None:
            self._rows = self._batch.to_pylist()
        return Conversion.from_row(self._rows[index])


def _texts(batch: pa.RecordBatch, column: str) -> Sequence[str]:
    return cast("list[str]", batch.column(column).to_pylist())


def staged_chunks(source: Source, partition_key: str) -> Iterator[StagedChunk]:
    """Read the staged conversions of a partition, sorted by order id."""
    batches = source.staging.read(
        ASSET, partition_key, batch_rows=CHUNK_ROWS, schema=arrow_schema(CONVERSIONS)
    )
    return (StagedChunk(batch) for batch in batches if batch.num_rows)


def delivery_key(destination: str) -> dg.AssetKey:
    """Return the key of the deliveries of a destination."""
    return dg.AssetKey(["deliveries", destination])


def pool_of(destination: str) -> str:
    """Return the pool of a destination. Only a deployed instance limits it."""
    return f"deliver_{destination}"


def _check_specs(asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            CHECK,
            asset=asset,
            description="Nothing is left that running this partition again helps.",
        ),
        reply_shape_spec(asset),
        money_conserved_spec(asset),
        *check_specs(asset, DELIVERY_CHECKS),
    ]


def delivery_asset(name: str, provider: str) -> dg.AssetsDefinition:
    """Make the asset of one destination."""

    @dg.asset(
        key=delivery_key(name),
        deps=[conversions],
        group_name="delivery",
        kinds={provider},
        pool=pool_of(name),
        description=f"Deliveries of the day to {name}, one per order, in the ledger.",
        check_specs=_check_specs(delivery_key(name)),
    )
    @day_by_day
    def deliveries(
        context: dg.AssetExecutionContext,
        config: DeliveryConfig,
        source: dg.ResourceParam[Source],
        destinations: dg.ResourceParam[Destinations],
    ) -> Results:
        destination = destinations.open(name)
        plan_guard = PlanGuard(
            source,
            name,
            context.partition_key,
            run_id=context.run.run_id,
            override=config.override.strip(),
        )
        summary = _deliver(
            context, config, source, destinations, destination, plan_guard=plan_guard
        )
        metadata = {
            **totals_metadata(summary.totals),
            **explanation_metadata(source.database, name, context.partition_key),
            "requests": summary.requests,
            "conversions_sent": summary.conversions_sent,
        }
        yield dg.AssetCheckResult(
            check_name=CHECK,
            passed=not _rerun_helps(summary),
            metadata={**metadata, "partition": context.partition_key},
        )
        yield reply_shape(
            delivery_key(name), summary.unexpected_shapes, context.partition_key
        )
        yield money_conserved(delivery_key(name), source, name, context.partition_key)
        yield from destination_checks(
            delivery_key(name),
            DELIVERY_CHECKS,
            source,
            destinations,
            destination,
            partition_key=context.partition_key,
            now=source.database.clock()(),
        )
        if _rerun_helps(summary):
            # A failed step has no materialization. The observation keeps its metadata.
            yield dg.AssetObservation(
                delivery_key(name), partition=context.partition_key, metadata=metadata
            )
            if refused := plan_guard.message:
                raise GuardError(refused)
            before = _first_step(summary.stop_reason or "", destinations, name)
            raise dg.Failure(
                _next_action(name, context.partition_key, summary, before),
                allow_retries=not _needs_configuration(summary),
            )
        yield dg.MaterializeResult(metadata=metadata)

    return deliveries


def _deliver(
    context: dg.AssetExecutionContext,
    config: DeliveryConfig,
    source: Source,
    destinations: Destinations,
    destination: Destination,
    *,
    plan_guard: PlanGuard,
) -> Summary:
    key = context.partition_key
    return deliver(
        destination,
        source.database,
        destinations.transport(destination, key),
        lambda: staged_chunks(source, key),
        partition_key=key,
        run_id=context.run.run_id,
        zone=destinations.zone,
        quarantined=source.quarantined(key),
        limit=config.limit or None,
        spool_folder=destinations.spool,
        on_progress=Progress(context.log.info, "conversions sent").at,
        on_warning=context.log.warning,
        refusal=plan_guard.refusal,
    )


def _rerun_helps(summary: Summary) -> bool:
    return bool(summary.unfinished or summary.stop_reason)


def _needs_configuration(summary: Summary) -> bool:
    """Tell whether every attempt fails until somebody corrects the configuration."""
    return (summary.stop_reason or "").startswith("configuration")


def _next_action(name: str, partition_key: str, summary: Summary, before: str) -> str:
    stopped = summary.stop_reason
    why = f" The run stopped: {stopped}." if stopped else ""
    due = summary.next_due
    when = f", from {due:%Y-%m-%d %H:%M} UTC on" if due and not stopped else ""
    return (
        f"Delivering failed for {name} {partition_key}: expected every delivery to be "
        f"finished, got {summary.unfinished} that are not.{why} "
        f"{before}Run this partition again{when}: it sends only what is "
        "missing."
    )


def _first_step(stop_reason: str, destinations: Destinations, name: str) -> str:
    kind = stop_reason.partition(":")[0]
    if kind == "configuration":
        return f"{destinations.repair_hint(name, stop_reason)} "
    return _FIRST_STEPS.get(kind, "")


_FIRST_STEPS = {
    "unreachable": "Check base_url and the network. ",
    "rejected": "Query v_top_reasons and correct what is refused. ",
}
