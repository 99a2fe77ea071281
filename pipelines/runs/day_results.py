"""The result of each day of a run, read from the events of the run."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from assets.day_by_day import ERROR, FAILED
from assets.source.guards import GuardError

_INTERRUPT_ERRORS = {
    "DagsterExecutionInterruptedError",
    "KeyboardInterrupt",
    "InterruptException",  # raised by DuckDB if a signal arrives during a query
}
_GUARD_ERRORS = {GuardError.__name__}
_FAILURE_EVENTS = {
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_OBSERVATION,
}


@dataclass(frozen=True, slots=True)
class DayResult:
    """The result of one partition in its run.

    Attributes:
        day: The partition.
        run_id: Id of the run in the UI.
        failures: Error text of each failed step, by step.
        interrupted: Whether the process was told to stop; no further day may begin.
        refused: Whether a guard refused the day; a re-run cannot help.
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
    """Return the result of a run of one day."""
    return DayResult(
        day,
        result.run_id,
        {} if result.success else _step_failures(result.all_events),
        interrupted=_failed_with(result.all_events, _INTERRUPT_ERRORS),
        refused=_failed_with(result.all_events, _GUARD_ERRORS),
    )


def results_of_several_days(
    days: Sequence[date],
    result: dg.JobExecutionResult,
    selected: Collection[dg.AssetKey],
) -> list[DayResult]:
    """Return the result of each day of a run of several days.

    Args:
        days: The days of the run.
        result: The run.
        selected: The assets of the run; a day failed unless all were materialized.
    """
    materialized = {
        (event.asset_key, event.partition)
        for event in result.all_events
        if event.is_step_materialization
    }
    interrupted = _failed_with(result.all_events, _INTERRUPT_ERRORS)
    of_run = {} if result.success else _step_failures(result.all_events)
    failures, refused = _failures_by_day(result.all_events)

    def result_of(day: date) -> DayResult:
        key = day.isoformat()
        is_complete = all((asset, key) in materialized for asset in selected)
        return DayResult(
            day,
            result.run_id,
            {} if is_complete else failures.get(key) or of_run,
            interrupted=interrupted,
            refused=key in refused,
        )

    return [result_of(day) for day in days]


def guard_messages(
    instance: dg.DagsterInstance, asset: dg.AssetKey, days: Collection[str]
) -> dict[str, str]:
    """Return the message of the guard for each day of an asset that it refused.

    Args:
        instance: The Dagster instance of the deployment.
        asset: The asset.
        days: Failed partitions; those that failed otherwise are not in the result.
    """
    storage = instance.event_log_storage
    attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations  # noqa: E501 - its name
    messages: dict[str, str] = {}
    for day, (run_id, _) in attempts(asset).items():
        if day in days:
            logs = instance.all_logs(run_id, of_type=_FAILURE_EVENTS)
            events = [one.dagster_event for one in logs if one.dagster_event]
            if message := _guard_message(events, asset, day):
                messages[day] = message
    return messages


def _guard_message(
    events: Sequence[dg.DagsterEvent], asset: dg.AssetKey, day: str
) -> str | None:
    step = asset.to_python_identifier()
    own = [event for event in events if event.step_key == step]
    failures, refused = _failures_by_day(own)
    if day in refused:
        return failures[day][step]
    if not failures and _failed_with(own, _GUARD_ERRORS):
        return _step_failures(own)[step]
    return None


def _failures_by_day(
    events: Iterable[dg.DagsterEvent],
) -> tuple[Mapping[str, Mapping[str, str]], set[str]]:
    """Return day -> step -> error text, and the days that a guard refused."""
    failures: dict[str, dict[str, str]] = defaultdict(dict)
    refused = set()
    for event in events:
        if not event.is_asset_observation:
            continue
        observation = event.asset_observation_data.asset_observation
        metadata = observation.metadata
        if observation.partition and FAILED in metadata:
            step = event.step_key or "run"
            failures[observation.partition][step] = _first_line(
                str(metadata[FAILED].value)
            )
            if metadata[ERROR].value in _GUARD_ERRORS:
                refused.add(observation.partition)
    return failures, refused


def _step_failures(events: Sequence[dg.DagsterEvent]) -> dict[str, str]:
    failures = {
        event.step_key or "run": _reason(event.step_failure_data.error)
        for event in events
        if event.is_step_failure
    }
    return failures or {"run": _reason(_run_error(events))}


def _failed_with(events: Sequence[dg.DagsterEvent], names: Collection[str]) -> bool:
    errors = [one.step_failure_data.error for one in events if one.is_step_failure]
    errors.append(_run_error(events))
    while errors:
        error = errors.pop()
        if error is not None:
            if error.cls_name in names:
                return True
            errors += [error.cause, error.context]
    return False


def _run_error(events: Iterable[dg.DagsterEvent]) -> SerializableErrorInfo | None:
    failed = (one.job_failure_data.error for one in events if one.is_job_failure)
    return next(failed, None)


def _reason(error: SerializableErrorInfo | None) -> str:
    if error is None:
        return "no reason given"
    if error.cls_name in _INTERRUPT_ERRORS:
        return "interrupted; run it again"
    text = _first_line((error.cause or error).message)
    return re.sub(r"^[\w.]+: ", "", text)  # without the name of the class


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0]
