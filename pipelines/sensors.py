"""Sensors: looks at what Dagster shows of this deployment, and tells people.

The rules stand in `alerts.py`. Here: what is read, when it is told, and that a channel
that is down loses nothing: its messages wait in the cursor for the next look.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import dagster as dg

# Dagster offers no other way to ask for these: the states of partitions, backfills
# under way, and the history of a check.
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.storage.partition_status_cache import AssetPartitionStatus
from pydantic import BaseModel

from assets.day_checks import each_day
from pipelines.alert_text import Figures, Message, message
from pipelines.alerts import (
    Alerts,
    Evaluation,
    News,
    Seen,
    Told,
    apart,
    compare,
    is_wanted,
)
from pipelines.day_results import refusals

LONGEST_RUN_SECONDS = 86_400
HISTORY = 1_000
"""Evaluations of one check that are read at one look."""
KEPT = 100
"""Messages that wait for one channel; the oldest go first."""

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_UNDONE = [
    BulkActionStatus.REQUESTED,
    BulkActionStatus.CANCELING,
    BulkActionStatus.FAILING,
]


class Cursor(BaseModel):
    """What the sensor remembers.

    Attributes:
        told: What people know, or will know from the messages that wait.
        evaluation: Number of the last check evaluation that was looked at.
        waits_since: Since when there are news that are not told yet.
        unsent: Messages by channel that it has not taken.
    """

    told: Told = Told()
    evaluation: int = 0
    waits_since: float | None = None
    unsent: dict[str, list[Message]] = {}


class Lookout:
    """Looks at a deployment and tells its channels what changed.

    Args:
        alerts: Whom to tell.
        graph: The assets and checks of the deployment.
        figures: Says what is unfinished of a destination.
        send: Sends a message to a channel; tells whether it was taken.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        alerts: Alerts,
        graph: Callable[[], AssetGraph],
        figures: Figures,
        *,
        send: Callable[[str, Message], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._alerts = alerts
        self._graph = graph
        self._figures = figures
        self._send = send
        self._clock = clock

    def look(self, instance: dg.DagsterInstance, text: str | None) -> tuple[str, str]:
        """Look once; return the next cursor, and why there is no news.

        Args:
            instance: Dagster's history.
            text: The cursor of the look before.
        """
        cursor = Cursor.model_validate_json(text) if text else Cursor()
        seen, last = self._seen(instance, cursor.evaluation)
        news, told = compare(cursor.told, seen)
        if news and self._is_too_early(instance, cursor):
            said = f"{len(news)} news wait for the runs that are under way."
        else:
            said = f"{len(news)} news."
            cursor.told, cursor.evaluation, cursor.waits_since = told, last, None
            self._write(cursor, _explained(instance, news))
        self._post(cursor)
        if cursor.unsent:
            said += f" No message was taken by: {', '.join(cursor.unsent)}."
        return cursor.model_dump_json(), said

    def _is_too_early(self, instance: dg.DagsterInstance, cursor: Cursor) -> bool:
        now = self._clock()
        if cursor.waits_since is None:
            cursor.waits_since = now
        if now - cursor.waits_since >= self._alerts.digest_minutes * 60:
            return False
        return bool(
            instance.get_runs_count(dg.RunsFilter(statuses=_UNDER_WAY))
            or instance.get_backfills(
                filters=BulkActionsFilter(statuses=_UNDONE), limit=1
            )
        )

    def _write(self, cursor: Cursor, news: list[News]) -> None:
        for name, channel in self._alerts.channels.items():
            wanted = [one for one in news if is_wanted(one, channel)]
            if wanted:
                waiting = cursor.unsent.setdefault(name, [])
                waiting.append(message(wanted, self._figures, self._alerts.ui_url))
                del waiting[:-KEPT]

    def _post(self, cursor: Cursor) -> None:
        """Send what waits, oldest first; what is not taken waits on."""
        for name, waiting in list(cursor.unsent.items()):
            is_known = name in self._alerts.channels
            while is_known and waiting and self._send(name, waiting[0]):
                waiting.pop(0)
            if not waiting or not is_known:
                del cursor.unsent[name]

    def _seen(self, instance: dg.DagsterInstance, after: int) -> tuple[Seen, int]:
        graph = self._graph()
        failed: dict[str, frozenset[str]] = {}
        green: dict[str, frozenset[str]] = {}
        upstream: dict[str, frozenset[str]] = {}
        for key in graph.executable_asset_keys:
            name = key.to_user_string()
            by_status = _partitions(instance, graph, key)
            failed[name] = frozenset(by_status[AssetPartitionStatus.FAILED])
            green[name] = frozenset(by_status[AssetPartitionStatus.MATERIALIZED])
            upstream[name] = frozenset(
                one.to_user_string() for one in graph.get_ancestor_asset_keys(key)
            )
        evaluations, last = _evaluations(instance, graph.asset_check_keys, after)
        return Seen(failed, green, upstream, evaluations), last


def alert_sensor(lookout: Lookout, alerts: Alerts) -> dg.SensorDefinition:
    """Make the sensor of a deployment; it is on wherever channels are configured."""

    @dg.sensor(
        name="alerts",
        description="Tells the channels what failed and what recovered.",
        minimum_interval_seconds=alerts.every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        cursor, said = lookout.look(context.instance, context.cursor)
        context.update_cursor(cursor)
        return dg.SkipReason(said)

    return sensor


def _explained(instance: dg.DagsterInstance, news: Iterable[News]) -> list[News]:
    """Let a guard speak for the days that it refused: no re-run helps them."""
    told = []
    for one in news:
        if one.kind == "failed" and one.check is None:
            key = dg.AssetKey.from_user_string(one.subjects[0])
            told += apart(one, refusals(instance, key, one.partitions))
        else:
            told.append(one)
    return told


def _partitions(
    instance: dg.DagsterInstance, graph: AssetGraph, key: dg.AssetKey
) -> Mapping[AssetPartitionStatus | None, list[str]]:
    found: defaultdict[AssetPartitionStatus | None, list[str]] = defaultdict(list)
    partitions = graph.get(key).partitions_def
    if partitions is not None:
        keys = partitions.get_partition_keys()
        statuses = instance.get_status_by_partition(key, keys, partitions)
        for partition, status in (statuses or {}).items():
            found[status].append(partition)
    return found


def _evaluations(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey], after: int
) -> tuple[list[Evaluation], int]:
    storage = instance.event_log_storage
    latest = storage.get_latest_asset_check_execution_by_key(list(keys))
    found: dict[int, list[Evaluation]] = {}
    planned = []
    for key, newest in latest.items():
        if newest.id <= after:
            continue
        for record in storage.get_asset_check_execution_history(key, limit=HISTORY):
            if record.id > after:
                if isinstance(record.evaluation, dg.AssetCheckEvaluation):
                    found[record.id] = _read(key, record.evaluation)
                elif record.create_timestamp > time.time() - LONGEST_RUN_SECONDS:
                    planned.append(record.id)
    # A row is made when its run begins, and filled in when the check is evaluated.
    last = min(planned) - 1 if planned else max(found, default=after)
    return [one for number in sorted(found) for one in found[number]], last


def _read(
    key: dg.AssetCheckKey, evaluation: dg.AssetCheckEvaluation
) -> list[Evaluation]:
    return [
        Evaluation(
            check=f"{key.asset_key.to_user_string()}:{key.name}",
            partition=day["partition"],
            failed=None if day["passed"] else "error" if day["is_error"] else "warn",
            text=day["text"],
        )
        for day in each_day(evaluation)
    ]
