"""Backfills: each day succeeds or fails on its own; a re-run finishes the rest."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine
from click.testing import Result

from assets.dagster_internals import AssetPartitionStatus, InMemoryJob, execute_run
from assets.deliveries import delivery_key
from assets.partitions import days_between
from pipelines.build import build
from pipelines.runs import launch
from pipelines.runs.backfill import unfinished_assets
from pipelines.runs.launch import Launcher
from support.dagster_internals import create_execution_plan
from support.deployment import DAY, Deployment, deployed, disable_in_run_retries

DAYS = days_between(DAY - timedelta(days=2), DAY)
FIRST, BAD, LAST = DAYS
TO = ["trackdesk_main", "impact_us"]
EACH = ["--destination", TO[0], "--destination", TO[1]]
MODES = [[], ["--single-run"]]
SUCCEEDED = AssetPartitionStatus.MATERIALIZED
FAILED = AssetPartitionStatus.FAILED


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Three days with few orders."""
    disable_in_run_retries(monkeypatch)
    guards = "[guards]\nusual_orders = 5\n"
    with deployed(tmp_path, orders_per_day=8, days=3, more=guards) as deployment:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(launch, "open_instance", lambda: deployment.instance)
        yield deployment


def backfill(shop: Deployment, *words: str) -> Result:
    days = ("--from", str(FIRST), "--to", str(LAST))
    return shop.attribution("backfill", *days, *EACH, *words)


def statuses(shop: Deployment, key: dg.AssetKey) -> dict[Any, Any]:
    """Return the partition status of an asset by day, as the UI shows it."""
    launcher = Launcher(shop.config, shop.instance)
    partitions = launcher.graph.get(key).partitions_def
    assert partitions is not None
    found = shop.instance.get_status_by_partition(
        key, [str(day) for day in DAYS], partitions
    )
    assert found is not None
    return {day: found[str(day)] for day in DAYS}


def fail_one_day(shop: Deployment) -> None:
    """Make one destination fail on one day."""
    pattern = BAD.strftime("%Y%m%d")
    shop.server.sandbox.set_faults(f"trackdesk/demo:status=503~^D{pattern}")


def runs(shop: Deployment) -> int:
    return len(shop.instance.get_run_ids())


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
def test_each_day_succeeds_or_fails_on_its_own(
    shop: Deployment, mode: list[str]
) -> None:
    fail_one_day(shop)
    done = backfill(shop, *mode)
    assert done.exit_code == 1
    assert f"{BAD} deliveries__trackdesk_main: Delivering failed" in done.stderr
    assert done.stderr.count("Delivering failed") == 1
    others = dict.fromkeys([FIRST, LAST], SUCCEEDED)
    for key in (delivery_key("trackdesk_main"), dg.AssetKey("published_deliveries")):
        assert statuses(shop, key) == {**others, BAD: FAILED}
    for key in (delivery_key("impact_us"), dg.AssetKey("conversions")):
        assert statuses(shop, key) == {**others, BAD: SUCCEEDED}
    assert runs(shop) == (1 if mode else 3)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("mode", MODES)
