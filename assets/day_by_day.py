"""Several days in one run: each day succeeds or fails on its own.

Most runs have one day and use nothing of this. If a backfill puts several days into one
run, an asset makes them one after another. A day is materialized when it is finished. A
day that fails stops neither the next day nor the downstream assets of the other days.
The run fails at the end, so that exactly the unfinished partitions are failed.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import wraps
from typing import Any, TypeAlias, TypeVar, cast

import dagster as dg

from assets.checks.multi_day import MultiDayChecks
from assets.dagster_internals import (
    SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION as _NOT_ALL_DAYS,
)
from assets.dagster_internals import AssetPartitionStatus

_FOLLOWABLE = {AssetPartitionStatus.MATERIALIZED, AssetPartitionStatus.IN_PROGRESS}
"""States of a day that downstream assets may use; a run may be making it again."""

FAILED = "failed"
ERROR = "error"
"""Metadata of the observation of a failed day: the message, and the error's class."""

Partitions: TypeAlias = "dg.PartitionsDefinition[str]"
Make = TypeVar("Make", bound=Callable[..., Any])


def day_by_day(make: Make) -> Make:
    """Decorate an asset that makes one day, so that it makes each day of its run."""

    @wraps(make)
    def made(
        context: dg.AssetExecutionContext, *args: Any, **kwargs: Any
    ) -> Iterator[Any]:
        if context.has_partition_key_range:
            days = _Days(context, lambda day: make(day, *args, **kwargs))
            yield from days.made()
        else:
            yield from _results(make(context, *args, **kwargs))

    return cast("Make", made)


class _Day:
    """The context of one day of a run. Everything else is the context of the run."""

    def __init__(self, context: dg.AssetExecutionContext, key: str) -> None:
        self._context = context
        self.partition_key = key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    @property
    def partition_time_window(self) -> dg.TimeWindow:
        """The window of the day."""
        partitions = self._context.assets_def.partitions_def
        daily = cast("dg.DailyPartitionsDefinition", partitions)
        return daily.time_window_for_partition_key(self.partition_key)


class _Days:
    """The days of one asset in one run."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        make: Callable[[dg.AssetExecutionContext], Any],
    ) -> None:
        self._context = context
        self._make = make
        self._key = context.asset_key
        self._checks = MultiDayChecks()

    def made(self) -> Iterator[Any]:
        """Make each day. Fail if no downstream asset can use the good days."""
        days = self._context.partition_keys
        unmade = _unmade_upstream(self._context)
        failed = []
        for day in days:
            is_made = day not in unmade and (yield from self._make_day(day))
            if not is_made:
                failed.append(day)
        yield from self._checks.results()
        if len(failed) == len(days) or (failed and not _has_downstream(self._context)):
            raise self._failure(failed)
        yield dg.MaterializeResult(metadata={_NOT_ALL_DAYS: True})

    def _make_day(self, day: str) -> Generator[Any, None, bool]:
        context = cast("dg.AssetExecutionContext", _Day(self._context, day))
        try:
            for result in _results(self._make(context)):
                yield from self._yield_result(day, result)
        except Exception as error:  # noqa: BLE001 - it fails one day, not the next one
            message = getattr(error, "description", None) or str(error)
            self._context.log.error("%s", message)  # noqa: TRY400 - it says what to do
            yield dg.AssetObservation(
                self._key,
                partition=day,
                metadata={FAILED: message, ERROR: type(error).__name__},
            )
            return False
        return True

    def _yield_result(self, day: str, result: Any) -> Iterator[Any]:
        if isinstance(result, dg.AssetCheckResult):
            self._checks.add(result)
        elif isinstance(result, dg.MaterializeResult):
            for check in result.check_results or ():
                self._checks.add(check)
            yield dg.AssetMaterialization(
                self._key, partition=day, metadata=result.metadata
            )
        else:
            yield result

    def _failure(self, failed: Sequence[str]) -> dg.Failure:
        return dg.Failure(
            f"Making {self._key.to_user_string()} failed for {len(failed)} of "
            f"{len(self._context.partition_keys)} days ({', '.join(sorted(failed))}): "
            "expected every day to be finished. The log and each failed day say why; "
            "the others are done. Run the failed days again: attribution backfill "
            f"--from {min(failed)} --to {max(failed)}, or in the UI Materialize, "
            "Failed and missing. From failure does not reach a day that failed in a "
            "step that went on."
        )


def _unmade_upstream(context: dg.AssetExecutionContext) -> set[str]:
    """Return the days that an upstream asset of the same run did not make.

    A step may be run again by itself, in a run that knows nothing of the run whose days
    failed. Only the states of the partitions tell.
    """
    deps = context.assets_def.asset_deps[context.asset_key]
    parents = deps & context.job_def.asset_layer.executable_asset_keys
    return {day for parent in parents for day in _unmade_by(context, parent)}


def _unmade_by(context: dg.AssetExecutionContext, parent: dg.AssetKey) -> set[str]:
    instance, days = context.instance, context.partition_keys
    storage, run_id = instance.event_log_storage, context.run.run_id
    attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations  # noqa: E501 - its name
    own = {day for day, (by, _) in attempts(parent).items() if by == run_id}
    partitions = cast("Partitions", context.assets_def.partitions_def)
    states = instance.get_status_by_partition(parent, days, partitions) or {}
    return own | {day for day in days if states.get(day) not in _FOLLOWABLE}


def _has_downstream(context: dg.AssetExecutionContext) -> bool:
    layer = context.job_def.asset_layer
    downstream = layer.asset_graph.get(context.asset_key).child_keys
    return bool(downstream & layer.executable_asset_keys)


def _results(made: Any) -> Iterator[Any]:
    if isinstance(made, Iterator):
        yield from made
    else:
        yield made
