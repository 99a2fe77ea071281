"""Alerts: what has changed since people were last told. Pure rules and settings.

A failed partition and a failing check are announced when they begin and when they end,
never while they last: a retry that fails again is no news. What is read of Dagster
stands in `seeing.py`, how news are put in `alert_text.py`, how they leave in
`posting.py` and `channels.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

UNTOLD = frozenset({"finished", "no_partition_left"})
"""Checks that say of a partition what its own alert says."""

REFUSALS = 7
"""Refused days of which the guard's own words are told."""

Level = Literal["error", "warn"]


class Channel(BaseModel):
    """Where alerts go.

    Attributes:
        url: Address in the form of Apprise: `mailtos://`, `slack://`, `jsons://` ...
        warnings: Whether warnings go there, too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr
    warnings: bool = True


class Alerts(BaseModel):
    """Who is told of what goes wrong.

    Attributes:
        channels: By a name of your own; none: nobody is told.
        ui_url: Address of the Dagster UI, for links.
        digest_minutes: While runs are under way news wait, at most so long: a night,
            or the backfill of a month, is one message.
        every_seconds: How often is looked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: Mapping[str, Channel] = {}
    ui_url: str | None = Field(default=None, pattern="^https?://")
    digest_minutes: int = Field(default=60, ge=0)
    every_seconds: int = Field(default=60, ge=10)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of a check.

    Attributes:
        check: `<asset>:<name>`.
        partition: Of which it speaks; empty: of the whole destination.
        failed: How badly; None: it passed.
        text: What it said.
    """

    check: str
    partition: str
    failed: Level | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What Dagster shows at one look.

    Attributes:
        failed: Failed partitions by asset; one that is run again just now is in
            neither.
        green: The same for what ended well.
        upstream: The assets, near and far, that an asset is made from.
        evaluations: Of checks since the last look, oldest first.
    """

    failed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    green: Mapping[str, frozenset[str]] = field(default_factory=dict)
    upstream: Mapping[str, frozenset[str]] = field(default_factory=dict)
    evaluations: Sequence[Evaluation] = ()


class Told(BaseModel):
    """What people were last told.

    Attributes:
        failed: Failed partitions by asset.
        checks: Check -> partition -> how badly it fails.
    """

    failed: dict[str, list[str]] = {}
    checks: dict[str, dict[str, Level]] = {}


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell.

    Attributes:
        kind: What happened.
        subjects: Assets, or one check as `<asset>:<name>`.
        partitions: Of which; none: of the whole destination.
        level: How bad it is, or was.
        text: What the check said last, or the guard that refused the days.
    """

    kind: Literal["failed", "recovered"]
    subjects: tuple[str, ...]
    partitions: tuple[str, ...]
    level: Level = "error"
    text: str = ""

    @property
    def check(self) -> str | None:
        """Name of the check; None: it is about partitions."""
        asset, found, name = self.subjects[0].partition(":")
        return name if found else None


def compare(told: Told, seen: Seen) -> tuple[list[News], Told]:
    """Return what is new, and what people know once they were told."""
    partition_news, failed = _partitions(told, seen)
    check_news, checks = _checks(told, seen.evaluations)
    return partition_news + check_news, Told(failed=failed, checks=checks)


def apart(news: News, refused: Mapping[str, str]) -> list[News]:
    """Tell days that a guard refused apart from those that failed otherwise.

    Args:
        news: What failed.
        refused: What the guard said, by partition.
    """
    days = tuple(day for day in news.partitions if day in refused)
    others = tuple(day for day in news.partitions if day not in refused)
    said = "\n".join(refused[day] for day in days[:REFUSALS])
    return [
        *([replace(news, partitions=days, text=said)] if days else []),
        *([replace(news, partitions=others)] if others or not days else []),
    ]


def _partitions(told: Told, seen: Seen) -> tuple[list[News], dict[str, list[str]]]:
    began: dict[str, set[str]] = {}
    ended: dict[str, set[str]] = {}
    still: dict[str, list[str]] = {}
    for asset in sorted({*told.failed, *seen.failed}):
        known = set(told.failed.get(asset, ()))
        failed = seen.failed.get(asset, frozenset())
        green = seen.green.get(asset, frozenset())
        began[asset] = _first_causes(asset, seen) - known
        ended[asset] = known & green
        # What is run again just now is still what people know of it.
        lasting = (known & failed) | began[asset] | (known - failed - green)
        if lasting:
            still[asset] = sorted(lasting)
    news = [*_grouped("failed", began), *_grouped("recovered", ended)]
    return news, still


def _first_causes(asset: str, seen: Seen) -> set[str]:
    """Leave out what failed only because something before it did."""
    above = (seen.failed.get(one, frozenset()) for one in seen.upstream.get(asset, ()))
    return set(seen.failed.get(asset, frozenset()).difference(*above))


def _grouped(
    kind: Literal["failed", "recovered"], found: Mapping[str, Iterable[str]]
) -> list[News]:
    """Tell in one piece what happened to several assets on the same days."""
    by_days: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for asset, partitions in found.items():
        if days := tuple(sorted(partitions)):
            by_days[days].append(asset)
    return [News(kind, tuple(assets), days) for days, assets in by_days.items()]


def _checks(
    told: Told, evaluations: Sequence[Evaluation]
) -> tuple[list[News], dict[str, dict[str, Level]]]:
    latest = {
        (one.check, one.partition): one
        for one in evaluations
        if one.check.rpartition(":")[2] not in UNTOLD
    }
    known = {check: dict(days) for check, days in told.checks.items()}
    changed: defaultdict[tuple[str, Level | None], list[Evaluation]]
    changed = defaultdict(list)
    was: dict[str, Level] = {}
    for (check, partition), one in sorted(latest.items()):
        days = known.setdefault(check, {})
        before = days.pop(partition, None)
        if one.failed is not None:
            days[partition] = one.failed
        if one.failed != before:
            changed[check, one.failed].append(one)
            was[check] = before or was.get(check, "warn")
    news = [
        News(
            "failed" if level else "recovered",
            (check,),
            tuple(one.partition for one in ones if one.partition),
            level or was[check],
            ones[-1].text if level else "",
        )
        for (check, level), ones in changed.items()
    ]
    return news, {check: days for check, days in known.items() if days}


def is_wanted(one: News, channel: Channel) -> bool:
    """Tell whether a channel is told of it."""
    return channel.warnings or one.level == "error"
