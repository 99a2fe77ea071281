"""The notifier: at each tick of the sensor, announces what changed since the last one.

It reads a snapshot of Dagster, compares it with what was announced, and queues and
sends the messages. State between two ticks is in the cursor.
"""

import time
from collections.abc import Callable, Iterable, Mapping

import dagster as dg
from pydantic import BaseModel, Field

from assets.dagster_internals import AssetGraph, BulkActionsFilter, BulkActionStatus
from pipelines.alerts.messages import DescribeUnfinished, Message, compose
from pipelines.alerts.queue import SEND_SECONDS, Backoff, MessageQueue
from pipelines.alerts.rules import Alert, Announced, compare, is_wanted, split_refused
from pipelines.alerts.snapshot import take_snapshot
from pipelines.configuration.alerts import AlertSettings
from pipelines.run_events import guard_messages

_RUNS_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_BACKFILLS_UNDER_WAY = [
    BulkActionStatus.REQUESTED,
    BulkActionStatus.CANCELING,
    BulkActionStatus.FAILING,
]


class Cursor(BaseModel, populate_by_name=True):
    """The state that the sensor keeps in Dagster's storage between two ticks.

    The aliases are the keys of cursors in existing storages.

    Attributes:
        announced: The failures announced so far, in sent or waiting messages.
        evaluation: Id of the last check evaluation that was read.
        waiting_since: Time since which alerts wait for runs under way.
        unsent: Waiting messages by channel.
        backoffs: Channels that are not tried at present.
    """

    announced: Announced = Field(default=Announced(), alias="told")
    evaluation: int = 0
    waiting_since: float | None = Field(default=None, alias="waits_since")
    unsent: dict[str, list[Message]] = {}
    backoffs: dict[str, Backoff] = Field(default={}, alias="rests")

    def to_json(self) -> str:
        """Return the text that Dagster stores."""
        return self.model_dump_json(by_alias=True)


class Notifier:
    """Announces the failures and recoveries of a deployment.

    Args:
        settings: The channels and their options.
        graph: Returns the assets and checks of the deployment.
        describe: Describes the unfinished deliveries of a destination.
        send: Sends a message to a channel; returns whether the channel took it.
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        settings: AlertSettings,
        graph: Callable[[], AssetGraph],
        describe: DescribeUnfinished,
        *,
        send: Callable[[str, Message], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._graph = graph
        self._describe = describe
        self._send = send
        self._clock = clock

    def tick(self, instance: dg.DagsterInstance, text: str | None) -> tuple[str, str]:
        """Announce what changed; return the next cursor and a summary.

        Args:
            instance: The Dagster instance of the deployment.
            text: The cursor of the previous tick; None at the first one.
        """
        until = self._clock() + SEND_SECONDS
        cursor = Cursor.model_validate_json(text) if text else Cursor()
        queue = MessageQueue(cursor.unsent, cursor.backoffs, self._send, self._clock)
        snapshot, last = take_snapshot(instance, self._graph(), cursor.evaluation)
        alerts, announced = compare(cursor.announced, snapshot)
        if alerts and self._must_wait(instance, cursor):
            summary = f"Alerts waiting for runs under way: {len(alerts)}."
        else:
            summary = f"New alerts: {len(alerts)}."
            cursor.announced, cursor.evaluation = announced, last
            cursor.waiting_since = None
            self._queue(queue, _with_guard_messages(instance, alerts))
        for name in {*cursor.unsent, *cursor.backoffs} - {*self._settings.channels}:
            queue.remove(name)
        queue.send_waiting(until)
        return cursor.to_json(), " ".join([summary, *queue.summaries()])

    def _must_wait(self, instance: dg.DagsterInstance, cursor: Cursor) -> bool:
        now = self._clock()
        if cursor.waiting_since is None:
            cursor.waiting_since = now
        if now - cursor.waiting_since >= self._settings.digest_minutes * 60:
            return False
        return bool(
            instance.get_runs_count(dg.RunsFilter(statuses=_RUNS_UNDER_WAY))
            or instance.get_backfills(
                filters=BulkActionsFilter(statuses=_BACKFILLS_UNDER_WAY), limit=1
            )
        )

    def _queue(self, queue: MessageQueue, alerts: list[Alert]) -> None:
        for name, channel in self._settings.channels.items():
            wanted = [alert for alert in alerts if is_wanted(alert, channel)]
            if wanted:
                message = compose(wanted, self._describe, self._settings.ui_url)
                queue.add(name, message)


def _with_guard_messages(
    instance: dg.DagsterInstance, alerts: Iterable[Alert]
) -> list[Alert]:
    """Quote the guard for the partitions that it refused: a re-run cannot help them."""
    found: list[Alert] = []
    for alert in alerts:
        if alert.kind == "failed" and alert.check is None:
            found += split_refused(alert, _refused(instance, alert))
        else:
            found.append(alert)
    return found


def _refused(instance: dg.DagsterInstance, alert: Alert) -> Mapping[str, str]:
    key = dg.AssetKey.from_user_string(alert.subjects[0])
    return guard_messages(instance, key, alert.partitions)
