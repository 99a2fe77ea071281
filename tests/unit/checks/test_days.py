"""Several days in one run: of each check one evaluation stands for all of them."""

import dagster as dg
import pytest

from assets.checks.days import DAYS, DayChecks

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
MONDAY, TUESDAY = "2026-11-16", "2026-11-17"


def said(
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


def kept(*checks: dg.AssetCheckResult) -> dg.AssetCheckResult:
    days = DayChecks()
    for check in checks:
        days.keep(check)
    (one,) = days.results()
    return one


@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_worst_day_is_kept_and_each_day_is_told(is_reversed: bool) -> None:
    both = [said(MONDAY, severity=ERROR, text="Lost."), said(TUESDAY, text="Drift.")]
    one = kept(*(reversed(both) if is_reversed else both))
    assert one.severity is ERROR
    assert one.description is not None
    assert one.description.startswith("Lost. Failed of 2 days: ")
    days = (one.metadata or {})[DAYS]
    assert isinstance(days, dg.JsonMetadataValue)
    assert isinstance(days.value, list)
    told = {day["partition"]: (day["is_error"], day["text"]) for day in days.value}
    assert told == {MONDAY: (True, "Lost."), TUESDAY: (False, "Drift.")}


def test_a_good_day_does_not_hide_a_bad_one_before_it() -> None:
    assert not kept(said(MONDAY), said(TUESDAY, passed=True)).passed


def test_of_the_destination_as_a_whole_the_last_word_holds() -> None:
    assert kept(said(None), said(None, passed=True)).passed
