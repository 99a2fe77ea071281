"""Asset: the click and visitor identifiers stored for the orders of a day."""

import dagster as dg

from assets.resources import Source
from assets.staged import stage


@dg.asset(group_name="extract", kinds={"sql", "parquet"})
def visitor_identifiers(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[Source]
) -> dg.MaterializeResult[None]:
    """Identifiers of the window's orders and visitors, up to the order's time."""
    return stage(context, source)
