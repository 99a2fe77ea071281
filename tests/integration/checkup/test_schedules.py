"""`attribution check` says whether the schedules meet each dedup window."""

from collections.abc import Collection, Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.dagster_internals import (
    RegisteredCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from pipelines.checkup.checkup import Finding, run_checks
from support.dagster_internals import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    RemoteInstigatorOrigin,
    ScheduleInstigatorData,
)
from support.deployment import Deployment, deployed


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.chdir(tmp_path)
    with deployed(tmp_path, orders_per_day=7) as deployment:
        yield deployment


def schedule_state(name: str, *, is_on: bool) -> InstigatorState:
    """Return what the UI stores when somebody turns a schedule on or off."""
    location = RegisteredCodeLocationOrigin("attribution")
    repository = RemoteRepositoryOrigin(location, "__repository__")
    return InstigatorState(
        RemoteInstigatorOrigin(repository, name),
        InstigatorType.SCHEDULE,
        InstigatorStatus.RUNNING if is_on else InstigatorStatus.STOPPED,
        ScheduleInstigatorData("0 3 * * *"),
    )


def check(shop: Deployment, on: Collection[str], *settings: str) -> dict[str, Finding]:
    """Run the checks with some schedules turned on; return those of schedules."""
    impact = 'provider = "impact"'
    text = shop.config_path.read_text()
    shop.config_path.write_text(text.replace(impact, "\n".join([impact, *settings])))
    with dg.DagsterInstance.from_config(str(shop.folder)) as instance:
        for name in ("nightly_export", "finish_due", "retention"):
            instance.add_instigator_state(schedule_state(name, is_on=name in on))
    found = run_checks(shop.config, offline=True)
    return {one.subject: one for one in found if one.subject.startswith("schedules")}


def test_the_nightly_run_alone_cannot_meet_the_dedup_window(shop: Deployment) -> None:
    (found,) = check(shop, ["nightly_export", "retention"]).values()
    assert found == Finding(
        "schedules impact_us",
        is_good=False,
        text=(
            "Checking failed for impact_us: expected the schedules to repeat a request "
            "without a reply within dedup_window_hours (24), got up to 25.75 hours "
            "with nightly_export. Turn on the schedule finish_due (Automation in the "
            "UI)."
        ),
    )


@pytest.mark.long
@pytest.mark.parametrize(
    ("on", "settings", "is_good", "text"),
    [
        (["nightly_export", "finish_due"], [], True, "is repeated within 1 hours"),
        (["finish_due"], [], True, "repeats are dropped for 24"),
        (["nightly_export"], ["dedup_window_hours = 48"], True, "within 25.75 hours"),
        ([], [], True, "with cron, run `attribution finish` every 15 minutes"),
        (["retention"], [], True, "no schedule that sends is on"),
        (
            ["finish_due"],
            ["dedup_window_hours = 1", "settle_delay_minutes = 50"],
            False,
            "Shorten settle_delay_minutes.",
        ),
    ],
)
def test_the_schedules_that_are_on_are_compared_with_the_window(
    shop: Deployment, on: list[str], settings: list[str], is_good: bool, text: str
) -> None:
    (found,) = check(shop, on, *settings).values()
    assert (found.is_good, text in found.text) == (is_good, True), found.text


@pytest.mark.long
def test_a_disabled_destination_needs_no_schedule(shop: Deployment) -> None:
    assert check(shop, ["nightly_export"], "enabled = false") == {}
