"""Runs of the command line, through Dagster, so that they show in its UI.

How a run is started belongs here; what the command line prints does not.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

# Dagster's own command line starts runs with these, too, but says nothing of the code
# location; then the UI can show such a run and not re-execute it.
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from assets.conversions import conversions
from assets.deliveries import delivery_key
from assets.ledger.database import LedgerError
from assets.orders import completed_orders
from assets.source.errors import WarehouseError
from pipelines.build import build, lent_source
from pipelines.configuration.config import Config, ConfigError
from pipelines.jobs import export_day
from pipelines.red_days import changed_tables, copy_days
from pipelines.runs.day_results import DayResult, of_one_day, of_several_days
from pipelines.runs.history import of_history, open_instance
from pipelines.runs.lost_interrupts import send_again

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
        instance: Where runs are kept; None: as `dagster.yaml` or DAGSTER_HOME says.
    """

    def __init__(
        self, config: Config, instance: dg.DagsterInstance | None = None
    ) -> None:
        send_again()
        self.config = config
        self.instance = instance or open_instance()
        self._job = build(config).resolve_job_def(export_day.name)

    @property
    def graph(self) -> AssetGraph:
        """The assets and what follows from what."""
        return self._job.asset_layer.asset_graph

    def assets_of(self, to: Sequence[str]) -> Assets:
        """Return the assets of these destinations and those of all; none: all."""
        keys = self._job.asset_layer.executable_asset_keys
        return {
            key for key in keys if not to or len(key.path) == 1 or key.path[-1] in to
        }

    def export(
        self,
        day: date,
        *,
        to: Sequence[str] = (),
        limit: int = 0,
        override: str = "",
        until_conversions: bool = False,
        only: Assets | None = None,
    ) -> DayResult:
        """Run one partition.

        Args:
            day: The partition.
            to: Only these destinations; none: all.
            limit: Send at most so many conversions to each; 0: all.
            override: Why the day is right though a guard refuses it.
            until_conversions: Stop before anything is sent.
            only: Of all that, only these assets; None: all.

        Raises:
            ConfigError: There is no such destination or partition.
            LedgerError: The delivery tables cannot be used.
            StagingError: The staging folder cannot be used.
        """
        self.check(day, to)
        if until_conversions:
            only = dg.AssetSelection.assets(conversions).upstream().resolve(self.graph)
        selected = self._selected(to, only)
        config = self._run_config(selected, to, limit, override)
        tags = {PARTITION_NAME_TAG: day.isoformat()}
        result = self._execute(tags, selected, config)
        self._publish_red(result, [day])
        return of_one_day(day, result)

    def export_together(
        self,
        days: Sequence[date],
        *,
        to: Sequence[str] = (),
        override: str = "",
        only: Assets | None = None,
    ) -> list[DayResult]:
        """Run partitions that follow one another in one run.

        Args:
            days: Without a gap.
            to: Only these destinations; none: all.
            override: Why the days are right though a guard refuses them.
            only: Of all that, only these assets; None: all.

        Raises:
            ConfigError: There is no such destination or partition.
            LedgerError: The delivery tables cannot be used.
            StagingError: The staging folder cannot be used.
        """
        first, last = days[0], days[-1]
        for day in (first, last):
            self.check(day, to)
        selected = self._selected(to, only)
        config = self._run_config(selected, to, 0, override)
        tags = {
            ASSET_PARTITION_RANGE_START_TAG: first.isoformat(),
            ASSET_PARTITION_RANGE_END_TAG: last.isoformat(),
        }
        result = self._execute(tags, selected, config)
        self._publish_red(result, days)
        made = {
            (event.asset_key, event.partition)
            for event in result.all_events
            if event.is_step_materialization
        }
        unmade = {
            key
            for key in (day.isoformat() for day in days)
            if any((asset, key) not in made for asset in selected)
        }
        return of_several_days(days, result, unmade)

    def check(self, day: date, to: Sequence[str]) -> None:
        """Raise what `export` would raise before it starts a run."""
        for name in to:
            if name not in self.config.destinations:
                known = ", ".join(self.config.destinations)
                message = (
                    f"Exporting failed for {name}: expected one of {known}. "
                    "Name a configured destination."
                )
                raise ConfigError(message)
        today = _today(self.config)
        if not self.config.start_date <= day < today:
            message = (
                f"Exporting failed for {day}: expected a whole day from "
                f"{self.config.start_date} to {today - timedelta(days=1)} in "
                f"{self.config.timezone}. Choose such a day."
            )
            raise ConfigError(message)
        with lent_source(self.config) as source:
            source.database.ensure_version()

    def _selected(self, to: Sequence[str], only: Assets | None) -> Assets:
        return self.assets_of(to) if only is None else only

    def _execute(
        self, tags: Mapping[str, str], selected: Assets, config: Mapping[str, Any]
    ) -> dg.JobExecutionResult:
        # A run of everything is named after the job, not after a list of assets.
        is_all = selected == self._job.asset_layer.executable_asset_keys
        selection = None if is_all else set(selected)
        job = (
            self._job.get_subset(asset_selection=selection) if selection else self._job
        )
        with of_history():
            run = self.instance.create_run_for_job(
                job,
                run_config=config,
                tags=tags,
                asset_selection=selection,
                remote_job_origin=_ORIGIN,
            )
            return execute_run(InMemoryJob(job), run, self.instance)

    def _publish_red(self, result: dg.JobExecutionResult, days: Sequence[date]) -> None:
        """As the sensor does where a daemon watches."""
        if result.success:
            return
        failed = [event.step_key or "" for event in result.get_step_failure_events()]
        if self.config.publish and changed_tables(failed):
            # The run has failed already, and says why.
            with (
                suppress(LedgerError, WarehouseError),
                lent_source(self.config) as source,
            ):
                copy_days(source, [day.isoformat() for day in days])

    def _run_config(
        self, selected: Assets, to: Sequence[str], limit: int, override: str
    ) -> dict[str, Any]:
        ops: dict[str, Any] = {}
        config: dict[str, Any] = {
            "loggers": {"console": {"config": {"log_level": self._log_level()}}},
            "ops": ops,
        }
        if override and completed_orders.key in selected:
            ops[completed_orders.op.name] = {"config": {"override": override}}
        if limit:
            ops |= {
                delivery_key(name).to_python_identifier(): {"config": {"limit": limit}}
                for name in to or self.config.destinations
            }
        return config

    def _log_level(self) -> str:
        # A person reads the table at the end; a collector of logs wants every line.
        return "DEBUG" if self.config.log_format == "json" else "CRITICAL"


def _today(config: Config) -> date:
    return datetime.now(config.zone).date()
