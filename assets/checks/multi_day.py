"""Merges the asset checks of a run of several days.

Dagster stores one evaluation of each check per run. For a check of a partition
(metadata `partition`) the worst evaluation is stored, with the outcome of each day in
its metadata. For a check of the destination the last evaluation is stored.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import dagster as dg

PARTITION = "partition"
"""Metadata key of a check of one partition: its key."""
DAYS = "days"
"""Metadata key of a merged evaluation: the outcome of each day."""


class MultiDayChecks:
    """Collects the evaluations of each day and merges them by check."""

    def __init__(self) -> None:
        self._evaluations: dict[str | None, list[dg.AssetCheckResult]] = {}

    def add(self, check: dg.AssetCheckResult) -> None:
        """Add the evaluation of one day."""
        evaluations = self._evaluations.setdefault(check.check_name, [])
        if PARTITION not in (check.metadata or {}):
            evaluations.clear()
        evaluations.append(check)

    def results(self) -> Iterator[dg.AssetCheckResult]:
        """Yield one evaluation of each check."""
        for checks in self._evaluations.values():
            if len(checks) == 1:
                yield checks[0]
            else:
                yield _merged(checks)


def outcomes_by_day(evaluation: dg.AssetCheckEvaluation) -> Iterable[Mapping[str, Any]]:
    """Return the outcome of each day that an evaluation covers."""
    if DAYS in evaluation.metadata:
        found: Any = evaluation.metadata[DAYS].value
        return [*found]
    partition = evaluation.metadata.get(PARTITION)
    return [_outcome("" if partition is None else str(partition.value), evaluation)]


def _merged(checks: list[dg.AssetCheckResult]) -> dg.AssetCheckResult:
    worst = max(checks, key=_rank)
    days = [_outcome(_day(check), check) for check in checks]
    failed = [_day(check) for check in checks if not check.passed]
    more = f" Failed of {len(checks)} days: {', '.join(failed)}." if failed else ""
    return worst._replace(
        description=f"{worst.description or ''}{more}".strip() or None,
        metadata={**(worst.metadata or {}), DAYS: dg.MetadataValue.json(days)},
    )


def _rank(check: dg.AssetCheckResult) -> int:
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
