"""The result of each day of a run, read from the events of the run."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from pipelines.run_events import (
    failures_by_day,
    step_failures,
    was_interrupted,
    was_refused,
)


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
        {} if result.success else step_failures(result.all_events),
        interrupted=was_interrupted(result.all_events),
        refused=was_refused(result.all_events),
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
    interrupted = was_interrupted(result.all_events)
    of_run = {} if result.success else step_failures(result.all_events)
    failures, refused = failures_by_day(result.all_events)

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
