"""`attribution demo` shows the product on data of its own, and touches no other."""

import re
from pathlib import Path
from shutil import copy

import dagster as dg
import pytest

from pipelines.configuration.config import DEMO_CONFIG, load_config
from pipelines.sandbox import journal
from support.demo import (
    FINISHED_DEMO_ORDERS,
    FinishedDemo,
    contents,
    demo,
    start_no_ui,
    states,
)
from support.deployment import ROOT


@pytest.mark.long
def test_the_demo_shows_every_destination_and_where_to_look(
    finished_demo: FinishedDemo,
) -> None:
    assert finished_demo.status == 0
    for name in load_config(DEMO_CONFIG, {}).destinations:
        assert name in finished_demo.printed
        assert sum(states(finished_demo.folder, name).values()) == FINISHED_DEMO_ORDERS
    assert "[red]" not in finished_demo.printed
    for place in re.findall(r"var/demo/[\w./]+", finished_demo.printed):
        assert (finished_demo.folder / place).exists(), place


@pytest.mark.long
def test_the_difficult_destination_alone_meets_faults(
    finished_demo: FinishedDemo,
) -> None:
    entries = list(journal.read(finished_demo.folder / "var/demo/sandbox.jsonl"))
    struck = {(one.account, one.fault) for one in entries if one.fault}
    assert {account for account, _ in struck} == {"bumpy"}
    assert {fault for _, fault in struck} >= {"lost_reply", "status=503", "status=500"}
    difficult = states(finished_demo.folder, "trackdesk_bumpy")
    assert difficult["retryable"] > 0
    assert difficult["accepted"] > 0
    untroubled = {"accepted", "suppressed", "quarantined"}
    assert set(states(finished_demo.folder, "trackdesk_main")) == untroubled


def runs(home: Path) -> list[str]:
    """The jobs whose runs the instance of a folder keeps."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return [run.job_name for run in instance.get_runs()]


@pytest.mark.long
def test_the_run_of_the_demo_is_kept_for_the_ui(finished_demo: FinishedDemo) -> None:
    assert runs(finished_demo.folder / "var/demo/dagster") == ["export_day"]


@pytest.mark.long
@pytest.mark.parametrize("ui", [False, True])
def test_the_demo_writes_nothing_into_the_history_of_real_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ui: bool
) -> None:
    """Here it is files, so that a write would show; in production, a database."""
    home = folder / "production"
    home.mkdir()
    copy(ROOT / "deploy/dagster.yaml", home)
    storage = f"storage: {{sqlite: {{base_dir: {home}}}}}\n"
    text = re.sub(r"storage:\n(  .*\n)+", storage, (home / "dagster.yaml").read_text())
    (home / "dagster.yaml").write_text(text)
    assert runs(home) == []
    before = contents(home)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql+psycopg2://127.0.0.1:1/x")
    started = start_no_ui(monkeypatch)
    assert demo(ui=ui)[0] == 0
    assert contents(home) == before
    assert [environ["DAGSTER_HOME"] for environ, _ in started] == (
        [str(folder / "var/demo/dagster")] if ui else []
    )


@pytest.mark.long
def test_the_demo_touches_no_configured_warehouse_or_ledger(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTRIBUTION_LEDGER_URL", f"sqlite:///{folder}/real.db")
    monkeypatch.setenv("ATTRIBUTION_WAREHOUSE_URL", "duckdb:///real.duckdb")
    monkeypatch.setenv("IMPACT_AUTH_TOKEN", "real")
    (folder / ".env").write_text(f"ATTRIBUTION_STAGING={folder}/real\n")
    (folder / "var/demo/staging").mkdir(parents=True)
    (folder / "var/demo/staging/old").touch()
    assert demo()[0] == 0
    assert not (folder / "var/demo/staging/old").exists()
    assert [one.name for one in folder.iterdir() if one.name.startswith("real")] == []


def test_the_ui_opens_on_the_demo(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = start_no_ui(monkeypatch)
    monkeypatch.setenv("ATTRIBUTION_CONFIG", "mine.toml")
    monkeypatch.setenv("ATTRIBUTION_LEDGER_URL", "sqlite:///real.db")
    assert demo(ui=True)[0] == 0
    config = load_config(None, started[0][0])
    assert config.ledger_url.get_secret_value() == "sqlite:///var/demo/ledger.db"
    config.require("destinations")
