"""Sensors: looks at what Dagster shows of this deployment, and tells people.

What it shows is read in `seeing.py`, the rules stand in `alerts.py`, messages wait and
leave in `posting.py`. Here: when news are told, and what a look leaves to the next.
"""

import time
from collections.abc import Callable, Iterable

import dagster as dg
from pydantic import BaseModel

from assets.dagster_internals import AssetGraph, BulkActionsFilter, BulkActionStatus
from pipelines.alerts.queue import LOOK_SECONDS, Posting, Rest
from pipelines.alerts.rules import Alerts, News, Told, apart, compare, is_wanted
from pipelines.alerts.snapshot import see
from pipelines.alerts.text import Figures, Message, message
from pipelines.runs.day_results import refusals

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
        rests: Channels that are not tried for a while.
    """

    told: Told = Told()
    evaluation: int = 0
    waits_since: float | None = None
    unsent: dict[str, list[Message]] = {}
    rests: dict[str, Rest] = {}


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
        until = self._clock() + LOOK_SECONDS
        cursor = Cursor.model_validate_json(text) if text else Cursor()
        posting = Posting(cursor.unsent, cursor.rests, self._send, self._clock)
        seen, last = see(instance, self._graph(), cursor.evaluation)
        news, told = compare(cursor.told, seen)
        if news and self._is_too_early(instance, cursor):
            said = f"{len(news)} news wait for the runs that are under way."
        else:
            said = f"{len(news)} news."
            cursor.told, cursor.evaluation, cursor.waits_since = told, last, None
            self._write(posting, _explained(instance, news))
        for name in {*cursor.unsent, *cursor.rests} - {*self._alerts.channels}:
            posting.forget(name)
        posting.post(until)
        return cursor.model_dump_json(), " ".join([said, *posting.said()])

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

    def _write(self, posting: Posting, news: list[News]) -> None:
        for name, channel in self._alerts.channels.items():
            wanted = [one for one in news if is_wanted(one, channel)]
            if wanted:
                posting.add(name, message(wanted, self._figures, self._alerts.ui_url))


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
