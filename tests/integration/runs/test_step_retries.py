"""Step retries of Dagster apply only to failures that a retry can fix."""

from pathlib import Path

import dagster as dg
import pytest

from assets.deliveries import delivery_key
from pipelines.build import build
from support.deployment import DAY, deployed, disable_in_run_retries

BUMPY = delivery_key("trackdesk_bumpy")


@pytest.mark.long
@pytest.mark.parametrize(("status", "tries"), [(401, 1), (503, 2)])
def test_refused_credentials_are_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, tries: int
) -> None:
    disable_in_run_retries(monkeypatch)
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