def test_a_restart_touches_only_what_failed(shop: Deployment, mode: list[str]) -> None:
    fail_one_day(shop)
    backfill(shop, *mode)
    shop.server.sandbox.set_faults()
    before, entries = runs(shop), len(shop.server.sandbox.journal.entries)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        again = backfill(shop, *mode)
    assert again.exit_code == 0, again.stderr
    assert "2 of 3 days are finished" in again.stderr
    assert runs(shop) == before + 1
    new = shop.server.sandbox.journal.entries[entries:]
    assert {entry.provider for entry in new} == {"trackdesk"}
    effects = shop.server.sandbox.effects("trackdesk", "demo")
    assert set(Counter(effects).values()) == {1}
    nothing = backfill(shop, *mode)
    assert "3 of 3 days are finished" in nothing.stderr
    assert runs(shop) == before + 1


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
def test_a_day_that_a_guard_refuses_does_not_stop_other_days(
    shop: Deployment, mode: list[str]
) -> None:
    for table in ("order_items", "completed_orders"):
        shop.warehouse(f"delete from {table} where order_id like ?", f"D{LAST:%Y%m%d}%")
    done = backfill(shop, *mode)
    assert done.exit_code == 3, done.stderr
    assert f"{LAST} completed_orders: Extracting was refused" in done.stderr
    for key in (delivery_key("trackdesk_main"), dg.AssetKey("completed_orders")):
        assert statuses(shop, key) == {
            **dict.fromkeys([FIRST, BAD], SUCCEEDED),
            LAST: FAILED,
        }
    passed = backfill(shop, *mode, "--override", "the shop was closed")
    assert passed.exit_code == 0, passed.stderr
    assert statuses(shop, delivery_key("trackdesk_main")) == dict.fromkeys(
        DAYS, SUCCEEDED
    )


def a_delivered_order(shop: Deployment) -> str:
    return next(
        str(row["order_id"])
        for row in shop.rows("trackdesk_main").values()
        if row["state"] == "accepted" and row["partition_key"] == str(BAD)
    )


def add_late_order(shop: Deployment) -> None:
    """Add an order to a finished day, a copy of one that was delivered."""
    like = a_delivered_order(shop)
    for table in ("completed_orders", "order_items"):
        shop.warehouse(
            f"insert into {table} select * replace (order_id || '-late' as order_id) "
            f"from {table} where order_id = ?",
            like,
        )


def re_execute_from_failure(shop: Deployment) -> dg.JobExecutionResult:
    """Re-execute the only run as *From failure* in the UI does."""
    (run_id,) = shop.instance.get_run_ids()
    job = build(shop.config).resolve_job_def("export_day")
    run = shop.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.asset_selection is not None
    again = job.get_subset(asset_selection=set(run.asset_selection))
    steps = [
        entry.step_key
        for entry in shop.instance.all_logs(run_id)
        if entry.dagster_event and entry.dagster_event.is_step_failure
    ]
    assert steps == ["published_deliveries"]
    plan = create_execution_plan(
        again,
        run_config=run.run_config,
        step_keys_to_execute=steps,
    )
    new = shop.instance.create_run_for_job(
        again,
        run_config=run.run_config,
        tags=run.tags,
        asset_selection=run.asset_selection,
        execution_plan=plan,
    )
    return execute_run(InMemoryJob(again), new, shop.instance, raise_on_error=False)


@pytest.mark.long
def test_from_failure_materializes_no_day_whose_upstream_failed(
    shop: Deployment,
) -> None:
    fail_one_day(shop)
    backfill(shop, "--single-run")
    shop.server.sandbox.set_faults()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        again = re_execute_from_failure(shop)
        assert not again.success
        (failure,) = again.get_step_failure_events()
        text = str(failure.step_failure_data.error)
        assert f"attribution backfill --from {BAD} --to {BAD}" in text
        published = dg.AssetKey("published_deliveries")
        assert statuses(shop, published) == {
            FIRST: SUCCEEDED,
            BAD: FAILED,
            LAST: SUCCEEDED,
        }
        done = backfill(shop, "--single-run")
    assert done.exit_code == 0, done.stderr
    assert set(statuses(shop, published).values()) == {SUCCEEDED}


@pytest.mark.long
def test_all_exports_finished_days_again_for_late_orders(shop: Deployment) -> None:
    assert backfill(shop).exit_code == 0
    before, requests = runs(shop), len(shop.server.sandbox.requests("trackdesk"))
    add_late_order(shop)
    assert backfill(shop).exit_code == 0
    assert runs(shop) == before
    assert backfill(shop, "--all").exit_code == 0
    assert runs(shop) == before + 3
    assert len(shop.server.sandbox.requests("trackdesk")) == requests + 1


