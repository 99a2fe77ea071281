"""Assets: the experiments and segments of the visitors who ordered on a day."""

import dagster as dg

from assets.day_by_day import day_by_day
from assets.extract_asset import stage_statement
from assets.resources import Source


@dg.asset(group_name="extract", kinds={"sql", "parquet"})
@day_by_day
def visitor_bucketing(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[Source]
) -> dg.MaterializeResult[None]:
    """Experiment exposures of the window's visitors, up to the time of the order."""
    return stage_statement(context, source)


@dg.asset(group_name="extract", kinds={"sql", "parquet"})
@day_by_day
def visitor_segments(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[Source]
) -> dg.MaterializeResult[None]:
    """Segments stored for the window's visitors, up to the time of the order."""
    return stage_statement(context, source)
