"""Several days in one run: each of them succeeds or fails on its own.

Usually a run is one day and nothing here matters. Where a backfill puts several days
into a run, an asset makes them one after another: a day is materialized when it is
finished, and one that fails stops neither the next day nor, for the others, the assets
that follow. The run fails in the end, so that exactly the unfinished days are red.
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

_MADE = {AssetPartitionStatus.MATERIALIZED, AssetPartitionStatus.IN_PROGRESS}
"""Colours of a day to follow; another run may be making it anew."""

FAILED = "failed"
ERROR = "error"
"""Metadata of the observation that a failed day leaves: the text, and its class."""

Partitions: TypeAlias = "dg.PartitionsDefinition[str]"
Make = TypeVar("Make", bound=Callable[..., Any])


def day_by_day(make: Make) -> Make:
    """Let an asset that makes one day make each day of its run."""

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
    """The context of one day of a run; all else is the run's."""

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
        """Make each day; fail where nothing is left to follow from the good ones."""
        days = self._context.partition_keys
        unmade = self._unmade_before()
        failed = []
        for day in days:
            is_made = day not in unmade and (yield from self._one(day))
            if not is_made:
                failed.append(day)
        yield from self._checks.results()
        if len(failed) == len(days) or (failed and not self._is_followed()):
            raise self._failure(failed)
        yield dg.MaterializeResult(metadata={_NOT_ALL_DAYS: True})

    def _one(self, day: str) -> Generator[Any, None, bool]:
        context = cast("dg.AssetExecutionContext", _Day(self._context, day))
        try:
            for result in _results(self._make(context)):
                yield from self._told(day, result)
        except Exception as error:  # noqa: BLE001 - of one day; the next one goes on
            said = getattr(error, "description", None) or str(error)
            self._context.log.error("%s", said)  # noqa: TRY400 - it says what to do
            yield dg.AssetObservation(
                self._key,
                partition=day,
                metadata={FAILED: said, ERROR: type(error).__name__},
            )
            return False
        return True

    def _told(self, day: str, result: Any) -> Iterator[Any]:
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

    def _unmade_before(self) -> set[str]:
        """Days that an asset before this one, of the same run, did not make.

        A step may be run again by itself, in a run that knows nothing of the one whose
        days failed: only their colours tell.
        """
        deps = self._context.assets_def.asset_deps[self._key]
        parents = deps & self._context.job_def.asset_layer.executable_asset_keys
        return {day for parent in parents for day in self._unmade_by(parent)}

    def _unmade_by(self, parent: dg.AssetKey) -> set[str]:
        instance, days = self._context.instance, self._context.partition_keys
        storage, run_id = instance.event_log_storage, self._context.run.run_id
        found = storage.get_latest_asset_partition_materialization_attempts_without_materializations  # noqa: E501 - its name
        own = {day for day, (by, _) in found(parent).items() if by == run_id}
        partitions = cast("Partitions", self._context.assets_def.partitions_def)
        colours = instance.get_status_by_partition(parent, days, partitions) or {}
        return own | {day for day in days if colours.get(day) not in _MADE}

    def _is_followed(self) -> bool:
        layer = self._context.job_def.asset_layer
        following = layer.asset_graph.get(self._key).child_keys
        return bool(following & layer.executable_asset_keys)

    def _failure(self, failed: Sequence[str]) -> dg.Failure:
        return dg.Failure(
            f"Making {self._key.to_user_string()} failed for {len(failed)} of "
            f"{len(self._context.partition_keys)} days ({', '.join(sorted(failed))}): "
            "expected every day to be finished. The log and each red day say why; the "
            "others are done. Run the failed days again: attribution backfill --from "
            f"{min(failed)} --to {max(failed)}, or in the UI Materialize, Failed and "
            "missing. From failure does not reach what failed in a step that went on."
        )


def _results(made: Any) -> Iterator[Any]:
    if isinstance(made, Iterator):
        yield from made
    else:
        yield made
