"""Asset: the delivery tables of a day, copied to the warehouse for analysts."""

from collections.abc import Sequence

import dagster as dg

from assets.day_by_day import day_by_day
from assets.ledger.publishing import publish
from assets.resources import Source

PUBLISHED = dg.AssetKey("published_deliveries")


def published_asset(upstream: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """Return the asset that runs after every delivery and settlement."""

    @dg.asset(key=PUBLISHED, deps=upstream, group_name="analytics", kinds={"sql"})
    @day_by_day
    def published_deliveries(
        context: dg.AssetExecutionContext, source: dg.ResourceParam[Source]
    ) -> dg.MaterializeResult[None]:
        """Delivery tables of the day in schema `attribution`, replaced by each run."""
        with source.warehouse.write_engine() as engine:
            copied = publish(source.database, engine, context.partition_key)
        return dg.MaterializeResult(metadata={**copied})

    return published_deliveries
