"""The only module of the tests that imports from Dagster's private `dagster._core`.

- `create_execution_plan`: a run from one failed step on, as the UI's *From failure*
  plans it. Dagster's public interface has no way to plan a run without executing it.
- `InstigatorState`, `InstigatorStatus`, `InstigatorType`, `RemoteInstigatorOrigin`,
  `ScheduleInstigatorData`: a schedule that is on, as the UI stores it. Dagster's public
  interface turns schedules on only through a code server.
"""

from dagster._core.execution.api import create_execution_plan
from dagster._core.remote_origin import RemoteInstigatorOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)

__all__ = [
    "InstigatorState",
    "InstigatorStatus",
    "InstigatorType",
    "RemoteInstigatorOrigin",
    "ScheduleInstigatorData",
    "create_execution_plan",
]
