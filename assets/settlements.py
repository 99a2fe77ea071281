"""Assets: what became of queued deliveries, one asset per destination that queues."""

from collections.abc import Iterator
from typing import cast

import dagster as dg

from assets.deliveries import delivery_key, pool_of
from assets.delivery.ledger import Ledger
from assets.delivery.settling import Settle
from assets.delivery.totals import totals
from assets.delivery.watching import Watch
from assets.outlook import metadata_of
from assets.providers.base import Settling
from assets.reply_shape import reply_shape, reply_shape_spec
from assets.resources import Destinations, Source


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
        check_specs=[reply_shape_spec(settlement_key(name))],
    )
    def settlements(
        context: dg.AssetExecutionContext,
        source: dg.ResourceParam[Source],
        destinations: dg.ResourceParam[Destinations],
    ) -> Iterator[dg.MaterializeResult[None]]:
        key = context.partition_key
        destination = destinations.open(name)
        ledger = Ledger(
            source.database,
            destination=name,
            provider=destination.provider_name,
            run_id=context.run.run_id,
        )
        transport = Watch(destinations.transport(destination, key), destination.replies)
        try:
            provider = cast("Settling", destination.provider)
            stopped = Settle(provider, ledger, transport, partition_key=key).run()
        finally:
            transport.close()
        if stopped:
            message = (
                f"Settling failed for {name} {key}: expected answers about queued "
                f"submissions, got a refusal ({stopped}). "
                f"{destinations.mending(name, stopped)} Run this partition again."
            )
            raise dg.Failure(message)
        found = totals(source.database, destination=name, first=key, last=key)
        yield dg.MaterializeResult(
            metadata=metadata_of(found),
            check_results=[reply_shape(settlement_key(name), transport.found())],
        )

    return settlements
