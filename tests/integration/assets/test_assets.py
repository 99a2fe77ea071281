"""A day goes through all assets: what is sent, what is shown, what a re-run does."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine

from assets.checks.threshold_checks import DELIVERY_CHECKS
from assets.metadata import totals_metadata
from pipelines.build import build
from pipelines.runs.day_results import DayResult
from support.deployment import (
    DAY,
    NAMES,
    ORDERS,
    SECRETS,
    Deployment,
    deployed,
    disable_in_run_retries,
)

KEY = DAY.isoformat()
QUARANTINED = (f"D{DAY:%Y%m%d}-000001", f"D{DAY:%Y%m%d}-000002")
MATERIALIZED = dg.DagsterEventType.ASSET_MATERIALIZATION
OBSERVED = dg.DagsterEventType.ASSET_OBSERVATION
CHECKED = dg.DagsterEventType.ASSET_CHECK_EVALUATION


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("good")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def good_day(good: Deployment) -> DayResult:
    return good.run()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A deployment of the test's own, whose runs wait for nothing."""
    disable_in_run_retries(monkeypatch)
    with deployed(tmp_path) as deployment:
        yield deployment


def plain(metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.value if isinstance(value, dg.MetadataValue) else value
        for name, value in metadata.items()
    }


def materialized(deployment: Deployment, run: DayResult) -> dict[str, dict[str, Any]]:
    """Metadata by asset."""
    found = (one.materialization for one in deployment.events(run, MATERIALIZED))
    return {one.asset_key.to_user_string(): plain(one.metadata) for one in found}


def later(**time: float) -> Any:
    """Enough later that no pause or lease is left."""
    return time_machine.travel(datetime.now(UTC) + timedelta(**time))


def test_a_good_day_succeeds(good: Deployment, good_day: DayResult) -> None:
    assert good_day.finished
    assert len(materialized(good, good_day)) == 13
    checks = good.events(good_day, CHECKED)
    names = [check.check_name for check in checks if check.passed]
    assert names.count("finished") == len(NAMES)
    assert names.count("reply_shape") == len(NAMES) + 1  # the settlements'
    assert names.count("no_alarm") == 1
    for name in DELIVERY_CHECKS:
        assert names.count(name) == len(NAMES)
    assert names.count("oldest_unsettled") == 1
    assert len(names) == len(checks)


def test_every_order_has_a_delivery_for_every_destination(
    good: Deployment, good_day: DayResult
) -> None:
    rows = good.rows()
    assert len(rows) == ORDERS * len(NAMES)
    assert {row["partition_key"] for row in rows.values()} == {KEY}
    for name in NAMES:
        held = [rows[f"{name}:{order_id}"] for order_id in QUARANTINED]
        assert [row["state"] for row in held] == ["quarantined"] * 2
        assert held[0]["state_reason"] == "money_mismatch"


@pytest.mark.parametrize("name", NAMES)
def test_metadata_show_what_the_ledger_holds(
    good: Deployment, good_day: DayResult, name: str
) -> None:
    shown = materialized(good, good_day)
    asset = "settlements" if name == "impact_us" else "deliveries"
    held = totals_metadata(good.totals(destination=name, first=KEY, last=KEY))
    assert plain(held).items() <= shown[f"{asset}/{name}"].items()
    figures = shown[f"{asset}/{name}"]
    assert figures["orders"] == ORDERS
    assert sum(n for key, n in figures.items() if key.startswith("orders/")) == ORDERS
    assert any(key.startswith("money/suppressed/USD") for key in figures)


@pytest.mark.parametrize("name", NAMES)
def test_metadata_say_why_and_how_to_ask_for_more(
    good: Deployment, good_day: DayResult, name: str
) -> None:
    shown = materialized(good, good_day)[f"deliveries/{name}"]
    withheld = Counter(
        (row["state"], row["state_reason"], row["currency"])
        for row in good.rows(name).values()
        if row["state"] in {"suppressed", "quarantined"}
    )
    for (state, reason, currency), orders in withheld.items():
        line = f"| {state} | `{reason}` | {currency or '?'} | {orders} |"
        assert line in shown["top reasons"]
    statements = shown["ask in SQL"].strip("`\n").removeprefix("sql\n").split(";\n")
    with good.ledger() as database, database.read() as connection:
        found = [
            len(connection.exec_driver_sql(one).all()) for one in statements if one
        ]
    assert len(found) == 4
    assert all(found[:3])


