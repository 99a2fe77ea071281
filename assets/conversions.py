"""Asset: the conversions of a day, one row per order as of the time of the order."""

import dagster as dg

from assets import money
from assets.bucketing import visitor_bucketing, visitor_segments
from assets.checks.orphan_identifiers import (
    orphan_identifiers,
    orphan_identifiers_spec,
)
from assets.day_by_day import day_by_day
from assets.identifiers import visitor_identifiers
from assets.joining.join import ASSET
from assets.ledger.identifier_counts import usual_counts
from assets.orders import completed_orders, order_items
from assets.resources import Destinations, Source


class ConversionsConfig(dg.Config):
    """Options of one run.

    Attributes:
        override: The reason why the day is right although many of its orders are
            quarantined; blank: the guard applies.
    """

    override: str = ""


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
    check_specs=[orphan_identifiers_spec(dg.AssetKey(ASSET))],
)
@day_by_day
def conversions(
    context: dg.AssetExecutionContext,
    config: ConversionsConfig,
    source: dg.ResourceParam[Source],
    destinations: dg.ResourceParam[Destinations],
) -> dg.MaterializeResult[None]:
    """One row per order: identifiers, bucketing and segments as of the order, items.

    A guard refuses a day of which too many orders are quarantined.
    """
    key, run_id = context.partition_key, context.run.run_id
    result = source.joiner.join(
        key,
        run_id,
        check=lambda found: source.guard.check_quarantined(
            found,
            key,
            step="Joining",
            asset="conversions",
            effect="Nothing was sent.",
            run_id=run_id,
            override=config.override.strip(),
        ),
    )
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
            "orphan_identifiers": sum(one.orphans for one in result.identifiers),
            "file": dg.MetadataValue.path(path),
            **revenue,
        },
        check_results=[
            orphan_identifiers(
                context.asset_key,
                key,
                result.identifiers,
                usual_counts(source.database, key),
                destinations.checks.orphan_identifiers,
            )
        ],
    )
