"""Asset checks of a run of several days: Dagster keeps one evaluation of each per run.

Of a check that speaks of a day (metadata `partition`) the worst evaluation is kept, and
how each day came out stands in its metadata. Any other check speaks of the destination
as it stands: there the last word holds.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import dagster as dg

PARTITION = "partition"
"""Metadata of a check that speaks of one day: which."""
DAYS = "days"
"""Metadata of an evaluation that stands for several: of each day, how it came out."""


class MultiDayChecks:
    """What the checks of each day said."""

    def __init__(self) -> None:
        self._said: dict[str | None, list[dg.AssetCheckResult]] = {}

    def add(self, check: dg.AssetCheckResult) -> None:
        """Take the evaluation of one day."""
        kept = self._said.setdefault(check.check_name, [])
        if PARTITION not in (check.metadata or {}):
            kept.clear()
        kept.append(check)

    def results(self) -> Iterator[dg.AssetCheckResult]:
        """Return one evaluation of each check."""
        for checks in self._said.values():
            if len(checks) == 1:
                yield checks[0]
            else:
                yield _one_for_all(checks)


def outcomes_by_day(evaluation: dg.AssetCheckEvaluation) -> Iterable[Mapping[str, Any]]:
    """Return how each day came out of which an evaluation speaks."""
    if DAYS in evaluation.metadata:
        found: Any = evaluation.metadata[DAYS].value
        return [*found]
    partition = evaluation.metadata.get(PARTITION)
    said = _outcome("" if partition is None else str(partition.value), evaluation)
    return [said]


def _one_for_all(checks: list[dg.AssetCheckResult]) -> dg.AssetCheckResult:
    worst = max(checks, key=_badness)
    days = [_outcome(_day(check), check) for check in checks]
    failed = [_day(check) for check in checks if not check.passed]
    more = f" Failed of {len(checks)} days: {', '.join(failed)}." if failed else ""
    return worst._replace(
        description=f"{worst.description or ''}{more}".strip() or None,
        metadata={**(worst.metadata or {}), DAYS: dg.MetadataValue.json(days)},
    )


def _badness(check: dg.AssetCheckResult) -> int:
    if check.passed:
        return 0
    return 2 if check.severity is dg.AssetCheckSeverity.ERROR else 1


def _day(check: dg.AssetCheckResult) -> str:
    partition: Any = (check.metadata or {})[PARTITION]
    return str(getattr(partition, "value", partition))


def _outcome(
    day: str, check: dg.AssetCheckResult | dg.AssetCheckEvaluation
) -> dict[str, Any]:
    return {
        "partition": day,
        "passed": check.passed,
        "is_error": check.severity is dg.AssetCheckSeverity.ERROR,
        "text": check.description or "",
    }
