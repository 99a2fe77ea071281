"""Assets: the outcome of queued deliveries, one asset per destination that queues.

Each run asks about queued submissions, then looks up deliveries without a known outcome
in the provider's own list. A check shows the reasons that need a person.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import dagster as dg

from assets.checks.destination import destination_checks
from assets.checks.reply_shape import reply_shape, reply_shape_spec
from assets.checks.threshold_checks import SETTLEMENT_CHECKS, check_specs
from assets.day_by_day import day_by_day
from assets.deliveries import delivery_key, pool_of
from assets.delivery.destination import Destination
from assets.figures.alarms import orders_by_reason
from assets.ledger.ledger import Ledger
from assets.ledger.rows import Clock
from assets.ledger.totals import totals
from assets.metadata import explanation_metadata, order_list, totals_metadata
from assets.progress import Progress
from assets.providers.base import QueueingProvider
from assets.resources import Destinations, Source
from assets.settlement.lookup import Lookup
from assets.settlement.submissions import SubmissionFollower
from assets.transport.reply_shapes import ReplyShapeRecorder, UnexpectedShape

CHECK = "no_alarm"
Results = Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]


def settlement_key(destination: str) -> dg.AssetKey:
    """Return the key of the settlements of a destination."""
    return dg.AssetKey(["settlements", destination])


def _check_specs(asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            CHECK,
            asset=asset,
            description="The provider reported nothing that needs a person.",
        ),
        reply_shape_spec(asset),
        *check_specs(asset, SETTLEMENT_CHECKS),
    ]


def settlement_asset(name: str, provider: str) -> dg.AssetsDefinition:
    """Make the asset of one destination whose provider queues conversions."""

    @dg.asset(
        key=settlement_key(name),
        deps=[delivery_key(name)],
        group_name="delivery",
        kinds={provider},
        pool=pool_of(name),
        description=f"Submissions of the day to {name}, followed to their end.",
        check_specs=_check_specs(settlement_key(name)),
    )
    @day_by_day
    def settlements(
        context: dg.AssetExecutionContext,
        source: dg.ResourceParam[Source],
        destinations: dg.ResourceParam[Destinations],
    ) -> Results:
        key = context.partition_key
        destination = destinations.open(name)
        followed = _follow_up(context, source, destinations, destination)
        alarms = cast("QueueingProvider", destination.provider).alarms
        yield _alarm_check(orders_by_reason(source.database, name, alarms))
        yield from destination_checks(
            settlement_key(name),
            SETTLEMENT_CHECKS,
            source,
            destinations,
            destination,
            partition_key=key,
            now=followed.clock(),
        )
        if followed.stopped:
            message = (
                f"Settling failed for {name} {key}: expected answers about queued "
                f"submissions, got a refusal ({followed.stopped}). "
                f"{destinations.repair_hint(name, followed.stopped)} Run this "
                "partition again."
            )
            raise dg.Failure(message)
        found = totals(source.database, destination=name, first=key, last=key)
        yield dg.MaterializeResult(
            metadata={
                **totals_metadata(found),
                **explanation_metadata(source.database, name, key),
                **followed.metadata,
            },
            check_results=[
                reply_shape(settlement_key(name), followed.unknown_shapes, key)
            ],
        )

    return settlements


@dataclass(frozen=True, slots=True)
class _FollowUp:
    """The result of one run over the queued submissions.

    Attributes:
        stopped: Why the provider refused to answer; None: it answered.
        metadata: The counts of the run.
        unknown_shapes: What the provider's documents do not name about its replies.
        clock: The time of the run.
    """

    stopped: str | None
    metadata: Mapping[str, Any]
    unknown_shapes: Sequence[UnexpectedShape]
    clock: Clock


def _follow_up(
    context: dg.AssetExecutionContext,
    source: Source,
    destinations: Destinations,
    destination: Destination,
) -> _FollowUp:
    """Ask about queued submissions, then look up deliveries without a known outcome."""
    key = context.partition_key
    ledger = Ledger(
        source.database,
        destination=destination.name,
        provider=destination.provider_name,
        run_id=context.run.run_id,
        clock=source.database.clock(),
    )
    provider = cast("QueueingProvider", destination.provider)
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
    return _FollowUp(
        stopped=stopped,
        metadata=_follow_up_metadata(settle, lookup),
        unknown_shapes=transport.unexpected(),
        clock=ledger.clock,
    )


def _alarm_check(orders: Mapping[str, Sequence[str]]) -> dg.AssetCheckResult:
    """Fail with the orders of each alarming reason."""
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=not orders,
        metadata={reason: order_list(ids, len(ids)) for reason, ids in orders.items()},
    )


def _follow_up_metadata(settle: SubmissionFollower, lookup: Lookup) -> dict[str, Any]:
    return {
        "submissions asked": settle.asked,
        "submissions left": settle.left(),
        "lookup pages": lookup.calls,
        "lookup found": lookup.found,
    } | ({"lookup problem": lookup.problem} if lookup.problem else {})
