"""What fires when: before, what is seen, and what people are told."""

from typing import Any

import pytest

from pipelines.alerts.rules import (
    Alerts,
    Channel,
    Evaluation,
    News,
    Seen,
    Told,
    apart,
    compare,
    is_wanted,
)
from pipelines.alerts.text import message
from support.project import ROOT

SHOP = "deliveries/shop"
LOST = "deliveries/shop:nothing_lost"
SHARE = "deliveries/shop:rejected_share"
STALE = "settlements/shop:oldest_unsettled"
MONDAY, TUESDAY = "2026-11-16", "2026-11-17"
MONTH = [f"2026-10-{day:02}" for day in range(1, 32)]
UPSTREAM = {SHOP: frozenset({"orders"}), "deliveries/other": frozenset({"orders"})}


def seen(**states: Any) -> Seen:
    given = {name: states.get(name, {}) for name in ("failed", "green")}
    as_sets = {
        name: {asset: frozenset(days) for asset, days in by_asset.items()}
        for name, by_asset in given.items()
    }
    return Seen(**as_sets, upstream=UPSTREAM, evaluations=states.get("evaluations", []))


def says(check: str, failed: Any, partition: str = "") -> Evaluation:
    return Evaluation(check, partition, failed, text="Do this.")


FAILED_MONDAY = Told(failed={SHOP: [MONDAY]})
LOST_MONDAY = Told(checks={LOST: {MONDAY: "error"}})
WARNED = Told(checks={STALE: {"": "warn"}})

TABLE = [
    # what happens, people know, is seen, people are told
    ("nothing happened", Told(), seen(), []),
    ("a day is green", Told(), seen(green={SHOP: [MONDAY]}), []),
    (
        "a day fails",
        Told(),
        seen(failed={SHOP: [MONDAY]}),
        [News("failed", (SHOP,), (MONDAY,))],
    ),
    ("it is still failed", FAILED_MONDAY, seen(failed={SHOP: [MONDAY]}), []),
    ("it is tried again", FAILED_MONDAY, seen(), []),
    (
        "it is green",
        FAILED_MONDAY,
        seen(green={SHOP: [MONDAY]}),
        [News("recovered", (SHOP,), (MONDAY,))],
    ),
    (
        "another day fails",
        FAILED_MONDAY,
        seen(failed={SHOP: [MONDAY, TUESDAY]}),
        [News("failed", (SHOP,), (TUESDAY,))],
    ),
    (
        "one day fails, another recovers",
        FAILED_MONDAY,
        seen(failed={SHOP: [TUESDAY]}, green={SHOP: [MONDAY]}),
        [
            News("failed", (SHOP,), (TUESDAY,)),
            News("recovered", (SHOP,), (MONDAY,)),
        ],
    ),
    (
        "a month fails",
        Told(),
        seen(failed={SHOP: MONTH}),
        [News("failed", (SHOP,), tuple(MONTH))],
    ),
    (
        "what is before the deliveries fails: the first cause is told",
        Told(),
        seen(failed={"orders": [MONDAY], SHOP: [MONDAY], "deliveries/other": [MONDAY]}),
        [News("failed", ("orders",), (MONDAY,))],
    ),
    (
        "the first cause is mended, a delivery is not",
        Told(failed={"orders": [MONDAY]}),
        seen(failed={SHOP: [MONDAY]}, green={"orders": [MONDAY]}),
        [
            News("failed", (SHOP,), (MONDAY,)),
            News("recovered", ("orders",), (MONDAY,)),
        ],
    ),
    (
        "a failed delivery now fails because of what is before it",
        FAILED_MONDAY,
        seen(failed={"orders": [MONDAY], SHOP: [MONDAY]}),
        [News("failed", ("orders",), (MONDAY,))],
    ),
    (
        "two destinations fail on the same day",
        Told(),
        seen(failed={SHOP: [MONDAY], "deliveries/other": [MONDAY]}),
        [News("failed", ("deliveries/other", SHOP), (MONDAY,))],
    ),
    ("a check passes", Told(), seen(evaluations=[says(LOST, None, MONDAY)]), []),
    (
        "a check fails",
        Told(),
        seen(evaluations=[says(LOST, "error", MONDAY)]),
        [News("failed", (LOST,), (MONDAY,), "error", "Do this.")],
    ),
    (
        "a check fails again",
        LOST_MONDAY,
        seen(evaluations=[says(LOST, "error", MONDAY)]),
        [],
    ),
    ("a check was not evaluated", LOST_MONDAY, seen(), []),
    (
        "a check passes for another day",
        LOST_MONDAY,
        seen(evaluations=[says(LOST, None, TUESDAY)]),
        [],
    ),
    (
        "a check passes for the day for which it failed",
        LOST_MONDAY,
        seen(evaluations=[says(LOST, None, MONDAY)]),
        [News("recovered", (LOST,), (MONDAY,), "error")],
    ),
    (
        "a check fails and passes between two looks",
        Told(),
        seen(evaluations=[says(LOST, "error", MONDAY), says(LOST, None, MONDAY)]),
        [],
    ),
    (
        "a check passes and fails between two looks",
        LOST_MONDAY,
        seen(evaluations=[says(LOST, None, MONDAY), says(LOST, "error", MONDAY)]),
        [],
    ),
    (
        "a warning becomes an error",
        Told(checks={SHARE: {MONDAY: "warn"}}),
        seen(evaluations=[says(SHARE, "error", MONDAY)]),
        [News("failed", (SHARE,), (MONDAY,), "error", "Do this.")],
    ),
    (
        "a check fails for many days",
        Told(),
        seen(evaluations=[says(SHARE, "warn", day) for day in MONTH]),
        [News("failed", (SHARE,), tuple(MONTH), "warn", "Do this.")],
    ),
    (
        "a check of a whole destination warns",
        Told(),
        seen(evaluations=[says(STALE, "warn")]),
        [News("failed", (STALE,), (), "warn", "Do this.")],
    ),
    ("it warns still", WARNED, seen(evaluations=[says(STALE, "warn")]), []),
    (
        "it passes",
        WARNED,
        seen(evaluations=[says(STALE, None)]),
        [News("recovered", (STALE,), (), "warn")],
    ),
    *[
        (
            f"{check} fails: the partition's own alert says so",
            Told(),
            seen(evaluations=[says(f"{SHOP}:{check}", "error")]),
            [],
        )
        for check in ("finished", "no_partition_left")
    ],
]


