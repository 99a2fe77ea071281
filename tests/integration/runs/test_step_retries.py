"""A deployment may let Dagster try failed steps again: not where no retry can help."""

from pathlib import Path

import dagster as dg
import pytest

from assets.deliveries import delivery_key
from pipelines.build import build
from support.deployment import DAY, deployed, without_patience

BUMPY = delivery_key("trackdesk_bumpy")


@pytest.mark.parametrize(("status", "tries"), [(401, 1), (503, 2)])
def test_refused_credentials_are_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, tries: int
) -> None:
    without_patience(monkeypatch)
    selection = dg.AssetSelection.assets(BUMPY).upstream()
    patient = dg.define_asset_job(
        "patient", selection, op_retry_policy=dg.RetryPolicy(max_retries=1)
    )
    with deployed(tmp_path, faults=[f"trackdesk/bumpy:status={status}"]) as shop:
        definitions = dg.Definitions.merge(
            build(shop.config), dg.Definitions(jobs=[patient])
        )
        result = definitions.resolve_job_def("patient").execute_in_process(
            instance=shop.instance,
            partition_key=DAY.isoformat(),
            raise_on_error=False,
        )
    assert not result.success
    restarts = [one for one in result.all_events if one.is_step_restarted]
    assert len(restarts) == tries - 1
    assert {one.step_key for one in restarts} <= {BUMPY.to_python_identifier()}
