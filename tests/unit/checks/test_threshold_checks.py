"""Each threshold check passes at its threshold, fails beyond it, says what to do."""

from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from assets.checks.threshold_checks import (
    DESCRIPTIONS,
    PARTITION_CHECKS,
    RULES,
    CheckContext,
    Finding,
    check_results,
)
from assets.figures.status import DestinationStatus
from assets.ledger.states import State
from assets.thresholds import Checks, CheckSettings
from support.engine import DAY, NOW

CONTEXT = CheckContext("shop", DAY, NOW)
ASSET = dg.AssetKey(["deliveries", "shop"])
S = State


def orders(**states: int) -> dict[str, Any]:
    return {"orders": {State(name): count for name, count in states.items()}}


def since(**time: float) -> dict[str, Any]:
    return {"unsettled": 1, "unsettled_since": NOW - timedelta(**time)}


TABLE = [
    # check, threshold, passes, fails
    ("nothing_lost", {}, {"without_delivery": {}}, {"without_delivery": {"USD": 1}}),
    (
        "nothing_lost",
        {},
        {"without_delivery": {}},
        {"without_delivery": {"EUR": 1, "USD": -1}},
    ),
    (
        "nothing_lost",
        {"max": 2},
        {"without_delivery": {"USD": 2}},
        {"without_delivery": {"USD": 3}},
    ),
    (
        "rejected_share",
        {},
        orders(accepted=95, rejected=3, exhausted=2),
        orders(accepted=94, rejected=4, exhausted=2),
    ),
    # Suppressed orders were not to be sent.
    (
        "rejected_share",
        {},
        orders(accepted=95, rejected=5, suppressed=900),
        orders(accepted=94, rejected=6, suppressed=900),
    ),
    (
        "rejected_share",
        {"max": 0.5},
        orders(accepted=5, rejected=5),
        orders(accepted=5, rejected=6),
    ),
    ("rejected_share", {}, orders(rejected=4), orders(rejected=5)),
    ("rejected_share", {"at_least": 9}, orders(rejected=8), orders(rejected=9)),
    ("rejected_share", {"max": 0, "at_least": 1}, orders(), orders(rejected=1)),
    (
        "quarantine_share",
        {},
        orders(accepted=490, quarantined=10),
        orders(accepted=489, quarantined=11),
    ),
    (
        "quarantine_share",
        {"max": 0.5},
        orders(suppressed=5, quarantined=5),
        orders(suppressed=5, quarantined=6),
    ),
    ("quarantine_share", {}, orders(quarantined=4), orders(quarantined=5)),
    (
        "suppressed_rise",
        {},
        orders(accepted=5, suppressed=5) | {"usual_suppressed_share": 0.25},
        orders(accepted=4, suppressed=6) | {"usual_suppressed_share": 0.25},
    ),
    # The first partition has nothing to compare with.
    (
        "suppressed_rise",
        {},
        orders(suppressed=9),
        orders(suppressed=9) | {"usual_suppressed_share": 0.0},
    ),
    (
        "suppressed_rise",
        {"max": 0, "at_least": 3},
        orders(suppressed=2) | {"usual_suppressed_share": 0.0},
        orders(suppressed=3) | {"usual_suppressed_share": 0.0},
    ),
    ("nothing_uncertain", {}, {"uncertain": {}}, {"uncertain": {DAY: 1}}),
    (
        "nothing_uncertain",
        {"max": 3},
        {"uncertain": {"2026-11-19": 1, DAY: 2}},
        {"uncertain": {"2026-11-19": 2, DAY: 2}},
    ),
    ("no_partition_left", {}, {"partitions_left": []}, {"partitions_left": [DAY]}),
    (
        "no_partition_left",
        {"max": 1},
        {"partitions_left": [DAY]},
        {"partitions_left": ["2026-11-19", DAY]},
    ),
    ("oldest_unsettled", {}, {}, since(hours=72.1)),
    ("oldest_unsettled", {}, since(hours=72), since(hours=72, seconds=1)),
    ("oldest_unsettled", {"max_hours": 1}, since(hours=1), since(hours=1.01)),
]


