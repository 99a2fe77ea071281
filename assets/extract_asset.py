"""The common part of the extract assets: one statement, one window, one staged file."""

import dagster as dg

from assets.partitions import window_of
from assets.progress import Progress
from assets.resources import Source
from assets.source.extract import ExtractResult


def stage_statement(
    context: dg.AssetExecutionContext, source: Source
) -> dg.MaterializeResult[None]:
    """Stage the statement that has the name of the asset."""
    statement = context.asset_key.path[-1]
    progress = Progress(context.log.info, "rows staged")
    result = source.extractor.extract(
        statement,
        context.partition_key,
        window_of(context),
        on_good=lambda rows: progress.add(len(rows)),
    )
    return extract_metadata(context, source, result)


def extract_metadata(
    context: dg.AssetExecutionContext, source: Source, result: ExtractResult
) -> dg.MaterializeResult[None]:
    """Return the metadata of an extract for the UI."""
    path = source.staging.path(context.asset_key.path[-1], context.partition_key)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": result.rows,
            "quarantined_rows": result.rejects,
            "file": dg.MetadataValue.path(path),
        }
    )
