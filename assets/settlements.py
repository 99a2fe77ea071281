"""Assets: what became of queued deliveries, one asset per destination that queues.

Each run follows submissions (`settling.py`), then looks for what nobody answered for
in the provider's own list (`lookup.py`). A check shows what somebody has to look into.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import dagster as dg

from assets.checks.reply_shape import reply_shape, reply_shape_spec
from assets.checks.threshold_checks import (
    SETTLEMENT_CHECKS,
    CheckContext,
    check_results,
    check_specs,
)
from assets.day_by_day import day_by_day
from assets.deliveries import delivery_key, pool_of
from assets.figures.alarms import orders_by_reason
from assets.figures.status import destination_status
from assets.ledger.ledger import Ledger
from assets.ledger.totals import totals
from assets.metadata import explained, metadata_of, named
from assets.progress import Progress
from assets.providers.base import Settling
from assets.resources import Destinations, Source
from assets.settlement.lookup import Lookup
from assets.settlement.submissions import SubmissionFollower
from assets.transport.reply_shapes import ReplyShapeRecorder

CHECK = "no_alarm"
Results = Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]


def settlement_key(destination: str) -> dg.AssetKey:
    """Return the key of the settlements of a destination."""
    return dg.AssetKey(["settlements", destination])


def settlement_asset(name: str, provider: str) -> dg.AssetsDefinition:
    """Make the asset of one destination whose provider queues conversions."""

    @dg.asset(
        key=settlement_key(name),
        deps=[delivery_key(name)],
        group_name="delivery",
        kinds={provider},
        pool=pool_of(name),
        description=f"Submissions of the day to {name}, followed to their end.",
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=settlement_key(name),
                description="The provider said nothing that somebody must look into.",
            ),
            reply_shape_spec(settlement_key(name)),
            *check_specs(settlement_key(name), SETTLEMENT_CHECKS),
        ],
    )
    @day_by_day
    def settlements(
        context: dg.AssetExecutionContext,
        source: dg.ResourceParam[Source],
        destinations: dg.ResourceParam[Destinations],
    ) -> Results:
        key = context.partition_key
        destination = destinations.open(name)
        ledger = Ledger(
            source.database,
            destination=name,
            provider=destination.provider_name,
            run_id=context.run.run_id,
            clock=source.database.clock(),
        )
        provider = cast("Settling", destination.provider)
        transport = ReplyShapeRecorder(
            destinations.transport(destination, key), destination.replies
        )
        try:
            settle = SubmissionFollower(
                provider,
                ledger,
                transport,
                partition_key=key,
                on_progress=Progress(context.log.info, "submissions asked").at,
            )
            lookup = Lookup(provider, ledger, transport, partition_key=key)
            stopped = settle.run() or lookup.run()
        finally:
            transport.close()
        yield _checked(orders_by_reason(source.database, name, provider.alarms))
        about = CheckContext(name, key, ledger.clock())
        yield from check_results(
            settlement_key(name),
            SETTLEMENT_CHECKS,
            destination_status(
                source.database,
                destination=name,
                partition_key=key,
                policy=provider.resend,
                now=about.now,
                is_enabled=destination.is_enabled,
            ),
            destinations.checks.of(name),
            about,
        )
        if stopped:
            message = (
                f"Settling failed for {name} {key}: expected answers about queued "
                f"submissions, got a refusal ({stopped}). "
                f"{destinations.mending(name, stopped)} Run this partition again."
            )
            raise dg.Failure(message)
        found = totals(source.database, destination=name, first=key, last=key)
        yield dg.MaterializeResult(
            metadata={
                **metadata_of(found),
                **explained(source.database, name, key),
                **_told(settle, lookup),
            },
            check_results=[
                reply_shape(settlement_key(name), transport.unexpected(), key)
            ],
        )

    return settlements


def _checked(orders: Mapping[str, Sequence[str]]) -> dg.AssetCheckResult:
    """Fail with the orders of each alarming reason."""
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=not orders,
        metadata={reason: named(ids, len(ids)) for reason, ids in orders.items()},
    )


def _told(settle: SubmissionFollower, lookup: Lookup) -> dict[str, Any]:
    return {
        "submissions asked": settle.asked,
        "submissions left": settle.left(),
        "lookup pages": lookup.calls,
        "lookup found": lookup.found,
    } | ({"lookup problem": lookup.problem} if lookup.problem else {})
