"""Jobs: which assets run together, and with which executor."""

import dagster as dg

_PRELOADED_MODULES = [
    "assets.source.extract",
    "assets.joining.join",
    "assets.delivery.dispatch",
    "assets.providers.registry",
]

export_day = dg.define_asset_job(
    "export_day",
    selection=dg.AssetSelection.all(),
    executor_def=dg.in_process_executor,
    description="Exports one day to all destinations, in one process.",
)

_process_per_destination = dg.multiprocess_executor.configured(
    {
        "max_concurrent": 4,
        "start_method": {"forkserver": {"preload_modules": _PRELOADED_MODULES}},
    }
)

nightly_export = dg.define_asset_job(
    "nightly_export",
    selection=dg.AssetSelection.all(),
    executor_def=_process_per_destination,
    description="Exports one day to all destinations, each in its own process.",
)

follow_submissions = dg.define_asset_job(
    "follow_submissions",
    selection=dg.AssetSelection.key_prefixes("settlements"),
    executor_def=dg.in_process_executor,
    description="Queries the results of queued deliveries; sends no conversion.",
)

finish_due = dg.define_asset_job(
    "finish_due",
    selection=dg.AssetSelection.key_prefixes("deliveries", "published_deliveries"),
    executor_def=_process_per_destination,
    description="Sends what is due again of a day, from the staged conversions.",
)
