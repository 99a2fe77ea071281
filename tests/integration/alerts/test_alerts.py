"""Alerts of real runs, sent through real channels on this machine."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine

from pipelines.alerts.channels import is_valid_address
from pipelines.alerts.notifier import Cursor, Notifier
from pipelines.alerts.sensors import make_notifier
from pipelines.build import build
from pipelines.checkup.checkup import run_checks
from pipelines.configuration.alerts import Channel
from pipelines.demo.warehouse import seed
from pipelines.runs.launch import Launcher
from support.deployment import (
    DAY,
    SECRETS,
    ZONE,
    Deployment,
    deployed,
    disable_in_run_retries,
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


class Ticker:
    """Ticks on request and keeps the cursor."""

    def __init__(self, shop: Deployment) -> None:
        self.shop = shop
        self.cursor: str | None = None
        self.summary = ""
        self.now = 0.0

    def tick(self) -> str:
        graph = build(self.shop.config).resolve_asset_graph
        found: Notifier = make_notifier(self.shop.config, graph)
        found._clock = lambda: self.now
        self.cursor, self.summary = found.tick(self.shop.instance, self.cursor)
        return self.summary

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
    disable_in_run_retries(monkeypatch)
    environ = {"HOOK": inbox.url}
    with deployed(tmp_path, orders_per_day=20, environ=environ, more=ALERTS) as found:
        yield found


@pytest.fixture
def ticker(shop: Deployment) -> Ticker:
    return Ticker(shop)


def later(**time: float) -> Any:
    return time_machine.travel(datetime.now(UTC) + timedelta(**time))


@pytest.mark.long
def test_a_failed_day_is_announced_once_and_its_recovery_once(
    shop: Deployment, inbox: Inbox, ticker: Ticker
) -> None:
    shop.server.sandbox.set_faults(BUMPY)
    shop.run()
    retryable = shop.states("trackdesk_bumpy")["retryable"]
    ticker.tick()
    (text,) = inbox.texts
    title = f"attribution failed: deliveries/trackdesk_bumpy {KEY}"
    assert text.startswith(title)
    assert f"trackdesk_bumpy: {retryable} retryable, " in text
    assert " USD" in text
    assert f"attribution backfill --from {KEY} --to {KEY}" in text
    assert (
        "https://dagster.example/assets/deliveries/trackdesk_bumpy"
        f"?view=partitions&partition={KEY}" in text
    )
    assert ticker.tick() == "New alerts: 0."

    with later(hours=1):
        shop.run()
    ticker.tick()
    assert len(inbox.texts) == 1

    shop.server.sandbox.set_faults()
    with later(hours=2):
        shop.run()
    ticker.tick()
    assert inbox.texts[1:] == [
        f"attribution recovered: deliveries/trackdesk_bumpy {KEY}\n"
        f"RECOVERED deliveries/trackdesk_bumpy {KEY}\n"
        "https://dagster.example/assets/deliveries/trackdesk_bumpy"
        f"?view=partitions&partition={KEY}"
    ]


def test_an_unavailable_warehouse_is_one_message(
    shop: Deployment, inbox: Inbox, ticker: Ticker
) -> None:
    shop.warehouse("drop table completed_orders")
    shop.run()
    ticker.tick()
    (text,) = inbox.texts
    assert text.startswith("attribution failed: completed_orders, order_items, visitor")
    assert "deliveries/" not in text


@pytest.mark.long
@pytest.mark.parametrize("in_one_run", [False, True])
def test_a_refused_day_is_announced_with_the_message_of_the_guard(
    shop: Deployment, inbox: Inbox, ticker: Ticker, in_one_run: bool
) -> None:
    text = shop.config_path.read_text()
    guards = text.replace("[alerts]", "[guards]\nmax_orders = 5\n[alerts]")
    shop.config_path.write_text(guards)
    if in_one_run:
        days = [DAY - timedelta(days=1), DAY]
        Launcher(shop.config, shop.instance).export_range(days)
    else:
        assert shop.run().refused
    ticker.tick()
    text = "\n".join(inbox.texts)
    assert f"FAILED completed_orders {KEY}\nExtracting was refused for {KEY}: " in text
    assert "expected at most 5 orders, got " in text
    assert f'attribution export --date {KEY} --override "REASON"' in text
    assert "attribution backfill" not in text


@pytest.mark.long
def test_a_failing_check_is_announced_with_its_next_action_and_recovers(
    shop: Deployment, inbox: Inbox, ticker: Ticker
) -> None:
    shop.server.sandbox.set_faults("convert:lost_reply~.")
    shop.run(destinations=["convert_web"])
    ticker.tick()
    text = "\n".join(inbox.texts)
    assert "WARNING deliveries/convert_web nothing_uncertain\nconvert_web: " in text
    assert "attribution resolve." in text
    assert "?view=checks&checkDetail=nothing_uncertain" in text
    with shop.ledger() as database, database.write() as connection:
        connection.exec_driver_sql(
            "update delivery set state = 'accepted' where state = 'uncertain'"
        )
    shop.server.sandbox.set_faults()
    with later(hours=1):
        shop.run(destinations=["convert_web"])
    ticker.tick()
    assert "RECOVERED deliveries/convert_web nothing_uncertain" in inbox.texts[-1]


@pytest.mark.long
def test_checks_of_a_run_of_several_days_are_announced_for_each_day(
    shop: Deployment, inbox: Inbox, ticker: Ticker
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

    def in_one_run() -> None:
        Launcher(shop.config, shop.instance).export_range(
            days, destinations=["trackdesk_main"]
        )
        ticker.tick()

    shop.server.sandbox.set_faults(
        "trackdesk/demo:status=403 conversion limit reached~."
    )
    in_one_run()
    assert f"FAILED {named}" in inbox.texts[-1]
    with shop.ledger() as database, database.write() as connection:
        connection.exec_driver_sql(
            "update delivery set state = 'accepted' where state = 'rejected'"
        )
    shop.server.sandbox.set_faults()
    with later(hours=1):
        in_one_run()
    assert f"RECOVERED {named}" in inbox.texts[-1]


@pytest.mark.long
def test_a_channel_that_is_down_loses_no_message_and_fails_no_run(
    shop: Deployment, inbox: Inbox, ticker: Ticker
) -> None:
    inbox.status = 500
    shop.server.sandbox.set_faults(BUMPY)
    shop.run()
    waits = "1 message for hook not sent, failed tries: 1; next try in 1 min."
    assert ticker.tick() == f"New alerts: 1. {waits}"
    assert ticker.tick() == f"New alerts: 0. {waits}"
    shop.server.sandbox.set_faults()
    with later(hours=1):
        assert shop.run().finished
    ticker.tick()
    assert (inbox.texts, ticker.waiting()) == ([], 2)
    inbox.status = 200
    ticker.now += 60
    assert ticker.tick() == "New alerts: 0."
    words = [text.split()[1] for text in inbox.texts]
    assert words == ["failed:", "recovered:"]
    ticker.tick()
    assert len(inbox.texts) == 2


@pytest.mark.long
def test_a_channel_without_its_variable_is_treated_as_down(
    shop: Deployment, inbox: Inbox, ticker: Ticker
) -> None:
    del shop.environ["HOOK"]
    findings = [one for one in run_checks(shop.config) if "hook" in one.subject]
    assert [(one.is_good, "Set HOOK" in one.text) for one in findings] == [
        (False, True)
    ]
    shop.server.sandbox.set_faults(BUMPY)
    shop.run()
    ticker.tick()
    assert ticker.waiting() == 1
    shop.environ["HOOK"] = inbox.url
    ticker.now += 60
    ticker.tick()
    assert len(inbox.texts) == 1


@pytest.mark.long
def test_alerts_wait_for_runs_under_way_up_to_the_digest_time(
    shop: Deployment, inbox: Inbox, ticker: Ticker
) -> None:
    shop.server.sandbox.set_faults(BUMPY)
    shop.run()
    job = build(shop.config).resolve_job_def("export_day")
    day_before = {"dagster/partition": (DAY - timedelta(days=1)).isoformat()}
    run = shop.instance.create_run_for_job(job, tags=day_before)
    ticker.tick()
    ticker.now += 59 * 60
    assert ticker.tick() == "Alerts waiting for runs under way: 1."
    assert not inbox.texts
    ticker.now += 60
    ticker.tick()
    assert len(inbox.texts) == 1
    shop.instance.delete_run(run.run_id)
    assert ticker.tick() == "New alerts: 0."


@pytest.mark.long
def test_alerts_and_cursor_name_no_order_no_person_and_no_secret(
    shop: Deployment,
    inbox: Inbox,
    ticker: Ticker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    shop.server.sandbox.set_faults(
        BUMPY, "convert:lost_reply~.", "impact:status=401 x~."
    )
    shop.run()
    inbox.status = 500
    ticker.tick()
    inbox.status = 200
    ticker.now += 60
    ticker.tick()
    text = "\n".join(inbox.texts)
    assert "configuration: http_401" in text
    spread = text + str(ticker.cursor) + ticker.summary
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


@pytest.mark.long
def test_the_sensor_keeps_its_cursor(shop: Deployment, inbox: Inbox) -> None:
    shop.server.sandbox.set_faults(BUMPY)
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


def test_without_channels_there_is_no_sensor(tmp_path: Path) -> None:
    with deployed(tmp_path, orders_per_day=20) as plain:
        names = {sensor.name for sensor in build(plain.config).sensors or ()}
        assert "alerts" not in names


@pytest.mark.long
def test_an_alert_is_sent_by_mail(
    shop: Deployment, inbox: Inbox, ticker: Ticker
) -> None:
    shop.server.sandbox.set_faults(BUMPY)
    shop.run()
    with mail_server() as mail:
        shop.environ["HOOK"] = mail.url
        ticker.tick()
    (text,) = mail.texts
    assert "oncall@shop.example" in text
    assert "FAILED deliveries/trackdesk_bumpy" in text


@pytest.mark.parametrize(
    ("url", "valid"),
    [
        ("mailtos://user:password@mail.example?to=oncall@shop.example", True),
        ("slack://TAAAAAAAA/BBBBBBBBB/cccccccccccccccccccccccc/#alerts", True),
        ("jsons://hooks.example/path", True),
        ("workflows://host.example/workflow/signature", True),
        ("carrier-pigeon://roof", False),
        ("not an address", False),
    ],
)
def test_the_address_of_a_channel_is_validated(url: str, valid: bool) -> None:
    assert is_valid_address(Channel.model_validate({"url": url})) is valid