def test_a_backfill_from_the_ui_has_the_configured_number_of_days_per_run(
    shop: Deployment,
) -> None:
    text = shop.config_path.read_text()
    shop.config_path.write_text(f"backfill_days_per_run = 31\n{text}")
    graph = build(shop.config).resolve_asset_graph()
    policies = {graph.get(key).backfill_policy for key in graph.get_all_asset_keys()}
    assert policies == {dg.BackfillPolicy.multi_run(31)}


@pytest.mark.long
def test_an_order_that_a_person_released_makes_a_succeeded_day_unfinished(
    shop: Deployment,
) -> None:
    assert backfill(shop).exit_code == 0
    like = a_delivered_order(shop)
    with shop.ledger() as database, database.write() as connection:
        connection.exec_driver_sql(
            "update delivery set state = 'exhausted', accepted_at = null "
            f"where destination = 'trackdesk_main' and order_id = '{like}'"
        )
    assert statuses(shop, delivery_key("trackdesk_main"))[BAD] == SUCCEEDED
    (row,) = (
        one for one in shop.rows("trackdesk_main").values() if one["order_id"] == like
    )
    text = ["not-delivered", "--by", "Ann", "--why", "outage"]
    assert shop.attribution("resolve", row["delivery_id"], *text).exit_code == 0
    done = backfill(shop)
    assert done.exit_code == 0, done.stderr
    assert "2 of 3 days are finished" in done.stderr
    assert shop.states("trackdesk_main")["pending"] == 0


@pytest.mark.long
def test_a_succeeded_day_whose_last_run_was_stopped_is_unfinished(
    shop: Deployment,
) -> None:
    assert backfill(shop).exit_code == 0
    launcher = Launcher(shop.config, shop.instance)
    assert unfinished_assets(launcher, DAYS, TO) == {}
    with shop.ledger() as database, database.write() as connection:
        connection.exec_driver_sql(
            "update export_run set outcome = 'stopped_terminated' "
            f"where destination = 'impact_us' and partition_key = '{BAD}'"
        )
    left = unfinished_assets(launcher, DAYS, TO)
    assert set(left) == {BAD}
    assert delivery_key("impact_us") in left[BAD]
    assert not left[BAD] & {delivery_key("trackdesk_main"), dg.AssetKey("conversions")}


@pytest.mark.long
def test_days_with_a_gap_between_them_are_separate_runs(shop: Deployment) -> None:
    shop.run(BAD, destinations=TO)
    done = backfill(shop, "--single-run")
    assert done.exit_code == 0, done.stderr
    assert runs(shop) == 1 + 2


@pytest.mark.long
def test_a_backfill_finishes_the_day_of_a_killed_run(shop: Deployment) -> None:
    """A killed run stays in the state STARTED."""
    launcher = Launcher(shop.config, shop.instance)
    for day in DAYS:
        shop.run(day, destinations=TO)
    job = launcher._job.get_subset(asset_selection=set(launcher.assets_of(TO)))
    run = shop.instance.create_run_for_job(
        job, tags={"dagster/partition": str(BAD)}, status=dg.DagsterRunStatus.STARTED
    )
    assert run.is_finished is False
    assert set(unfinished_assets(launcher, DAYS, TO)) == {BAD}


@pytest.mark.long
def test_the_days_of_a_destination_that_is_enabled_again_are_unfinished(
    shop: Deployment,
) -> None:
    name = "trackdesk_main"
    switch = f"[destinations.{name}]\n"
    text = shop.config_path.read_text()
    shop.config_path.write_text(text.replace(switch, f"{switch}enabled = false\n"))
    assert backfill(shop).exit_code == 0
    assert "3 of 3 days are finished" in backfill(shop).stderr
    assert set(shop.states(name)) <= {"suppressed", "quarantined"}

    shop.config_path.write_text(text)
    assert backfill(shop).exit_code == 0
    assert "accepted" in shop.states(name)
    assert "3 of 3 days are finished" in backfill(shop).stderr
