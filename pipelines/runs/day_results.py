"""How the days of a run ended, read from what the run recorded."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from assets.day_by_day import ERROR, FAILED
from assets.source.guards import GuardError

_INTERRUPTS = {
    "DagsterExecutionInterruptedError",
    "KeyboardInterrupt",
    "InterruptException",  # DuckDB's word for a signal that came while it worked
}
_REFUSALS = {GuardError.__name__}
_TELLING = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_OBSERVATION}


@dataclass(frozen=True, slots=True)
class DayResult:
    """How one partition ended in its run.

    Attributes:
        run_id: To be found in the UI.
        failures: Text of each failed step, by step.
        interrupted: The process was told to stop: no further day may begin.
        refused: A guard stopped it: running it again changes nothing.
    """

    day: date
    run_id: str
    failures: Mapping[str, str]
    interrupted: bool = False
    refused: bool = False

    @property
    def finished(self) -> bool:
        """Whether every step succeeded."""
        return not self.failures


def result_of_one_day(day: date, result: dg.JobExecutionResult) -> DayResult:
    """Return how a run of one day ended."""
    return DayResult(
        day,
        result.run_id,
        {} if result.success else _failures(result.all_events),
        interrupted=_failed_with(result.all_events, _INTERRUPTS),
        refused=_failed_with(result.all_events, _REFUSALS),
    )


def results_of_several_days(
    days: Sequence[date],
    result: dg.JobExecutionResult,
    unmade: Collection[str],
) -> list[DayResult]:
    """Return how each day of a run of several ended.

    Args:
        days: The days of the run.
        result: The run.
        unmade: Keys of the days of which something was not materialized.
    """
    interrupted = _failed_with(result.all_events, _INTERRUPTS)
    of_run = {} if result.success else _failures(result.all_events)
    failures, refused = _told_of_days(result.all_events)
    return [
        DayResult(
            day,
            result.run_id,
            (failures.get(key) or of_run) if key in unmade else {},
            interrupted=interrupted,
            refused=key in refused,
        )
        for day in days
        for key in [day.isoformat()]
    ]


def guard_messages(
    instance: dg.DagsterInstance, asset: dg.AssetKey, days: Collection[str]
) -> dict[str, str]:
    """Return what a guard said of failed days of an asset; of most it said nothing."""
    storage = instance.event_log_storage
    found = storage.get_latest_asset_partition_materialization_attempts_without_materializations  # noqa: E501 - its name
    told: dict[str, str] = {}
    for day, (run_id, _) in found(asset).items():
        if day in days:
            logs = instance.all_logs(run_id, of_type=_TELLING)
            events = [one.dagster_event for one in logs if one.dagster_event]
            if said := _refusal(events, asset, day):
                told[day] = said
    return told


def _refusal(
    events: Sequence[dg.DagsterEvent], asset: dg.AssetKey, day: str
) -> str | None:
    step = asset.to_python_identifier()
    own = [event for event in events if event.step_key == step]
    told, refused = _told_of_days(own)
    if day in refused:
        return told[day][step]
    if not told and _failed_with(own, _REFUSALS):
        return _failures(own)[step]
    return None


def _told_of_days(
    events: Iterable[dg.DagsterEvent],
) -> tuple[Mapping[str, Mapping[str, str]], set[str]]:
    failures: dict[str, dict[str, str]] = defaultdict(dict)
    refused = set()
    for event in events:
        if not event.is_asset_observation:
            continue
        told = event.asset_observation_data.asset_observation
        if told.partition and FAILED in told.metadata:
            step = event.step_key or "run"
            failures[told.partition][step] = _first_line(
                str(told.metadata[FAILED].value)
            )
            if told.metadata[ERROR].value in _REFUSALS:
                refused.add(told.partition)
    return failures, refused


def _failures(events: Sequence[dg.DagsterEvent]) -> dict[str, str]:
    failures = {
        event.step_key or "run": _reason(event.step_failure_data.error)
        for event in events
        if event.is_step_failure
    }
    return failures or {"run": _reason(_error_of_run(events))}


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


def _error_of_run(events: Iterable[dg.DagsterEvent]) -> SerializableErrorInfo | None:
    failed = (one.job_failure_data.error for one in events if one.is_job_failure)
    return next(failed, None)


def _reason(error: SerializableErrorInfo | None) -> str:
    if error is None:
        return "no reason given"
    if error.cls_name in _INTERRUPTS:
        return "told to stop; run it again"
    said = _first_line((error.cause or error).message)
    return re.sub(r"^[\w.]+: ", "", said)  # without the name of the class


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0]
