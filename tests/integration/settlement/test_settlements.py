"""The hourly settlement asset: submissions, look-ups and alarms."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine
from sqlalchemy import update

from assets.ledger.tables import delivery
from pipelines.build import build
from support.deployment import (
    DAY,
    SECRETS,
    Deployment,
    deployed,
    disable_in_run_retries,
)

NAME = "impact_us"
LOST = "impact:lost_reply@0.3~."
"""Orders that are taken, and whose reply never comes."""


@pytest.fixture
def shop(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    disable_in_run_retries(monkeypatch)
    with deployed(tmp_path, faults=request.param) as deployment:
        deployment.run()
        yield deployment


def follow(shop: Deployment, **time: float) -> dg.ExecuteInProcessResult:
    """Run the hourly job after some time."""
    with time_machine.travel(datetime.now(UTC) + timedelta(**time)):
        job = build(shop.config).resolve_job_def("follow_submissions")
        return job.execute_in_process(
            partition_key=DAY.isoformat(), instance=shop.instance
        )


def alarm_of(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (found,) = (
        one
        for one in result.get_asset_check_evaluations()
        if one.check_name == "no_alarm"
    )
    return found


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """The metadata of the settlements."""
    (event,) = result.asset_materializations_for_node(f"settlements__{NAME}")
    return {name: value.value for name, value in event.metadata.items()}


@pytest.mark.parametrize("shop", [[LOST]], indirect=True)
def test_orders_with_unknown_outcome_are_found_in_the_list(
    shop: Deployment,
) -> None:
    lost = shop.states(NAME)["uncertain"]
    assert lost > 0
    assert metadata_of(follow(shop))["lookup pages"] == 0
    figures = metadata_of(follow(shop, hours=25))
    assert (figures["lookup pages"], figures["lookup found"]) == (1, lost)
    assert "lookup problem" not in figures
    states = shop.states(NAME)
    taken = shop.server.sandbox.effects("impact", SECRETS["IMPACT_SID"])
    assert (states["uncertain"], states["settled"]) == (0, len(taken))
    assert set(taken.values()) == {1}


@pytest.mark.long
@pytest.mark.parametrize("shop", [["impact:drop@0.3~."]], indirect=True)
def test_orders_that_never_arrived_stay_uncertain_for_a_person(
    shop: Deployment,
) -> None:
    lost = shop.states(NAME)["uncertain"]
    assert lost > 0
    assert metadata_of(follow(shop, hours=25))["lookup found"] == 0
    assert shop.states(NAME)["uncertain"] == lost
    reasons = {
        row["state_reason"]
        for row in shop.rows(NAME).values()
        if row["state"] == "uncertain"
    }
    assert reasons == {"not_found_at_provider"}


@pytest.mark.long
@pytest.mark.parametrize("shop", [[]], indirect=True)
def test_another_order_in_a_submission_fails_the_check_with_the_order(
    shop: Deployment,
) -> None:
    assert alarm_of(follow(shop)).passed
    order_id = next(iter(shop.rows(NAME).values()))["order_id"]
    wrong = {"state": "uncertain", "state_reason": "wrong_order_in_submission"}
    with shop.ledger() as database, database.write() as connection:
        mine = (delivery.c.destination == NAME) & (delivery.c.order_id == order_id)
        connection.execute(update(delivery).where(mine).values(wrong))
    result = follow(shop)
    assert result.success
    check = alarm_of(result)
    assert not check.passed
    assert check.metadata["wrong_order_in_submission"].value == order_id
