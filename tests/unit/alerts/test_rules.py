"""Which changes are announced: announced before, snapshot, new alerts."""

from typing import Any

import pytest

from pipelines.alerts.messages import compose
from pipelines.alerts.rules import (
    Alert,
    Announced,
    Evaluation,
    Snapshot,
    compare,
    is_wanted,
    split_refused,
)
from pipelines.configuration.alerts import AlertSettings, Channel
from support.project import ROOT

SHOP = "deliveries/shop"
LOST = "deliveries/shop:nothing_lost"
SHARE = "deliveries/shop:rejected_share"
STALE = "settlements/shop:oldest_unsettled"
MONDAY, TUESDAY = "2026-11-16", "2026-11-17"
MONTH = [f"2026-10-{day:02}" for day in range(1, 32)]
UPSTREAM = {SHOP: frozenset({"orders"}), "deliveries/other": frozenset({"orders"})}


def snapshot(**states: Any) -> Snapshot:
    given = {name: states.get(name, {}) for name in ("failed", "succeeded")}
    as_sets = {
        name: {asset: frozenset(days) for asset, days in by_asset.items()}
        for name, by_asset in given.items()
    }
    return Snapshot(
        **as_sets, upstream=UPSTREAM, evaluations=states.get("evaluations", [])
    )


def evaluated(check: str, failed: Any, partition: str = "") -> Evaluation:
    return Evaluation(check, partition, failed, text="Do this.")


FAILED_MONDAY = Announced(failed={SHOP: [MONDAY]})
LOST_MONDAY = Announced(checks={LOST: {MONDAY: "error"}})
WARNED = Announced(checks={STALE: {"": "warn"}})

