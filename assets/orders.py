"""Assets: the completed orders of a day, and their line items."""

import dagster as dg

from assets.day_by_day import day_by_day
from assets.extract_asset import extract_metadata, stage_statement
from assets.partitions import window_of
from assets.progress import Progress
from assets.resources import Source


class OrdersConfig(dg.Config):
    """Options of one run.

    Attributes:
        override: The reason why the day is right in spite of the guards; blank: the
            guards apply.
    """

    override: str = ""


@dg.asset(group_name="extract", kinds={"sql", "parquet"})
@day_by_day
def completed_orders(
    context: dg.AssetExecutionContext,
    config: OrdersConfig,
    source: dg.ResourceParam[Source],
) -> dg.MaterializeResult[None]:
    """Orders completed in the window, one row per order; unfit rows are quarantined.

    The guards refuse a day whose volume differs too much from the days before.
    """
    result = source.extractor.extract_orders(
        context.partition_key,
        window_of(context),
        run_id=context.run.run_id,
        override=config.override.strip(),
        on_rows=Progress(context.log.info, "rows staged").add,
    )
    return extract_metadata(context, source, result)


@dg.asset(group_name="extract", kinds={"sql", "parquet"})
@day_by_day
def order_items(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[Source]
) -> dg.MaterializeResult[None]:
    """Line items of the orders of the window."""
    return stage_statement(context, source)
