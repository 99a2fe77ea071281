"""The definitions of the shipped deployment, and that Dagster can load them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from syrupy.assertion import SnapshotAssertion

from pipelines.build import build
from pipelines.configuration.config import DEMO_CONFIG, load_config
from support.deployment import ROOT

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    """The definitions of the demo, with no variable set."""
    return build(load_config(DEMO_CONFIG, {}))


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    """Specs by key, in the order of the keys."""
    known = definitions.resolve_all_asset_specs()
    return dict(sorted((spec.key.to_user_string(), spec) for spec in known))


def shown(spec: dg.AssetSpec) -> dict[str, Any]:
    partitions = spec.partitions_def
    assert isinstance(partitions, dg.DailyPartitionsDefinition)
    return {
        "group": spec.group_name,
        "kinds": sorted(spec.kinds),
        "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
        "partitions": f"daily from {partitions.start:%Y-%m-%d}, {partitions.timezone}",
    }


def test_asset_keys(
    specs: dict[str, dg.AssetSpec], snapshot: SnapshotAssertion
) -> None:
    assert list(specs) == snapshot


def test_asset_specs(
    specs: dict[str, dg.AssetSpec], snapshot: SnapshotAssertion
) -> None:
    assert {key: shown(spec) for key, spec in specs.items()} == snapshot


def test_asset_checks(definitions: dg.Definitions, snapshot: SnapshotAssertion) -> None:
    keys = definitions.resolve_asset_graph().asset_check_keys
    assert sorted(key.to_user_string() for key in keys) == snapshot


def test_jobs_and_what_they_run(
    definitions: dg.Definitions, snapshot: SnapshotAssertion
) -> None:
    jobs = definitions.resolve_all_job_defs()
    assert {
        job.name: {
            "executor": job.executor_def.name,
            "assets": sorted(
                key.to_user_string() for key in job.asset_layer.executable_asset_keys
            ),
        }
        for job in sorted(jobs, key=lambda job: job.name)
        if not job.name.startswith("__")
    } == snapshot


def test_schedules(definitions: dg.Definitions, snapshot: SnapshotAssertion) -> None:
    assert {
        schedule.name: {
            "cron": schedule.cron_schedule,
            "zone": schedule.execution_timezone,
            "job": schedule.job_name,
        }
        for schedule in definitions.schedules or []
        if isinstance(schedule, dg.ScheduleDefinition)
    } == snapshot


def test_every_asset_has_a_description(specs: dict[str, dg.AssetSpec]) -> None:
    assert [key for key, spec in specs.items() if not spec.description] == []


def test_all_assets_share_one_partitions_definition(
    specs: dict[str, dg.AssetSpec],
) -> None:
    assert len({spec.partitions_def for spec in specs.values()}) == 1


def test_the_definitions_are_loadable(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


@pytest.mark.long
@pytest.mark.parametrize(
    "command", [["dg", "check", "defs"], ["dagster", "definitions", "validate"]]
)
def test_dagster_finds_the_definitions_from_the_root(
    command: list[str], tmp_path: Path
) -> None:
    """The first reads [tool.dg], the second [tool.dagster]."""
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    environ = os.environ | {
        "DAGSTER_HOME": str(tmp_path),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "ATTRIBUTION_CONFIG": "",
    }
    done = subprocess.run(
        [BIN / command[0], *command[1:]],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid" in done.stdout + done.stderr
