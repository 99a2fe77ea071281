"""The only module of the tests that imports from Dagster's private `dagster._core`.

- `create_execution_plan`: a run from one failed step on, as the UI's *From failure*
  plans it. Dagster's public interface has no way to plan a run without executing it.
"""

from dagster._core.execution.api import create_execution_plan

__all__ = ["create_execution_plan"]
