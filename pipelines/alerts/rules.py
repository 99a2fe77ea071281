"""Alert rules: which changes of the deployment are announced.

A failed partition and a failing check are announced when they begin and when they end,
never in between: a retry that fails again is not announced. The rules are pure
functions. `snapshot.py` reads Dagster, `messages.py` writes the text, `queue.py` and
`channels.py` send it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import BaseModel

from pipelines.configuration.alerts import Channel

REDUNDANT_CHECKS = frozenset({"finished", "no_partition_left"})
"""Checks that repeat what the alert of the partition says."""

MAX_GUARD_MESSAGES = 7
"""Number of refused partitions whose guard message is quoted in one alert."""

Level = Literal["error", "warn"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of an asset check.

    Attributes:
        check: `<asset>:<name>`.
        partition: The partition that was checked; empty for a whole destination.
        failed: Severity of the failure; None if the check passed.
        text: Text of the result.
    """

    check: str
    partition: str
    failed: Level | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What Dagster shows of the deployment at one tick.

    Attributes:
        failed: Failed partitions by asset. A partition that is being run again is
            neither here nor in `succeeded`.
        succeeded: Materialized partitions by asset.
        upstream: All direct and indirect upstream assets of an asset.
        evaluations: Check evaluations since the previous tick, oldest first.
    """

    failed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    succeeded: Mapping[str, frozenset[str]] = field(default_factory=dict)
    upstream: Mapping[str, frozenset[str]] = field(default_factory=dict)
    evaluations: Sequence[Evaluation] = ()


class Announced(BaseModel):
    """The failures that were announced and have not recovered.

    Attributes:
        failed: Failed partitions by asset.
        checks: Check -> partition -> severity of its failure.
    """

    failed: dict[str, list[str]] = {}
    checks: dict[str, dict[str, Level]] = {}


@dataclass(frozen=True, slots=True)
class Alert:
    """One failure or recovery to announce.

    Attributes:
        kind: What happened.
        subjects: Assets, or one check as `<asset>:<name>`.
        partitions: The partitions concerned; none for a whole destination.
        level: Severity of the failure that began or ended.
        text: Latest text of the check, or of the guard that refused the partitions.
    """

    kind: Literal["failed", "recovered"]
    subjects: tuple[str, ...]
    partitions: tuple[str, ...]
    level: Level = "error"
    text: str = ""

    @property
    def check(self) -> str | None:
        """Name of the check; None if the alert is about partitions."""
        _, found, name = self.subjects[0].partition(":")
        return name if found else None


def compare(announced: Announced, snapshot: Snapshot) -> tuple[list[Alert], Announced]:
    """Return the new alerts, and what is announced once they are sent."""
    partition_alerts, failed = _compare_partitions(announced, snapshot)
    check_alerts, checks = _compare_checks(announced, snapshot.evaluations)
    return partition_alerts + check_alerts, Announced(failed=failed, checks=checks)


def split_refused(alert: Alert, refused: Mapping[str, str]) -> list[Alert]:
    """Separate the partitions that a guard refused from those that failed otherwise.

    Args:
        alert: An alert about failed partitions.
        refused: Message of the guard by partition.
    """
    days = tuple(day for day in alert.partitions if day in refused)
    others = tuple(day for day in alert.partitions if day not in refused)
    text = "\n".join(refused[day] for day in days[:MAX_GUARD_MESSAGES])
    return [
        *([replace(alert, partitions=days, text=text)] if days else []),
        *([replace(alert, partitions=others)] if others or not days else []),
    ]


def is_wanted(alert: Alert, channel: Channel) -> bool:
    """Return whether a channel gets an alert."""
    return channel.warnings or alert.level == "error"


def _compare_partitions(
    announced: Announced, snapshot: Snapshot
) -> tuple[list[Alert], dict[str, list[str]]]:
    began: dict[str, set[str]] = {}
    ended: dict[str, set[str]] = {}
    lasting: dict[str, list[str]] = {}
    for asset in sorted({*announced.failed, *snapshot.failed}):
        known = set(announced.failed.get(asset, ()))
        failed = snapshot.failed.get(asset, frozenset())
        succeeded = snapshot.succeeded.get(asset, frozenset())
        began[asset] = _root_failures(asset, snapshot) - known
        ended[asset] = known & succeeded
        # A partition that is being run again keeps its announced state.
        running = known - failed - succeeded
        if days := (known & failed) | began[asset] | running:
            lasting[asset] = sorted(days)
    alerts = [*_grouped("failed", began), *_grouped("recovered", ended)]
    return alerts, lasting


def _root_failures(asset: str, snapshot: Snapshot) -> set[str]:
    """Leave out the partitions of which an upstream asset failed as well."""
    upstream = (
        snapshot.failed.get(one, frozenset())
        for one in snapshot.upstream.get(asset, ())
    )
    return set(snapshot.failed.get(asset, frozenset()).difference(*upstream))


def _grouped(
    kind: Literal["failed", "recovered"], found: Mapping[str, Iterable[str]]
) -> list[Alert]:
    """Return one alert for all assets to which it happened on the same days."""
    by_days: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for asset, partitions in found.items():
        if days := tuple(sorted(partitions)):
            by_days[days].append(asset)
    return [Alert(kind, tuple(assets), days) for days, assets in by_days.items()]


def _compare_checks(
    announced: Announced, evaluations: Sequence[Evaluation]
) -> tuple[list[Alert], dict[str, dict[str, Level]]]:
    latest = {
        (one.check, one.partition): one
        for one in evaluations
        if one.check.rpartition(":")[2] not in REDUNDANT_CHECKS
    }
    known = {check: dict(days) for check, days in announced.checks.items()}
    changed: defaultdict[tuple[str, Level | None], list[Evaluation]]
    changed = defaultdict(list)
    previous_level: dict[str, Level] = {}
    for (check, partition), one in sorted(latest.items()):
        days = known.setdefault(check, {})
        before = days.pop(partition, None)
        if one.failed is not None:
            days[partition] = one.failed
        if one.failed != before:
            changed[check, one.failed].append(one)
            previous_level[check] = before or previous_level.get(check, "warn")
    alerts = [
        Alert(
            "failed" if level else "recovered",
            (check,),
            tuple(one.partition for one in ones if one.partition),
            level or previous_level[check],
            ones[-1].text if level else "",
        )
        for (check, level), ones in changed.items()
    ]
    return alerts, {check: days for check, days in known.items() if days}
