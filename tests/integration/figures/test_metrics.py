"""Metrics and log lines in the formats that collectors read."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from assets.figures.metrics import DestinationMetrics, destination_metrics
from assets.ledger.rows import Total
from assets.ledger.states import State
from pipelines.metrics import DeliveryMetrics, exposition, write_file
from support.deployment import (
    DAY,
    NAMES,
    ROOT,
    SECRETS,
    Deployment,
    deployed,
    disable_in_run_retries,
    process,
)

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
Samples = dict[tuple[str, ...], float]


def read(text: str) -> Samples:
    """(name without prefix, destination, further labels...) -> value."""
    labels = ("destination", "state", "quantile", "reason", "currency")
    return {
        (
            sample.name.removeprefix("attribution_"),
            *(sample.labels[name] for name in labels if name in sample.labels),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    disable_in_run_retries(monkeypatch)
    with deployed(tmp_path, orders_per_day=20) as found:
        yield found


def test_metrics_match_the_delivery_tables(shop: Deployment) -> None:
    shop.server.sandbox.set_faults("trackdesk/bumpy:status=503~[0-4]$")
    shop.run()
    done = shop.attribution("metrics")
    assert done.exit_code == 0
    found = read(done.stdout)
    for name in NAMES:
        states = shop.states(name)
        for state in State:
            assert found["conversions", name, state] == states[state]
        for state in states:
            worth = sum(
                Decimal(row["amount_minor"]) / 100
                for row in shop.rows(name).values()
                if row["state"] == state and row["currency"] == "USD"
            )
            assert found["revenue", name, state, "USD"] == float(worth)
        assert found["oldest_unsettled_seconds", name] == 0
        assert found["request_seconds", name, "0.5"] >= 0
    failed = shop.states("trackdesk_bumpy")["retryable"]
    assert found["attempts", "trackdesk_bumpy", "retryable"] >= failed
    day_after = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC) + timedelta(days=1)
    newest = {name: found["newest_complete_timestamp_seconds", name] for name in NAMES}
    assert newest.pop("trackdesk_bumpy") == 0
    assert set(newest.values()) == {day_after.timestamp()}
    left = {name: found["partitions_left", name] for name in NAMES}
    assert left == dict.fromkeys(NAMES, 0) | {"trackdesk_bumpy": 1}
    assert not any(secret in done.stdout for secret in SECRETS.values())


@pytest.mark.long
def test_a_run_stopped_by_the_circuit_breaker_is_counted(shop: Deployment) -> None:
    shop.server.sandbox.set_faults("trackdesk/bumpy:status=401 no~.")
    shop.run(destinations=["trackdesk_bumpy"])
    done = shop.attribution("metrics")
    assert read(done.stdout)["runs_stopped", "trackdesk_bumpy", "configuration"] == 1


@pytest.mark.long
def test_traffic_of_older_partitions_is_left_out(shop: Deployment) -> None:
    shop.run()
    for first, orders in ((DAY, 20), (DAY + timedelta(days=1), 0)):
        with shop.ledger() as database:
            found = destination_metrics(database, NAMES, first=first.isoformat())
        assert set(found) == set(NAMES)
        for one in found.values():
            assert sum(total.orders for total in one.totals) == orders
            assert bool(one.attempts) == bool(orders)


def metrics_with(**changes: Any) -> DestinationMetrics:
    one = DestinationMetrics()
    for name, value in changes.items():
        getattr(one, name).update(value) if isinstance(value, dict) else setattr(
            one, name, value
        )
    return one


def exposed(**changes: Any) -> Samples:
    return read(exposition(DeliveryMetrics({"shop": metrics_with(**changes)}, NOW)))


def test_every_metric_is_documented() -> None:
    page = (ROOT / "docs/monitoring.md").read_text()
    made = {one.name for one in DeliveryMetrics({}, NOW).collect()}
    assert made == set(re.findall(r"^\| `(attribution_\w+)` \|", page, re.M))


def test_quantiles_are_exact() -> None:
    found = exposed(latencies_ms={10: 50, 200: 45, 3000: 4, 9000: 1})
    assert found["request_seconds", "shop", "0.5"] == 0.01
    assert found["request_seconds", "shop", "0.95"] == 0.2
    assert found["request_seconds", "shop", "0.99"] == 3.0


def test_queued_deliveries_have_an_age_and_retries_are_counted() -> None:
    since = NOW - timedelta(hours=2)
    found = exposed(unsettled_since=since, retries=3, stops={"quota": 2})
    assert found["oldest_unsettled_seconds", "shop"] == 7200
    assert found["retries", "shop"] == 3
    assert found["runs_stopped", "shop", "quota"] == 2


def test_money_of_several_days_is_added_exactly_by_currency() -> None:
    def total(day: int, currency: str, digits: int, minor: int) -> Total:
        return Total(
            destination="shop",
            partition_key=date(2026, 11, day).isoformat(),
            state=State.ACCEPTED,
            currency=currency,
            currency_digits=digits,
            orders=1,
            amount_minor=minor,
        )

    found = exposed(
        totals=[
            total(1, "USD", 2, 10),
            total(2, "USD", 2, 20),
            total(2, "JPY", 0, 700),
        ]
    )
    assert found["revenue", "shop", "accepted", "USD"] == 0.3
    assert found["revenue", "shop", "accepted", "JPY"] == 700
    assert found["conversions", "shop", "accepted"] == 3


def test_the_metrics_file_is_replaced_atomically(tmp_path: Path) -> None:
    file = tmp_path / "attribution.prom"
    file.write_text("before", encoding="utf-8")
    write_file(DeliveryMetrics({"shop": DestinationMetrics()}, NOW), file)
    assert read(file.read_text())["retries", "shop"] == 0
    assert list(tmp_path.iterdir()) == [file]


def objects(lines: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


@pytest.fixture
def json_shop(tmp_path: Path) -> Iterator[Deployment]:
    faults = ["trackdesk/bumpy:status=401 no~."]
    more = 'log_format = "json"\n'
    with deployed(tmp_path, faults=faults, orders_per_day=20, more=more) as found:
        yield found


@pytest.mark.long
def test_a_command_logs_one_json_object_per_line(json_shop: Deployment) -> None:
    done = process(json_shop, "export", "--date", DAY.isoformat())
    assert done.returncode == 1
    logged = objects(done.stderr)
    assert {one["level"] for one in logged} >= {"DEBUG", "ERROR"}
    failed = [one for one in logged if one.get("event") == "STEP_FAILURE"]
    assert [one["step"] for one in failed] == ["deliveries__trackdesk_bumpy"]
    assert "Correct the settings" in failed[0]["error"]
    assert all(one["run_id"] for one in logged if "event" in one)
    assert logged[-1]["message"].startswith(f"{DAY} deliveries__trackdesk_bumpy: Del")
    assert "\n" not in logged[-1]["message"]
    assert not any(secret in done.stderr for secret in SECRETS.values())


@pytest.mark.long
def test_wrong_usage_is_logged_as_json(json_shop: Deployment) -> None:
    done = process(json_shop, "export", "--date", "2000-01-01")
    assert done.returncode == 2
    (logged,) = objects(done.stderr)
    assert "expected a whole day" in logged["message"]


@pytest.mark.long
def test_the_documented_logging_settings_make_dagster_log_json(
    shop: Deployment,
) -> None:
    page = (ROOT / "docs/monitoring.md").read_text()
    (lines,) = re.findall(r"```yaml\n(python_logs:.*?)```", page, re.S)
    with (shop.folder / "dagster.yaml").open("a") as instance:
        instance.write(lines)
    words = ["launch", "--assets", "order_items", "--partition", DAY.isoformat()]
    done = subprocess.run(
        [Path(sys.executable).parent / "dg", *words],
        cwd=ROOT,
        env=shop.command_environ() | {"DAGSTER_HOME": str(shop.folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    logged = objects(done.stdout)
    assert {"STEP_START", "STEP_SUCCESS"} <= {one.get("event") for one in logged}
    assert {one["step"] for one in logged if "step" in one} == {"order_items"}