def test_the_sandbox_took_each_order_once(
    good: Deployment, good_day: DayResult
) -> None:
    accounts = {
        "impact_us": ("impact", SECRETS["IMPACT_SID"], "settled"),
        "trackdesk_main": ("trackdesk", "demo", "accepted"),
        "trackdesk_bumpy": ("trackdesk", "bumpy", "accepted"),
    }
    for name, (provider, account, state) in accounts.items():
        effects = good.server.sandbox.effects(provider, account)
        assert good.states(name)[state] == len(effects) > 0
        assert set(effects.values()) == {1}


def test_extracts_and_conversions_show_what_was_left_out(
    good: Deployment, good_day: DayResult
) -> None:
    shown = materialized(good, good_day)
    assert shown["completed_orders"]["dagster/row_count"] == ORDERS - 1
    assert shown["completed_orders"]["quarantined_rows"] == 1
    assert shown["conversions"]["dagster/row_count"] == ORDERS - 2
    assert shown["conversions"]["quarantined_orders"] == 1
    assert Path(shown["conversions"]["file"]).is_file()


@pytest.mark.long
def test_running_a_good_day_again_sends_nothing_and_changes_no_row(
    good: Deployment, good_day: DayResult
) -> None:
    before = good.rows()
    entries = len(good.server.sandbox.journal.entries)
    with later(hours=3):
        again = good.run()
    assert again.finished
    assert good.rows() == before
    assert len(good.server.sandbox.journal.entries) == entries
    assert materialized(good, again)["deliveries/convert_web"]["requests"] == 0


@pytest.mark.long
def test_a_difficult_destination_fails_alone_and_is_finished_by_the_next_run(
    shop: Deployment,
) -> None:
    shop.server.sandbox.set_faults("trackdesk/bumpy:status=503~[0-2]$")
    run = shop.run()
    states = shop.states("trackdesk_bumpy")
    assert set(run.failures) == {"deliveries__trackdesk_bumpy"}
    assert "sends only what is missing" in run.failures["deliveries__trackdesk_bumpy"]
    assert states["retryable"] > 0
    assert states["accepted"] > 0
    assert "deliveries/trackdesk_main" in materialized(shop, run)
    assert "deliveries/trackdesk_bumpy" not in materialized(shop, run)

    failed = [check for check in shop.events(run, CHECKED) if not check.passed]
    observed = [one.asset_observation for one in shop.events(run, OBSERVED)]
    assert [(check.asset_key.path[-1], check.check_name) for check in failed] == [
        ("trackdesk_bumpy", "finished"),
        ("trackdesk_bumpy", "no_partition_left"),
    ]
    assert [one.partition for one in observed] == [KEY]
    for metadata in (failed[0].metadata, observed[0].metadata):
        assert plain(metadata)["orders/retryable"] == states["retryable"]

    before = shop.rows()
    missing = {
        row["order_id"]
        for row in shop.rows("trackdesk_bumpy").values()
        if row["state"] == "retryable"
    }
    shop.server.sandbox.set_faults()
    sent = len(shop.server.sandbox.journal.entries)
    with later(hours=1):
        again = shop.run()
    assert again.finished
    entries = shop.server.sandbox.journal.entries[sent:]
    assert sorted(one.order_ids[0] for one in entries) == sorted(missing)
    assert {one.account for one in entries} == {"bumpy"}
    changed = {key for key, row in shop.rows().items() if row != before[key]}
    assert changed == {f"trackdesk_bumpy:{one}" for one in missing}
    assert set(shop.server.sandbox.effects("trackdesk", "bumpy").values()) == {1}


def test_a_lost_reply_is_not_paid_twice(shop: Deployment) -> None:
    shop.server.sandbox.set_faults("trackdesk/bumpy:lost_reply~.")
    shop.run(destinations=["trackdesk_bumpy"])
    shop.server.sandbox.set_faults()
    with later(days=2):
        shop.run(destinations=["trackdesk_bumpy"])
    assert set(shop.server.sandbox.effects("trackdesk", "bumpy").values()) == {1}
    states = shop.states("trackdesk_bumpy")
    assert not states["pending"] + states["sending"] + states["retryable"]


