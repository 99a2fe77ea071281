"""What people are told of real runs, through real channels on this machine."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine

from pipelines.alerts.alerting import lookout
from pipelines.alerts.channels import is_understood
from pipelines.alerts.rules import Channel
from pipelines.alerts.sensors import Cursor, Lookout
from pipelines.build import build
from pipelines.checkup.checkup import check_up
from pipelines.demo.warehouse import seed
from pipelines.runs.launch import Launcher
from support.deployment import (
    DAY,
    SECRETS,
    ZONE,
    Deployment,
    deployed,
    without_patience,
)
from support.inbox import Inbox, mail_server, webhook

KEY = DAY.isoformat()
ALERTS = """
[alerts]
ui_url = "https://dagster.example/"
[alerts.channels.hook]
url = { env = "HOOK" }
"""
BUMPY = "trackdesk/bumpy:status=503~[0-4]$"


class Watcher:
    """A sensor that looks when it is told to, and keeps its cursor."""

    def __init__(self, shop: Deployment) -> None:
        self.shop = shop
        self.cursor: str | None = None
        self.said = ""
        self.now = 0.0

    def look(self) -> str:
        graph = build(self.shop.config).resolve_asset_graph
        found: Lookout = lookout(self.shop.config, graph)
        found._clock = lambda: self.now
        self.cursor, self.said = found.look(self.shop.instance, self.cursor)
        return self.said

    def waiting(self) -> int:
        assert self.cursor is not None
        cursor = Cursor.model_validate_json(self.cursor)
        return sum(map(len, cursor.unsent.values()))


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with webhook() as found:
        yield found


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inbox: Inbox
) -> Iterator[Deployment]:
    without_patience(monkeypatch)
    environ = {"HOOK": inbox.url}
    with deployed(tmp_path, orders_per_day=20, environ=environ, more=ALERTS) as found:
        yield found


@pytest.fixture
def watcher(shop: Deployment) -> Watcher:
    return Watcher(shop)


def later(**time: float) -> Any:
    return time_machine.travel(datetime.now(UTC) + timedelta(**time))


def test_a_failed_day_is_told_once_and_its_recovery_once(
    shop: Deployment, inbox: Inbox, watcher: Watcher
) -> None:
    shop.server.sandbox.misbehave(BUMPY)
    shop.run()
    retryable = shop.states("trackdesk_bumpy")["retryable"]
    watcher.look()
    (told,) = inbox.texts
    title = f"attribution failed: deliveries/trackdesk_bumpy {KEY}"
    assert told.startswith(title)
    assert f"trackdesk_bumpy: {retryable} retryable, " in told
    assert " USD" in told
    assert f"attribution backfill --from {KEY} --to {KEY}" in told
    assert (
        "https://dagster.example/assets/deliveries/trackdesk_bumpy"
        f"?view=partitions&partition={KEY}" in told
    )
    assert watcher.look() == "0 news."

    with later(hours=1):
        shop.run()
    watcher.look()
    assert len(inbox.texts) == 1

    shop.server.sandbox.misbehave()
    with later(hours=2):
        shop.run()
    watcher.look()
    assert inbox.texts[1:] == [
        f"attribution recovered: deliveries/trackdesk_bumpy {KEY}\n"
        f"RECOVERED deliveries/trackdesk_bumpy {KEY}\n"
        "https://dagster.example/assets/deliveries/trackdesk_bumpy"
        f"?view=partitions&partition={KEY}"
    ]


def test_a_warehouse_that_is_away_is_one_message(
    shop: Deployment, inbox: Inbox, watcher: Watcher
) -> None:
    shop.warehouse("drop table completed_orders")
    shop.run()
    watcher.look()
    (told,) = inbox.texts
    assert told.startswith("attribution failed: completed_orders, order_items, visitor")
    assert "deliveries/" not in told


@pytest.mark.parametrize("together", [False, True])
def test_a_day_that_a_guard_refuses_is_told_with_the_guard_s_words(
    shop: Deployment, inbox: Inbox, watcher: Watcher, together: bool
) -> None:
    text = shop.config_path.read_text()
    guards = text.replace("[alerts]", "[guards]\nmax_orders = 5\n[alerts]")
    shop.config_path.write_text(guards)
    if together:
        days = [DAY - timedelta(days=1), DAY]
        Launcher(shop.config, shop.instance).export_together(days)
    else:
        assert shop.run().refused
    watcher.look()
    told = "\n".join(inbox.texts)
    assert f"FAILED completed_orders {KEY}\nExtracting was refused for {KEY}: " in told
    assert "expected at most 5 orders, got " in told
    assert f'attribution export --date {KEY} --override "REASON"' in told
    assert "attribution backfill" not in told


def test_a_failing_check_is_told_with_its_next_action_and_ends(
    shop: Deployment, inbox: Inbox, watcher: Watcher
) -> None:
    shop.server.sandbox.misbehave("convert:lost_reply~.")
    shop.run(to=["convert_web"])
    watcher.look()
    told = "\n".join(inbox.texts)
    assert "WARNING deliveries/convert_web nothing_uncertain\nconvert_web: " in told
    assert "attribution resolve." in told
    assert "?view=checks&checkDetail=nothing_uncertain" in told
    with shop.ledger() as database, database.write() as connection:
        connection.exec_driver_sql(
            "update delivery set state = 'accepted' where state = 'uncertain'"
        )
    shop.server.sandbox.misbehave()
    with later(hours=1):
        shop.run(to=["convert_web"])
    watcher.look()
    assert "RECOVERED deliveries/convert_web nothing_uncertain" in inbox.texts[-1]


def test_checks_of_a_run_of_several_days_are_told_of_each_day(
    shop: Deployment, inbox: Inbox, watcher: Watcher
) -> None:
    text = shop.config_path.read_text()
    limit = "[checks.rejected_share]\nseverity = 'error'\nat_least = 1\n[alerts]"
    shop.config_path.write_text(text.replace("[alerts]", limit))
    days = [DAY - timedelta(days=1), DAY]
    seed(
        shop.folder / "warehouse.db",
        last_day=DAY,
        days=2,
        orders_per_day=20,
        timezone=ZONE,
    )
    check = "deliveries/trackdesk_main rejected_share"
    named = f"{check} {days[0]}, {days[1]} (2 days)"

    def together() -> None:
        Launcher(shop.config, shop.instance).export_together(
            days, to=["trackdesk_main"]
        )
        watcher.look()

    shop.server.sandbox.misbehave(
        "trackdesk/demo:status=403 conversion limit reached~."
    )
    together()
    assert f"FAILED {named}" in inbox.texts[-1]
    with shop.ledger() as database, database.write() as connection:
        connection.exec_driver_sql(
            "update delivery set state = 'accepted' where state = 'rejected'"
        )
    shop.server.sandbox.misbehave()
    with later(hours=1):
        together()
    assert f"RECOVERED {named}" in inbox.texts[-1]


def test_a_channel_that_is_down_loses_nothing_and_fails_nothing(
    shop: Deployment, inbox: Inbox, watcher: Watcher
) -> None:
    inbox.status = 500
    shop.server.sandbox.misbehave(BUMPY)
    shop.run()
    waits = "1 message for hook not taken, tries: 1; the next in 1 min."
    assert watcher.look() == f"1 news. {waits}"
    assert watcher.look() == f"0 news. {waits}"
    shop.server.sandbox.misbehave()
    with later(hours=1):
        assert shop.run().finished
    watcher.look()
    assert (inbox.texts, watcher.waiting()) == ([], 2)
    inbox.status = 200
    watcher.now += 60
    assert watcher.look() == "0 news."
    words = [text.split()[1] for text in inbox.texts]
    assert words == ["failed:", "recovered:"]
    watcher.look()
    assert len(inbox.texts) == 2


def test_a_channel_whose_variable_is_not_set_waits_like_one_that_is_down(
    shop: Deployment, inbox: Inbox, watcher: Watcher
) -> None:
    del shop.environ["HOOK"]
    findings = [one for one in check_up(shop.config) if "hook" in one.subject]
    assert [(one.is_good, "Set HOOK" in one.text) for one in findings] == [
        (False, True)
    ]
    shop.server.sandbox.misbehave(BUMPY)
    shop.run()
    watcher.look()
    assert watcher.waiting() == 1
    shop.environ["HOOK"] = inbox.url
    watcher.now += 60
    watcher.look()
    assert len(inbox.texts) == 1


def test_news_wait_for_the_runs_that_are_under_way_and_not_for_ever(
    shop: Deployment, inbox: Inbox, watcher: Watcher
) -> None:
    shop.server.sandbox.misbehave(BUMPY)
    shop.run()
    job = build(shop.config).resolve_job_def("export_day")
    day_before = {"dagster/partition": (DAY - timedelta(days=1)).isoformat()}
    run = shop.instance.create_run_for_job(job, tags=day_before)
    watcher.look()
    watcher.now += 59 * 60
    assert watcher.look() == "1 news wait for the runs that are under way."
    assert not inbox.texts
    watcher.now += 60
    watcher.look()
    assert len(inbox.texts) == 1
    shop.instance.delete_run(run.run_id)
    assert watcher.look() == "0 news."


def test_no_order_no_person_and_no_secret_is_told_or_remembered(
    shop: Deployment,
    inbox: Inbox,
    watcher: Watcher,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    shop.server.sandbox.misbehave(
        BUMPY, "convert:lost_reply~.", "impact:status=401 x~."
    )
    shop.run()
    inbox.status = 500
    watcher.look()
    inbox.status = 200
    watcher.now += 60
    watcher.look()
    told = "\n".join(inbox.texts)
    assert "configuration: http_401" in told
    spread = told + str(watcher.cursor) + watcher.said
    people = shop.warehouse(
        "select order_id, visitor_id, customer_id, customer_email_sha1 "
        "from completed_orders"
    )
    canaries = {str(value) for row in people for value in row if value}
    assert len(canaries) > 40
    for canary in canaries | set(SECRETS.values()):
        assert canary not in spread
    assert "canary-hook-key" not in spread
    assert "canary-hook-key" not in repr(shop.config)
    logged = [one.getMessage() for one in caplog.records if one.name == "apprise"]
    assert logged == []


def test_the_sensor_keeps_its_cursor(shop: Deployment, inbox: Inbox) -> None:
    shop.server.sandbox.misbehave(BUMPY)
    shop.run()
    definitions = build(shop.config)
    sensor = definitions.resolve_sensor_def("alerts")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    cursor = None
    for _ in range(2):
        with dg.build_sensor_context(shop.instance, cursor=cursor) as context:
            sensor.evaluate_tick(context)
            cursor = context.cursor
    assert len(inbox.texts) == 1
    assert json.loads(str(cursor))["told"]["failed"]


def test_without_channels_nobody_is_told(tmp_path: Path) -> None:
    with deployed(tmp_path, orders_per_day=20) as plain:
        names = {sensor.name for sensor in build(plain.config).sensors or ()}
        assert "alerts" not in names


def test_an_alert_goes_out_by_mail(
    shop: Deployment, inbox: Inbox, watcher: Watcher
) -> None:
    shop.server.sandbox.misbehave(BUMPY)
    shop.run()
    with mail_server() as mail:
        shop.environ["HOOK"] = mail.url
        watcher.look()
    (told,) = mail.texts
    assert "oncall@shop.example" in told
    assert "FAILED deliveries/trackdesk_bumpy" in told


@pytest.mark.parametrize(
    ("url", "understood"),
    [
        ("mailtos://user:password@mail.example?to=oncall@shop.example", True),
        ("slack://TAAAAAAAA/BBBBBBBBB/cccccccccccccccccccccccc/#alerts", True),
        ("jsons://hooks.example/path", True),
        ("workflows://host.example/workflow/signature", True),
        ("carrier-pigeon://roof", False),
        ("not an address", False),
    ],
)
def test_an_address_is_understood_before_it_is_needed(
    url: str, understood: bool
) -> None:
    assert is_understood(Channel.model_validate({"url": url})) is understood