@pytest.mark.parametrize(
    ("told", "look", "news"),
    [case[1:] for case in TABLE],
    ids=[case[0] for case in TABLE],
)
def test_what_fires_when(told: Told, look: Seen, news: list[News]) -> None:
    found, _ = compare(told, look)
    assert sorted(found, key=str) == sorted(news, key=str)


@pytest.mark.parametrize(
    ("told", "look"), [case[1:3] for case in TABLE], ids=[case[0] for case in TABLE]
)
def test_nothing_is_told_twice(told: Told, look: Seen) -> None:
    _, known = compare(told, look)
    again, still = compare(known, look)
    assert again == []
    assert still == known


def test_a_retry_that_fails_again_is_no_news() -> None:
    told, said = Told(), 0
    for failed in (True, False, True, False, True):
        look = seen(failed={SHOP: [MONDAY]}) if failed else seen()
        news, told = compare(told, look)
        said += len(news)
    assert said == 1


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
    assert is_wanted(News("failed", (LOST,), (), level), channel) == wanted
    assert is_wanted(News("recovered", (LOST,), (), level), channel) == wanted


def figures(destination: str, partitions: Any) -> str:
    return f"{destination}: 3 retryable, 12.34 USD."


def test_a_failed_month_is_one_message_with_figures_and_the_next_action() -> None:
    news, _ = compare(Told(), seen(failed={SHOP: MONTH}))
    sent = message(news, figures, "https://dagster.example")
    assert sent.title.startswith("attribution failed: deliveries/shop 2026-10-01, ")
    assert "(31 days)" in sent.body
    assert "shop: 3 retryable, 12.34 USD." in sent.body
    span = "attribution backfill --from 2026-10-01 --to 2026-10-31 --destination shop"
    assert span in sent.body
    assert "with 5xx, wait for the provider; else mend it" in sent.body
    assert "https://dagster.example/assets/deliveries/shop?view=partitions" in sent.body
    assert not sent.is_good


def test_a_day_of_no_destination_is_run_again_for_all() -> None:
    news, _ = compare(Told(), seen(failed={"orders": [MONDAY]}))
    sent = message(news, figures, None)
    assert f"attribution backfill --from {MONDAY} --to {MONDAY}, or" in sent.body
    assert "http" not in sent.body


def test_many_news_are_counted_in_the_title() -> None:
    look = seen(
        failed={SHOP: [TUESDAY]},
        green={SHOP: [MONDAY]},
        evaluations=[says(STALE, "warn"), says(LOST, "error", MONDAY)],
    )
    sent = message(compare(FAILED_MONDAY, look)[0], figures, None)
    assert sent.title == "attribution: 2 failed, 1 warned, 1 recovered"
    assert "WARNING settlements/shop oldest_unsettled\nDo this." in sent.body
    assert f"RECOVERED deliveries/shop {MONDAY}" in sent.body


def test_refused_days_are_told_apart_from_failed_ones() -> None:
    failed = News("failed", ("orders",), (MONDAY, TUESDAY))
    refused, other = apart(failed, {TUESDAY: "It was refused."})
    assert (refused.partitions, refused.text) == ((TUESDAY,), "It was refused.")
    assert (other.partitions, other.text) == ((MONDAY,), "")
    assert apart(failed, {}) == [failed]


def test_recovery_alone_is_good_news() -> None:
    sent = message(
        compare(FAILED_MONDAY, seen(green={SHOP: [MONDAY]}))[0], figures, None
    )
    assert sent.is_good
    assert sent.title == f"attribution recovered: {SHOP} {MONDAY}"


def test_every_key_is_documented_with_its_default() -> None:
    page = (ROOT / "docs/configuration.md").read_text()
    defaults = Alerts()
    for key in ("digest_minutes", "every_seconds"):
        assert f"| `{key}` | {getattr(defaults, key)} |" in page
    for key in {*Alerts.model_fields, *Channel.model_fields}:
        assert f"`{key}`" in page
