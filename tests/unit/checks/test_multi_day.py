"""Evaluations of several days in one run are merged into one per check."""

import dagster as dg
import pytest

from assets.checks.multi_day import DAYS, MultiDayChecks

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
MONDAY, TUESDAY = "2026-11-16", "2026-11-17"


def evaluation(
    day: str | None,
    *,
    passed: bool = False,
    severity: dg.AssetCheckSeverity = WARN,
    text: str = "Do this.",
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="a_check",
        passed=passed,
        severity=severity,
        description=text,
        metadata={} if day is None else {"partition": day},
    )


def merged(*checks: dg.AssetCheckResult) -> dg.AssetCheckResult:
    days = MultiDayChecks()
    for check in checks:
        days.add(check)
    (one,) = days.results()
    return one


@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_worst_day_is_kept_with_the_outcome_of_each_day(is_reversed: bool) -> None:
    both = [
        evaluation(MONDAY, severity=ERROR, text="Lost."),
        evaluation(TUESDAY, text="Drift."),
    ]
    one = merged(*(reversed(both) if is_reversed else both))
    assert one.severity is ERROR
    assert one.description is not None
    assert one.description.startswith("Lost. Failed of 2 days: ")
    days = (one.metadata or {})[DAYS]
    assert isinstance(days, dg.JsonMetadataValue)
    assert isinstance(days.value, list)
    outcomes = {day["partition"]: (day["is_error"], day["text"]) for day in days.value}
    assert outcomes == {MONDAY: (True, "Lost."), TUESDAY: (False, "Drift.")}


def test_a_passed_day_does_not_hide_an_earlier_failure() -> None:
    assert not merged(evaluation(MONDAY), evaluation(TUESDAY, passed=True)).passed


def test_the_last_evaluation_of_a_destination_check_is_kept() -> None:
    assert merged(evaluation(None), evaluation(None, passed=True)).passed