@pytest.mark.long
def test_settlements_end_each_submission_with_its_own_word(shop: Deployment) -> None:
    shop.server.sandbox.set_faults(
        "impact:settle=CONV_DUPLICATE~[01]$", "impact:settle=CONTRACT_NOT_FOUND~[23]$"
    )
    assert shop.run(destinations=["impact_us"]).finished
    ends = {
        row["order_id"][-1]: (row["state"], row["settled_at"] is not None)
        for row in shop.rows("impact_us").values()
        if row["state"] not in {"suppressed", "quarantined"}
    }
    expected = {"0": "duplicate", "1": "duplicate", "2": "rejected", "3": "rejected"}
    assert {state for state, _ in ends.values()} == {"settled", "duplicate", "rejected"}
    states = {digit: expected.get(digit, "settled") for digit in ends}
    assert ends == {
        digit: (state, state != "rejected") for digit, state in states.items()
    }


def test_a_missing_file_names_the_asset_to_materialise(shop: Deployment) -> None:
    why = materialize(shop, "deliveries/idme_wallet")
    assert f"Materialise conversions for partition {KEY}." in why
    why = materialize(shop, "conversions")
    assert f"Materialise completed_orders for partition {KEY}." in why


def materialize(shop: Deployment, key: str) -> str:
    """Materialise one asset alone, as the UI does; return why it failed."""
    asset = dg.AssetKey.from_user_string(key)
    result = (
        build(shop.config)
        .resolve_job_def("export_day")
        .execute_in_process(
            partition_key=KEY,
            instance=shop.instance,
            asset_selection=[asset],
            raise_on_error=False,
        )
    )
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    return str(failure.step_failure_data.error)


@pytest.mark.long
def test_a_quarantined_row_is_released_when_it_is_mended(shop: Deployment) -> None:
    shop.run()
    before = shop.rows()
    broken = QUARANTINED[0]
    shop.warehouse(
        "update completed_orders set revenue = revenue - 1, total = total - 1 "
        "where order_id = ?",
        broken,
    )
    assert shop.run().finished
    after = shop.rows()
    changed = {key for key, row in after.items() if row != before[key]}
    assert changed == {f"{name}:{broken}" for name in NAMES}
    assert "quarantined" not in {after[key]["state"] for key in changed}


@pytest.mark.long
def test_a_click_that_comes_late_is_used_by_the_next_run(shop: Deployment) -> None:
    shop.run()
    before = shop.rows("trackdesk_main")
    late = next(
        row
        for row in before.values()
        if (row["state"], row["state_reason"]) == ("suppressed", "no_click_id")
    )
    shop.warehouse(
        "insert into visitor_identifiers (order_id, kind, value, captured_at) "
        "values (?, 'trackdesk_cid', ?, ?)",
        late["order_id"],
        "2d2ce3d8-7c58-4f7f-9e07-0e1b2c3d4e5f",
        late["order_at"] - timedelta(hours=1),
    )
    assert shop.run(destinations=["trackdesk_main"]).finished
    after = shop.rows("trackdesk_main")
    changed = {row["order_id"] for key, row in after.items() if row != before[key]}
    assert changed == {late["order_id"]}
    assert after[f"trackdesk_main:{late['order_id']}"]["state"] == "accepted"


@pytest.mark.long
def test_a_destination_without_its_secret_fails_alone(shop: Deployment) -> None:
    del shop.environ["TRACKDESK_KEY"]
    run = shop.run()
    assert set(run.failures) == {"deliveries__trackdesk_main"}
    assert "Set TRACKDESK_KEY" in run.failures["deliveries__trackdesk_main"]
    assert not shop.rows("trackdesk_main")
    assert shop.states("trackdesk_bumpy")["accepted"] > 0


@pytest.mark.long
def test_refused_credentials_cost_one_request_and_keep_the_orders(
    shop: Deployment,
) -> None:
    shop.server.sandbox.set_faults("trackdesk/bumpy:status=401 unauthorized~.")
    run = shop.run(destinations=["trackdesk_bumpy"])
    assert "Correct the settings" in run.failures["deliveries__trackdesk_bumpy"]
    assert len(shop.server.sandbox.requests("trackdesk", "bumpy")) == 1
    shop.server.sandbox.set_faults()
    with later(hours=1):
        assert shop.run(destinations=["trackdesk_bumpy"]).finished
    assert shop.states("trackdesk_bumpy")["accepted"] > 0


@pytest.mark.long
def test_refused_credentials_are_named_by_their_variables_only(
    shop: Deployment,
) -> None:
    shop.server.sandbox.set_faults("trackdesk/demo:status=401 no~.")
    run = shop.run(destinations=["trackdesk_main"])
    message = run.failures["deliveries__trackdesk_main"]
    assert "Check the credentials in TRACKDESK_KEY." in message
    assert SECRETS["TRACKDESK_KEY"] not in message
