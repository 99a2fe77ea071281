"""Assets: the completed orders of a day and their line items."""

import dagster as dg

from assets.resources import Source
from assets.staged import stage


@dg.asset(group_name="extract", kinds={"sql", "parquet"})
def completed_orders(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[Source]
) -> dg.MaterializeResult[None]:
    """Orders completed in the window, one row per order; unfit rows are quarantined."""
    return stage(context, source)


@dg.asset(group_name="extract", kinds={"sql", "parquet"})
def order_items(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[Source]
) -> dg.MaterializeResult[None]:
    """Line items of the orders of the window."""
    return stage(context, source)
