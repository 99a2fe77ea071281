"""The deliveries of failed partitions are published to the analysts."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from pipelines.build import build
from pipelines.failed_partitions import publishing_job_and_sensor, wrote_to_tables
from pipelines.runs.day_results import DayResult
from pipelines.runs.launch import Launcher
from support.deployment import DAY, ZONE, Deployment, deployed, disable_in_run_retries

COPIED = "select destination, state, count(*) from attribution.delivery group by all"
START_OF_DAY = datetime.combine(DAY, time(), ZoneInfo(ZONE))
TO = ["trackdesk_bumpy", "trackdesk_main"]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A deployment with one of two destinations down."""
    monkeypatch.chdir(tmp_path)
    disable_in_run_retries(monkeypatch)
    faults = ["trackdesk/bumpy:status=503"]
    with deployed(tmp_path, faults=faults, days=2, orders_per_day=12) as deployment:
        yield deployment


def published(shop: Deployment) -> dict[tuple[str, str], int]:
    return {(name, state): count for name, state, count in shop.warehouse(COPIED)}


def recorded(shop: Deployment) -> dict[tuple[str, str], int]:
    return {
        (name, state): count
        for name in TO
        for state, count in shop.states(name).items()
    }


def is_published(shop: Deployment) -> bool:
    key = dg.AssetKey("published_deliveries")
    return bool(shop.instance.get_materialized_partitions(key))


def evaluate_sensor(shop: Deployment, run: DayResult) -> dg.RunRequest | dg.SkipReason:
    """Evaluate the sensor for a run."""
    _, sensor = publishing_job_and_sensor()
    found = shop.instance.get_run_by_id(run.run_id)
    assert found is not None
    (failure,) = shop.instance.all_logs(
        run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE
    )
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_event=failure.get_dagster_event(),
        dagster_instance=shop.instance,
        dagster_run=found,
    ).for_run_failure()
    answer = sensor(context)
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)
    return answer


def empty_the_copy(shop: Deployment) -> None:
    shop.warehouse("delete from attribution.delivery")


def test_a_failed_partition_is_published_and_stays_unmaterialized(
    shop: Deployment,
) -> None:
    assert not shop.run(destinations=TO).finished
    assert published(shop) == recorded(shop)
    assert ("trackdesk_main", "accepted") in published(shop)
    assert not is_published(shop)


@pytest.mark.long
def test_the_sensor_publishes_after_a_failed_run(shop: Deployment) -> None:
    run = shop.run(destinations=TO)
    empty_the_copy(shop)
    request = evaluate_sensor(shop, run)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == run.run_id
    job = build(shop.config).resolve_job_def("publish_red_days")
    done = job.execute_in_process(run_config=request.run_config, instance=shop.instance)
    assert done.success
    assert published(shop) == recorded(shop)
    assert not is_published(shop)


@pytest.mark.long
def test_days_of_one_run_are_published_together(
    shop: Deployment,
) -> None:
    days = [DAY - timedelta(days=1), DAY]
    results = Launcher(shop.config, shop.instance).export_range(days, destinations=TO)
    assert not any(result.finished for result in results)
    assert published(shop) == recorded(shop)
    request = evaluate_sensor(shop, results[0])
    assert isinstance(request, dg.RunRequest)
    (config,) = request.run_config["ops"].values()
    assert config == {"config": {"days": [str(day) for day in days]}}


def test_a_run_that_delivered_nothing_is_not_copied(shop: Deployment) -> None:
    shop.warehouse("drop table visitor_bucketing")
    run = shop.run(destinations=TO)
    assert isinstance(evaluate_sensor(shop, run), dg.SkipReason)


def test_a_run_whose_worker_died_is_published() -> None:
    assert wrote_to_tables([])


@pytest.mark.long
def test_a_day_that_moved_is_copied_once(shop: Deployment) -> None:
    shop.server.sandbox.set_faults()
    assert shop.run(destinations=TO).finished
    shop.warehouse("delete from completed_orders where completed_at < ?", START_OF_DAY)
    shop.warehouse(
        "update completed_orders set completed_at = completed_at - interval 1 day"
    )
    assert shop.run(DAY - timedelta(days=1), destinations=TO).finished
    assert published(shop) == recorded(shop)
    for table, key in (
        ("delivery", "delivery_id"),
        ("delivery_attempt", "(attempt_id, event)"),
    ):
        count = f"select count(*) - count(distinct {key}) from attribution.{table}"
        assert shop.warehouse(count) == [(0,)]


def test_without_publishing_there_is_no_such_sensor(shop: Deployment) -> None:
    text = shop.config_path.read_text()
    shop.config_path.write_text(f"publish = false\n{text}")
    names = {one.name for one in build(shop.config).sensors or ()}
    assert "publish_red_days" not in names
