"""Jobs: which assets run together, and with which executor. No asset code here."""

import dagster as dg

PRELOADED = [
    "assets.source.extract",
    "assets.joining.join",
    "assets.delivery.dispatch",
    "assets.providers.registry",
]

export_day = dg.define_asset_job(
    "export_day",
    selection=dg.AssetSelection.all(),
    executor_def=dg.in_process_executor,
    description="One day for all destinations in one process: backfills, the CLI.",
)

nightly_export = dg.define_asset_job(
    "nightly_export",
    selection=dg.AssetSelection.all(),
    executor_def=dg.multiprocess_executor.configured(
        {
            "max_concurrent": 4,
            "start_method": {"forkserver": {"preload_modules": PRELOADED}},
        }
    ),
    description="One day for all destinations, so that a slow one delays no other.",
)

follow_submissions = dg.define_asset_job(
    "follow_submissions",
    selection=dg.AssetSelection.key_prefixes("settlements"),
    executor_def=dg.in_process_executor,
    description="Asks what became of queued deliveries; sends no conversion.",
)