TABLE = [
    # what happened, announced before, snapshot, new alerts
    ("nothing happened", Announced(), snapshot(), []),
    ("a day succeeds", Announced(), snapshot(succeeded={SHOP: [MONDAY]}), []),
    (
        "a day fails",
        Announced(),
        snapshot(failed={SHOP: [MONDAY]}),
        [Alert("failed", (SHOP,), (MONDAY,))],
    ),
    ("it is still failed", FAILED_MONDAY, snapshot(failed={SHOP: [MONDAY]}), []),
    ("it is tried again", FAILED_MONDAY, snapshot(), []),
    (
        "it succeeds",
        FAILED_MONDAY,
        snapshot(succeeded={SHOP: [MONDAY]}),
        [Alert("recovered", (SHOP,), (MONDAY,))],
    ),
    (
        "another day fails",
        FAILED_MONDAY,
        snapshot(failed={SHOP: [MONDAY, TUESDAY]}),
        [Alert("failed", (SHOP,), (TUESDAY,))],
    ),
    (
        "one day fails, another recovers",
        FAILED_MONDAY,
        snapshot(failed={SHOP: [TUESDAY]}, succeeded={SHOP: [MONDAY]}),
        [
            Alert("failed", (SHOP,), (TUESDAY,)),
            Alert("recovered", (SHOP,), (MONDAY,)),
        ],
    ),
    (
        "a month fails",
        Announced(),
        snapshot(failed={SHOP: MONTH}),
        [Alert("failed", (SHOP,), tuple(MONTH))],
    ),
    (
        "an upstream asset fails: only its failure is announced",
        Announced(),
        snapshot(
            failed={"orders": [MONDAY], SHOP: [MONDAY], "deliveries/other": [MONDAY]}
        ),
        [Alert("failed", ("orders",), (MONDAY,))],
    ),
    (
        "the upstream asset recovers, a delivery does not",
        Announced(failed={"orders": [MONDAY]}),
        snapshot(failed={SHOP: [MONDAY]}, succeeded={"orders": [MONDAY]}),
        [
            Alert("failed", (SHOP,), (MONDAY,)),
            Alert("recovered", ("orders",), (MONDAY,)),
        ],
    ),
    (
        "a failed delivery fails again because of an upstream asset",
        FAILED_MONDAY,
        snapshot(failed={"orders": [MONDAY], SHOP: [MONDAY]}),
        [Alert("failed", ("orders",), (MONDAY,))],
    ),
    (
        "two destinations fail on the same day",
        Announced(),
        snapshot(failed={SHOP: [MONDAY], "deliveries/other": [MONDAY]}),
        [Alert("failed", ("deliveries/other", SHOP), (MONDAY,))],
    ),
    (
        "a check passes",
        Announced(),
        snapshot(evaluations=[evaluated(LOST, None, MONDAY)]),
        [],
    ),
    (
        "a check fails",
        Announced(),
        snapshot(evaluations=[evaluated(LOST, "error", MONDAY)]),
        [Alert("failed", (LOST,), (MONDAY,), "error", "Do this.")],
    ),
    (
        "a check fails again",
        LOST_MONDAY,
        snapshot(evaluations=[evaluated(LOST, "error", MONDAY)]),
        [],
    ),
    ("a check was not evaluated", LOST_MONDAY, snapshot(), []),
    (
        "a check passes for another day",
        LOST_MONDAY,
        snapshot(evaluations=[evaluated(LOST, None, TUESDAY)]),
        [],
    ),
    (
        "a check passes for the day for which it failed",
        LOST_MONDAY,
        snapshot(evaluations=[evaluated(LOST, None, MONDAY)]),
        [Alert("recovered", (LOST,), (MONDAY,), "error")],
    ),
    (
        "a check fails and passes between two ticks",
        Announced(),
        snapshot(
            evaluations=[
                evaluated(LOST, "error", MONDAY),
                evaluated(LOST, None, MONDAY),
            ]
        ),
        [],
    ),
    (
        "a check passes and fails between two ticks",
        LOST_MONDAY,
        snapshot(
            evaluations=[
                evaluated(LOST, None, MONDAY),
                evaluated(LOST, "error", MONDAY),
            ]
        ),
        [],
    ),
    (
        "a warning becomes an error",
        Announced(checks={SHARE: {MONDAY: "warn"}}),
        snapshot(evaluations=[evaluated(SHARE, "error", MONDAY)]),
        [Alert("failed", (SHARE,), (MONDAY,), "error", "Do this.")],
    ),
    (
        "a check fails for many days",
        Announced(),
        snapshot(evaluations=[evaluated(SHARE, "warn", day) for day in MONTH]),
        [Alert("failed", (SHARE,), tuple(MONTH), "warn", "Do this.")],
    ),
    (
        "a check of a whole destination warns",
        Announced(),
        snapshot(evaluations=[evaluated(STALE, "warn")]),
        [Alert("failed", (STALE,), (), "warn", "Do this.")],
    ),
    ("it still warns", WARNED, snapshot(evaluations=[evaluated(STALE, "warn")]), []),
    (
        "it passes",
        WARNED,
        snapshot(evaluations=[evaluated(STALE, None)]),
        [Alert("recovered", (STALE,), (), "warn")],
    ),
    *[
        (
            f"{check} fails: the alert of the partition covers it",
            Announced(),
            snapshot(evaluations=[evaluated(f"{SHOP}:{check}", "error")]),
            [],
        )
        for check in ("finished", "no_partition_left")
    ],
]


@pytest.mark.parametrize(
    ("announced", "found", "alerts"),
    [case[1:] for case in TABLE],
    ids=[case[0] for case in TABLE],
)
def test_changes_are_announced(
    announced: Announced, found: Snapshot, alerts: list[Alert]
) -> None:
    new, _ = compare(announced, found)
    assert sorted(new, key=str) == sorted(alerts, key=str)


@pytest.mark.parametrize(
    ("announced", "found"),
    [case[1:3] for case in TABLE],
    ids=[case[0] for case in TABLE],
)
def test_nothing_is_announced_twice(announced: Announced, found: Snapshot) -> None:
    _, known = compare(announced, found)
    again, still = compare(known, found)
    assert again == []
    assert still == known


