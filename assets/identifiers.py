"""Asset: the click and visitor identifiers stored for the orders of a day."""

import dagster as dg

from assets.day_by_day import day_by_day
from assets.extract_asset import stage_statement
from assets.resources import Source


@dg.asset(group_name="extract", kinds={"sql", "parquet"})
@day_by_day
def visitor_identifiers(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[Source]
) -> dg.MaterializeResult[None]:
    """Identifiers of the window's orders and visitors, up to the time of the order."""
    return stage_statement(context, source)
