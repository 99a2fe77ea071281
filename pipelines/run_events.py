"""Reads the failures of a run from its Dagster events."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

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


def step_failures(events: Sequence[dg.DagsterEvent]) -> dict[str, str]:
    """Return step -> error text of the failed steps; `run` if no step failed."""
    failures = {
        event.step_key or "run": _reason(event.step_failure_data.error)
        for event in events
        if event.is_step_failure
    }
    return failures or {"run": _reason(_run_error(events))}


def failures_by_day(
    events: Iterable[dg.DagsterEvent],
) -> tuple[Mapping[str, Mapping[str, str]], set[str]]:
    """Return day -> step -> error text, and the days that a guard refused.

    A run of several days records the failure of each day as an observation.
    """
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


def was_interrupted(events: Sequence[dg.DagsterEvent]) -> bool:
    """Return whether the run failed because its process was told to stop."""
    return _failed_with(events, _INTERRUPT_ERRORS)


def was_refused(events: Sequence[dg.DagsterEvent]) -> bool:
    """Return whether the run failed because a guard refused the day."""
    return _failed_with(events, _GUARD_ERRORS)


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
    failures, refused = failures_by_day(own)
    if day in refused:
        return failures[day][step]
    if not failures and was_refused(own):
        return step_failures(own)[step]
    return None


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