def test_a_retry_that_fails_again_is_not_announced() -> None:
    announced, count = Announced(), 0
    for failed in (True, False, True, False, True):
        found = snapshot(failed={SHOP: [MONDAY]}) if failed else snapshot()
        alerts, announced = compare(announced, found)
        count += len(alerts)
    assert count == 1


@pytest.mark.parametrize(
    ("level", "warnings", "wanted"),
    [
        ("error", True, True),
        ("error", False, True),
        ("warn", True, True),
        ("warn", False, False),
    ],
)
def test_a_channel_may_leave_warnings_out(
    level: Any, warnings: bool, wanted: bool
) -> None:
    channel = Channel.model_validate({"url": "json://x", "warnings": warnings})
    assert is_wanted(Alert("failed", (LOST,), (), level), channel) == wanted
    assert is_wanted(Alert("recovered", (LOST,), (), level), channel) == wanted


def figures(destination: str, partitions: Any) -> str:
    return f"{destination}: 3 retryable, 12.34 USD."


def test_a_failed_month_is_one_message_with_figures_and_the_next_action() -> None:
    alerts, _ = compare(Announced(), snapshot(failed={SHOP: MONTH}))
    sent = compose(alerts, figures, "https://dagster.example")
    assert sent.title.startswith("attribution failed: deliveries/shop 2026-10-01, ")
    assert "(31 days)" in sent.body
    assert "shop: 3 retryable, 12.34 USD." in sent.body
    span = "attribution backfill --from 2026-10-01 --to 2026-10-31 --destination shop"
    assert span in sent.body
    assert "answered 5xx, wait for the provider; otherwise fix the cause" in sent.body
    assert "https://dagster.example/assets/deliveries/shop?view=partitions" in sent.body
    assert not sent.is_good


def test_a_failed_extract_is_run_again_for_all_destinations() -> None:
    alerts, _ = compare(Announced(), snapshot(failed={"orders": [MONDAY]}))
    sent = compose(alerts, figures, None)
    assert f"attribution backfill --from {MONDAY} --to {MONDAY}, or" in sent.body
    assert "http" not in sent.body


def test_several_alerts_are_counted_in_the_title() -> None:
    found = snapshot(
        failed={SHOP: [TUESDAY]},
        succeeded={SHOP: [MONDAY]},
        evaluations=[evaluated(STALE, "warn"), evaluated(LOST, "error", MONDAY)],
    )
    sent = compose(compare(FAILED_MONDAY, found)[0], figures, None)
    assert sent.title == "attribution: 2 failed, 1 warned, 1 recovered"
    assert "WARNING settlements/shop oldest_unsettled\nDo this." in sent.body
    assert f"RECOVERED deliveries/shop {MONDAY}" in sent.body


def test_refused_partitions_are_separated_from_failed_ones() -> None:
    failed = Alert("failed", ("orders",), (MONDAY, TUESDAY))
    refused, other = split_refused(failed, {TUESDAY: "It was refused."})
    assert (refused.partitions, refused.text) == ((TUESDAY,), "It was refused.")
    assert (other.partitions, other.text) == ((MONDAY,), "")
    assert split_refused(failed, {}) == [failed]


def test_a_message_of_recoveries_only_is_good() -> None:
    sent = compose(
        compare(FAILED_MONDAY, snapshot(succeeded={SHOP: [MONDAY]}))[0], figures, None
    )
    assert sent.is_good
    assert sent.title == f"attribution recovered: {SHOP} {MONDAY}"


def test_every_key_is_documented_with_its_default() -> None:
    page = (ROOT / "docs/configuration.md").read_text()
    defaults = AlertSettings()
    for key in ("digest_minutes", "every_seconds"):
        assert f"| `{key}` | {getattr(defaults, key)} |" in page
    for key in {*AlertSettings.model_fields, *Channel.model_fields}:
        assert f"`{key}`" in page
