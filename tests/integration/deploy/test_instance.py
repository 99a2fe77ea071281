"""The deployed Dagster instance: PostgreSQL, and one step at a time per destination."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copy

import dagster as dg
import pytest
import yaml

from pipelines.build import build
from pipelines.configuration.config import load_config
from support.project import ROOT


@pytest.fixture
def instance(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """The instance of `deploy/dagster.yaml` on a real PostgreSQL."""
    copy(ROOT / "deploy" / "dagster.yaml", tmp_path)
    url = postgres_url.replace("postgresql+psycopg:", "postgresql+psycopg2:")
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
    with dg.DagsterInstance.from_config(str(tmp_path)) as found:
        yield found


def test_a_pool_takes_one_step_at_a_time(instance: dg.DagsterInstance) -> None:
    pools = instance.get_concurrency_config().pool_config
    assert pools.default_pool_limit == 1
    storage = instance.event_log_storage
    assert storage.supports_global_concurrency_limits
    storage.initialize_concurrency_limit_to_default("deliver_shop")
    first = storage.claim_concurrency_slot("deliver_shop", "run-1", "step")
    second = storage.claim_concurrency_slot("deliver_shop", "run-2", "step")
    assert (first.is_claimed, second.is_claimed) == (True, False)


def test_each_destination_has_a_pool_of_its_own() -> None:
    definitions = build(load_config(environ={}))
    graph = definitions.resolve_asset_graph()
    pools = {
        key.path[-1]: graph.get(key).pools
        for key in graph.get_all_asset_keys()
        if key.path[0] in {"deliveries", "settlements"}
    }
    assert pools == {name: {f"deliver_{name}"} for name in pools}


def test_the_local_instance_limits_no_pool() -> None:
    """A killed command-line run would hold its slot for ever."""
    local = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert "pools" not in local["concurrency"]
