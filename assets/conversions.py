"""Asset: the conversions of a day, one row per order as of the time of the order."""

import dagster as dg

from assets import money
from assets.bucketing import visitor_bucketing, visitor_segments
from assets.day_by_day import day_by_day
from assets.identifiers import visitor_identifiers
from assets.joining.join import ASSET
from assets.orders import completed_orders, order_items
from assets.resources import Source


@dg.asset(
    deps=[
        completed_orders,
        order_items,
        visitor_identifiers,
        visitor_bucketing,
        visitor_segments,
    ],
    group_name="attribution",
    kinds={"duckdb", "parquet"},
)
@day_by_day
def conversions(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[Source]
) -> dg.MaterializeResult[None]:
    """One row per order: identifiers, bucketing and segments as of the order, items."""
    result = source.joiner.join(context.partition_key, context.run.run_id)
    revenue = {
        f"revenue/{currency}": float(
            money.from_minor(minor, money.minor_digits(currency))
        )
        for currency, (_, minor) in result.totals.items()
    }
    path = source.staging.path(ASSET, context.partition_key)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": result.orders,
            "quarantined_orders": result.rejected,
            "orphan_items": result.orphans,
            "file": dg.MetadataValue.path(path),
            **revenue,
        }
    )
