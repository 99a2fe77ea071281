"""What is due again is sent the same day, by `finish_due` or `attribution finish`."""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import time_machine
from sqlalchemy import update

from assets.joining.join import ASSET
from assets.ledger.tables import delivery
from assets.staging import Staging
from pipelines.build import build
from pipelines.due import due_in
from pipelines.jobs import finish_due
from support.deployment import (
    DAY,
    SECRETS,
    ZONE,
    Deployment,
    deployed,
    disable_in_run_retries,
)

NAME = "impact_us"
LOST = "impact:lost_reply~.#first-1"
"""The first reply about each order never comes."""

TEN = datetime.combine(DAY + timedelta(days=1), time(10), ZoneInfo(ZONE))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A day that was exported at 10:00, and no reply came."""
    monkeypatch.chdir(tmp_path)
    disable_in_run_retries(monkeypatch)
    with deployed(tmp_path, faults=[LOST], orders_per_day=12) as deployment:
        with time_machine.travel(TEN):
            assert not deployment.run(destinations=[NAME]).finished
        assert deployment.states(NAME)["uncertain"] > 0
        yield deployment


@pytest.fixture
def daemon(tmp_path: Path, shop: Deployment) -> Iterator[dg.DagsterInstance]:
    """A persistent instance: a schedule is told where its history is."""
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def tick(
    shop: Deployment, instance: dg.DagsterInstance, at: datetime
) -> Sequence[dg.RunRequest]:
    """Evaluate the schedule, as the daemon does."""
    repository = build(shop.config).get_repository_def()
    schedule = repository.get_schedule_def("finish_due")
    with (
        time_machine.travel(at),
        dg.build_schedule_context(
            instance, scheduled_execution_time=at, repository_def=repository
        ) as context,
    ):
        return schedule.evaluate_tick(context).run_requests or []


def execute(
    shop: Deployment, instance: dg.DagsterInstance, request: dg.RunRequest, at: datetime
) -> dg.ExecuteInProcessResult:
    """Run what the schedule asked for."""
    job = build(shop.config).resolve_job_def(finish_due.name)
    with time_machine.travel(at):
        return job.execute_in_process(
            partition_key=request.partition_key,
            asset_selection=request.asset_selection,
            instance=instance,
        )


def assert_delivered_once(shop: Deployment) -> None:
    states = shop.states(NAME)
    effects = shop.server.sandbox.effects("impact", SECRETS["IMPACT_SID"])
    assert (states["uncertain"], states["retryable"]) == (0, 0)
    assert states["queued"] + states["duplicate"] == len(effects) > 0
    assert set(effects.values()) == {1}


def due_at(shop: Deployment, **later: float) -> dict[str, Sequence[str]]:
    with time_machine.travel(TEN + timedelta(**later)):
        return dict(due_in(shop.config))


@pytest.mark.long
def test_an_order_without_a_reply_at_ten_is_delivered_before_noon(
    shop: Deployment, daemon: dg.DagsterInstance
) -> None:
    done = []
    for quarter in range(1, 8):
        at = TEN + timedelta(minutes=15 * quarter)
        requests = tick(shop, daemon, at)
        done += [(at, execute(shop, daemon, request, at)) for request in requests]
    ((at, run),) = done
    assert TEN + timedelta(minutes=45) <= at < TEN + timedelta(hours=2)
    assert run.dagster_run.tags["dagster/partition"] == DAY.isoformat()
    made = {event.asset_key for event in run.get_asset_materialization_events()}
    assert made == {
        dg.AssetKey(["deliveries", NAME]),
        dg.AssetKey("published_deliveries"),
    }
    assert_delivered_once(shop)


@pytest.mark.long
@pytest.mark.parametrize(
    ("status", "requests"),
    [
        (dg.DagsterRunStatus.STARTING, 0),
        (dg.DagsterRunStatus.STARTED, 0),
        (dg.DagsterRunStatus.FAILURE, 1),
    ],
)
def test_a_partition_with_a_run_at_work_is_left_to_that_run(
    shop: Deployment,
    daemon: dg.DagsterInstance,
    status: dg.DagsterRunStatus,
    requests: int,
) -> None:
    daemon.create_run_for_job(
        build(shop.config).resolve_job_def("export_day"),
        status=status,
        tags={"dagster/partition": DAY.isoformat()},
    )
    assert len(tick(shop, daemon, TEN + timedelta(hours=1))) == requests


def test_finish_due_delivers_without_an_extract(shop: Deployment) -> None:
    at = TEN + timedelta(minutes=46)
    request = dg.RunRequest(
        partition_key=DAY.isoformat(),
        asset_selection=[dg.AssetKey(["deliveries", NAME])],
    )
    shop.warehouse("drop table completed_orders")
    execute(shop, shop.instance, request, at)
    assert_delivered_once(shop)


@pytest.mark.long
def test_the_command_finishes_what_is_due(shop: Deployment) -> None:
    with time_machine.travel(TEN + timedelta(hours=1)):
        done = shop.attribution("finish")
        again = shop.attribution("finish")
    assert done.exit_code == 0, done.output
    assert "impact_us" in done.output
    assert_delivered_once(shop)
    assert (again.exit_code, again.output) == (0, "Nothing is due.\n")


@pytest.mark.long
def test_the_command_ends_with_one_if_something_is_left(shop: Deployment) -> None:
    with shop.ledger() as database, database.write() as connection:
        of_shop = delivery.c.state == "uncertain"
        later = {"next_attempt_at": TEN + timedelta(hours=2)}
        connection.execute(update(delivery).where(of_shop).values(later))
    sooner = {"state": "retryable", "next_attempt_at": TEN}
    waiting = [key for key, row in shop.rows(NAME).items() if row["next_attempt_at"]]
    first = waiting[0].partition(":")[2]
    with shop.ledger() as database, database.write() as connection:
        its = delivery.c.order_id == first
        connection.execute(update(delivery).where(its).values(sooner))
    with time_machine.travel(TEN + timedelta(hours=1)):
        done = shop.attribution("finish", "--destination", NAME)
    assert done.exit_code == 1
    assert "Run this partition again" in done.output


def test_only_what_is_configured_is_due(shop: Deployment) -> None:
    text = shop.config_path.read_text()
    assert due_at(shop, minutes=44) == {}
    assert due_at(shop, hours=1) == {DAY.isoformat(): [NAME]}
    disabled = text.replace('provider = "impact"', 'provider = "impact"\nenabled=false')
    shop.config_path.write_text(disabled)
    assert due_at(shop, hours=1) == {}
    (start,) = (line for line in text.splitlines() if line.startswith("start_date"))
    after = f"start_date = {DAY + timedelta(days=1)}"
    shop.config_path.write_text(text.replace(start, after))
    assert due_at(shop, hours=1) == {}


def test_a_day_without_staged_conversions_is_not_due(shop: Deployment) -> None:
    Staging(shop.config.staging).path(ASSET, DAY.isoformat()).unlink()
    assert due_at(shop, hours=1) == {}


def test_the_command_knows_its_destinations(shop: Deployment) -> None:
    with time_machine.travel(TEN + timedelta(hours=1)):
        other = shop.attribution("finish", "--destination", "convert_web")
        wrong = shop.attribution("finish", "--destination", "nobody")
    assert (other.exit_code, other.output) == (0, "Nothing is due.\n")
    assert wrong.exit_code == 2
    assert "expected one of impact_us" in wrong.output
