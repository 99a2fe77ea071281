"""Replies of another shape cause a warning and never fail a partition."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.runs.day_results import DayResult
from pipelines.sandbox.simulator import Exchange
from support.deployment import NAMES, Deployment, deployed, disable_in_run_retries

WARNED = dg.AssetCheckSeverity.WARN
POSTED = """
[destinations.idme_posted]
provider = "idme"
app_id = "posted-app"
endpoint_url = "{url}/idme/posted-app/events"
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """All four providers; ID.me once to the outbox and once over HTTP."""
    disable_in_run_retries(monkeypatch)
    with deployed(tmp_path, orders_per_day=20) as deployment:
        with deployment.config_path.open("a") as config:
            config.write(POSTED.format(url=deployment.server.url))
        yield deployment


def checks(shop: Deployment, run: DayResult) -> dict[str, Any]:
    """Return the evaluations of `reply_shape` by asset."""
    found = shop.events(run, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    return {
        check.asset_key.to_user_string(): check
        for check in found
        if check.check_name == "reply_shape"
    }


@pytest.mark.long
def test_a_day_without_faults_has_no_warning(shop: Deployment) -> None:
    run = shop.run()
    found = checks(shop, run)
    assert run.finished
    assert set(found) == {
        *(f"deliveries/{name}" for name in (*NAMES, "idme_posted")),
        "settlements/impact_us",
    }
    assert shop.states("idme_posted")["accepted"] > 0
    assert shop.states("impact_us")["settled"] > 0
    for asset, check in found.items():
        assert check.passed, (asset, check.description)
        assert check.severity == WARNED


def test_a_new_key_is_listed_without_its_value_and_fails_no_partition(
    shop: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = shop.server.sandbox.receive

    def with_a_new_key(*request: Any) -> Exchange:
        made = receive(*request)
        body = made.reply.body
        if "/impact/" in request[1] and isinstance(body, dict):
            body = {**body, "Trace": "canary"}
        return replace(made, reply=replace(made.reply, body=body))

    monkeypatch.setattr(shop.server.sandbox, "receive", with_a_new_key)
    run = shop.run()
    found = checks(shop, run)
    assert run.finished
    for asset, request in (
        ("deliveries/impact_us", "POST /Advertisers/{account_sid}/Conversions"),
        (
            "settlements/impact_us",
            "GET /Advertisers/{account_sid}/APISubmissions/{submission_id}",
        ),
    ):
        check = found.pop(asset)
        assert (check.passed, check.severity) == (False, WARNED)
        assert check.description == "$.Trace: expected no such key"
        table = check.metadata["what is new"].value
        queued = shop.states("impact_us")["settled"]
        row = f"| `{request}` | 200 | `$.Trace: expected no such key` | {queued} |"
        assert row in table
        assert "canary" not in table
    assert all(check.passed for check in found.values())


@pytest.mark.long
def test_a_failed_partition_has_its_warning_as_well(shop: Deployment) -> None:
    shop.server.sandbox.set_faults(
        "convert:error_in_200=canary", "idme/posted-app:status=508~."
    )
    run = shop.run()
    found = checks(shop, run)
    assert "deliveries__idme_posted" in run.failures
    posted = found["deliveries/idme_posted"].description
    assert posted.startswith("status: expected one of 200, 201, 202, 204")
    assert posted.endswith("got 508")
    convert = found["deliveries/convert_web"]
    assert convert.description == "$.fields: expected no such key"
    assert found["deliveries/trackdesk_main"].passed
