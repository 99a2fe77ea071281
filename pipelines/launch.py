"""Runs of the command line, through Dagster, so that they show in its UI.

How a run is started belongs here; what the command line prints does not.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

# Dagster's own command line starts runs with these, too, but says nothing of the code
# location; then the UI can show such a run and not re-execute it.
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster_shared.error import SerializableErrorInfo

from assets.conversions import conversions
from assets.deliveries import delivery_key
from assets.guards import GuardError
from assets.orders import completed_orders
from pipelines.build import build, lent_source
from pipelines.config import Config, ConfigError, dagster_home
from pipelines.jobs import export_day

LOCATION = "attribution"
_ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), "__repository__"),
    export_day.name,
)


@dataclass(frozen=True, slots=True)
class DayResult:
    """How one partition's run ended.

    Attributes:
        run_id: To be found in the UI.
        failures: Text of each failed step, by step.
        interrupted: The process was told to stop: no further day may begin.
        refused: A guard stopped it: running it again changes nothing.
    """

    day: date
    run_id: str
    failures: dict[str, str]
    interrupted: bool = False
    refused: bool = False

    @property
    def finished(self) -> bool:
        """Whether every step succeeded."""
        return not self.failures


class Launcher:
    """Starts runs of one deployment in this process.

    Args:
        config: The deployment.
        instance: Where runs are kept; None: as `dagster.yaml` or DAGSTER_HOME says.
    """

    def __init__(
        self, config: Config, instance: dg.DagsterInstance | None = None
    ) -> None:
        self.config = config
        self._instance = instance or open_instance()
        self._job = build(config).resolve_job_def(export_day.name)

    def export(
        self,
        day: date,
        *,
        to: Sequence[str] = (),
        limit: int = 0,
        override: str = "",
        until_conversions: bool = False,
    ) -> DayResult:
        """Run one partition.

        Args:
            day: The partition.
            to: Only these destinations; none: all.
            limit: Send at most so many conversions to each; 0: all.
            override: Why the day is right though a guard refuses it.
            until_conversions: Stop before anything is sent.

        Raises:
            ConfigError: There is no such destination or partition.
            LedgerError: The delivery tables cannot be used.
            StagingError: The staging folder cannot be used.
        """
        self.check(day, to)
        selection = self._selected(to, until_conversions=until_conversions)
        job = (
            self._job.get_subset(asset_selection=selection) if selection else self._job
        )
        run = self._instance.create_run_for_job(
            job,
            run_config=self._run_config(to, limit, override),
            tags={"dagster/partition": day.isoformat()},
            asset_selection=selection,
            remote_job_origin=_ORIGIN,
        )
        result = execute_run(InMemoryJob(job), run, self._instance)
        failures = {
            event.step_key or "run": _reason(event.step_failure_data.error)
            for event in result.all_events
            if event.is_step_failure
        }
        if not result.success and not failures:
            failures["run"] = _reason(_error_of_run(result.all_events))
        return DayResult(
            day,
            result.run_id,
            failures,
            interrupted=_failed_with(result.all_events, _INTERRUPTS),
            refused=_failed_with(result.all_events, {GuardError.__name__}),
        )

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

    def _selected(
        self, to: Sequence[str], *, until_conversions: bool
    ) -> set[dg.AssetKey] | None:
        if not to and not until_conversions:
            return None
        if until_conversions:
            staged = dg.AssetSelection.assets(conversions).upstream()
            return set(staged.resolve(self._job.asset_layer.asset_graph))
        keys = self._job.asset_layer.executable_asset_keys
        return {key for key in keys if len(key.path) == 1 or key.path[-1] in to}

    def _run_config(
        self, to: Sequence[str], limit: int, override: str
    ) -> dict[str, Any]:
        ops: dict[str, Any] = {}
        config: dict[str, Any] = {
            "loggers": {"console": {"config": {"log_level": self._log_level()}}},
            "ops": ops,
        }
        if override:
            ops[completed_orders.op.name] = {"config": {"override": override}}
        if limit:
            names = to or list(self.config.destinations)
            ops |= {
                delivery_key(name).to_python_identifier(): {"config": {"limit": limit}}
                for name in names
            }
        return config

    def _log_level(self) -> str:
        # A person reads the table at the end; a collector of logs wants every line.
        return "DEBUG" if self.config.log_format == "json" else "CRITICAL"


def _failed_with(events: Sequence[dg.DagsterEvent], names: Collection[str]) -> bool:
    errors = [one.step_failure_data.error for one in events if one.is_step_failure]
    errors.append(_error_of_run(events))
    while errors:
        error = errors.pop()
        if error is not None:
            if error.cls_name in names:
                return True
            errors += [error.cause, error.context]
    return False


_INTERRUPTS = {"DagsterExecutionInterruptedError", "KeyboardInterrupt"}


def days_between(first: date, last: date) -> Iterator[date]:
    """Yield every day from `first` to `last`, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def open_instance() -> dg.DagsterInstance:
    """Return the instance of DAGSTER_HOME, else of the `dagster.yaml` of this folder.

    Raises:
        ConfigError: There is neither.
    """
    folder = dagster_home() or Path.cwd()
    if not (folder / "dagster.yaml").exists():
        message = (
            f"Opening Dagster failed for {folder}: expected a dagster.yaml, got none. "
            "Run from the project's folder, or set DAGSTER_HOME."
        )
        raise ConfigError(message)
    return dg.DagsterInstance.from_config(str(folder))


def _today(config: Config) -> date:
    return datetime.now(config.zone).date()


def _error_of_run(events: Iterable[dg.DagsterEvent]) -> SerializableErrorInfo | None:
    failed = (one.job_failure_data.error for one in events if one.is_job_failure)
    return next(failed, None)


def _reason(error: SerializableErrorInfo | None) -> str:
    if error is None:
        return "no reason given"
    cause = error.cause or error
    said = cause.message.strip().splitlines()[0]
    return re.sub(r"^[\w.]+: ", "", said)  # without the name of the class
