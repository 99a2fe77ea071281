"""Starts runs of the command line through Dagster, so that its UI shows them.

The output of the commands belongs in `pipelines.commands`.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any, TypeAlias

import dagster as dg

from assets.conversions import conversions
from assets.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    AssetGraph,
    InMemoryJob,
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
    execute_run,
)
from pipelines.build import build
from pipelines.configuration.config import Config
from pipelines.jobs import export_day
from pipelines.runs.day_results import (
    DayResult,
    result_of_one_day,
    results_of_several_days,
)
from pipelines.runs.history import history_errors, open_instance
from pipelines.runs.interrupts import resend_lost_interrupts
from pipelines.runs.preconditions import check_export
from pipelines.runs.publishing import publish_failed_run
from pipelines.runs.run_config import run_config

LOCATION = "attribution"
_ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), "__repository__"),
    export_day.name,
)
Assets: TypeAlias = AbstractSet[dg.AssetKey]


class Launcher:
    """Starts runs of one deployment in this process.

    Args:
        config: The deployment.
        instance: The Dagster instance; None for the one of `dagster.yaml` or
            DAGSTER_HOME.
    """

    def __init__(
        self, config: Config, instance: dg.DagsterInstance | None = None
    ) -> None:
        resend_lost_interrupts()
        self.config = config
        self.instance = instance or open_instance()
        self._job = build(config).resolve_job_def(export_day.name)

    @property
    def graph(self) -> AssetGraph:
        """The asset graph of the deployment."""
        return self._job.asset_layer.asset_graph

    def assets_of(self, destinations: Sequence[str]) -> Assets:
        """Return the shared assets and those of the destinations; empty for all."""
        keys = self._job.asset_layer.executable_asset_keys
        return {
            key
            for key in keys
            if not destinations or len(key.path) == 1 or key.path[-1] in destinations
        }

    def export(
        self,
        day: date,
        *,
        destinations: Sequence[str] = (),
        limit: int = 0,
        override: str = "",
        until_conversions: bool = False,
        only: Assets | None = None,
    ) -> DayResult:
        """Run one partition.

        Args:
            day: The partition.
            destinations: Names of the destinations; empty for all.
            limit: Most conversions to send to each destination; 0 for no limit.
            override: Reason to accept a day that a guard refuses.
            until_conversions: Stop before the deliveries.
            only: Restricts the run to these assets; None for no restriction.

        Raises:
            ConfigError: There is no such destination or partition.
            LedgerError: The delivery tables cannot be used.
            StagingError: The staging folder cannot be used.
        """
        check_export(self.config, day, destinations)
        if until_conversions:
            only = dg.AssetSelection.assets(conversions).upstream().resolve(self.graph)
        selected = self.assets_of(destinations) if only is None else only
        result = self._execute(
            {PARTITION_NAME_TAG: day.isoformat()},
            selected,
            run_config(
                self.config, selected, destinations, limit=limit, override=override
            ),
        )
        publish_failed_run(self.config, result, [day])
        return result_of_one_day(day, result)

    def export_range(
        self,
        days: Sequence[date],
        *,
        destinations: Sequence[str] = (),
        override: str = "",
        only: Assets | None = None,
    ) -> list[DayResult]:
        """Run consecutive partitions in one run.

        Args:
            days: The partitions, without a gap.
            destinations: Names of the destinations; empty for all.
            override: Reason to accept days that a guard refuses.
            only: Restricts the run to these assets; None for no restriction.

        Raises:
            ConfigError: There is no such destination or partition.
            LedgerError: The delivery tables cannot be used.
            StagingError: The staging folder cannot be used.
        """
        first, last = days[0], days[-1]
        for day in (first, last):
            check_export(self.config, day, destinations)
        selected = self.assets_of(destinations) if only is None else only
        result = self._execute(
            {
                ASSET_PARTITION_RANGE_START_TAG: first.isoformat(),
                ASSET_PARTITION_RANGE_END_TAG: last.isoformat(),
            },
            selected,
            run_config(self.config, selected, destinations, limit=0, override=override),
        )
        publish_failed_run(self.config, result, days)
        return results_of_several_days(days, result, selected)

    def _execute(
        self, tags: Mapping[str, str], selected: Assets, config: Mapping[str, Any]
    ) -> dg.JobExecutionResult:
        # Without a selection, the UI names the run after the job instead of its assets.
        is_all = selected == self._job.asset_layer.executable_asset_keys
        selection = None if is_all else set(selected)
        job = (
            self._job.get_subset(asset_selection=selection) if selection else self._job
        )
        with history_errors():
            run = self.instance.create_run_for_job(
                job,
                run_config=config,
                tags=tags,
                asset_selection=selection,
                remote_job_origin=_ORIGIN,
            )
            return execute_run(InMemoryJob(job), run, self.instance)