def found(check: str, threshold: dict[str, Any], state: dict[str, Any]) -> Finding:
    limit = Checks.model_validate({check: threshold})
    status = DestinationStatus(**{"orders": {}, **state})
    return RULES[check](status, getattr(limit, check), CONTEXT)


@pytest.mark.parametrize(("check", "threshold", "passes", "fails"), TABLE)
def test_a_check_passes_at_its_threshold_and_fails_beyond_it(
    check: str, threshold: dict[str, Any], passes: Any, fails: Any
) -> None:
    assert found(check, threshold, passes).passed
    assert not found(check, threshold, fails).passed


def test_every_check_has_a_rule_a_threshold_a_description_and_a_case() -> None:
    assert set(RULES) == set(Checks.model_fields) == set(DESCRIPTIONS)
    assert {check for check, *_ in TABLE} == set(RULES)


ACTIONS = {
    "nothing_lost": f"attribution export --date {DAY} --to shop",
    "rejected_share": f"attribution export --date {DAY} --to shop",
    "quarantine_share": f"attribution export --date {DAY} --to shop",
    "suppressed_rise": f"attribution export --date {DAY} --to shop",
    "nothing_uncertain": "attribution resolve",
    "no_partition_left": f"attribution backfill --from {DAY} --to {DAY}",
    "oldest_unsettled": "follow_submissions",
}


@pytest.mark.parametrize("check", RULES)
def test_a_failure_names_the_destination_and_the_next_action(check: str) -> None:
    text = next(
        found(name, threshold, fails).text
        for name, threshold, _, fails in TABLE
        if name == check
    )
    assert text.startswith("shop")
    assert "expected" in text
    assert "got" in text
    assert ACTIONS[check] in text


def test_unfinished_partitions_are_listed_up_to_a_limit() -> None:
    days = [f"2026-10-{day:02}" for day in range(1, 32)]
    text = found(
        "no_partition_left", {}, {"partitions_left": [*days, "2026-11-01"]}
    ).text
    assert ", ".join(days) + " and 1 more" in text
    assert "--from 2026-10-01 --to 2026-11-01 --destination shop" in text


@pytest.mark.parametrize(
    ("severity", "passed", "shown"),
    [("error", False, "ERROR"), ("warn", False, "WARN"), ("off", True, "WARN")],
)
def test_severity_is_configured(severity: str, passed: bool, shown: str) -> None:
    limits = Checks.model_validate({"nothing_lost": {"severity": severity}})
    (result,) = check_results(
        ASSET,
        ["nothing_lost"],
        DestinationStatus(orders={}, without_delivery={"USD": 2}),
        limits,
        CONTEXT,
    )
    assert (result.passed, result.severity) == (passed, dg.AssetCheckSeverity[shown])
    assert result.metadata["lost"].value == 2


def test_only_partition_checks_carry_the_partition() -> None:
    results = check_results(
        ASSET, list(RULES), DestinationStatus(orders={}), Checks(), CONTEXT
    )
    carried = {one.check_name for one in results if "partition" in one.metadata}
    assert carried == PARTITION_CHECKS


def test_a_destination_overrides_only_what_it_sets() -> None:
    settings = CheckSettings.model_validate(
        {
            "rejected_share": {"max": 0.2, "at_least": 7},
            "destinations": {"shop": {"rejected_share": {"severity": "error"}}},
        }
    )
    common, own = settings.of("other"), settings.of("shop")
    assert common.rejected_share.model_dump() == {
        "severity": "warn",
        "max": 0.2,
        "at_least": 7,
    }
    assert own.rejected_share.model_dump() == {
        "severity": "error",
        "max": 0.2,
        "at_least": 7,
    }
    assert own.model_copy(update={"rejected_share": common.rejected_share}) == common
