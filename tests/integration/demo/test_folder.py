"""What a fresh demo replaces was made by a demo and is not in use, or it stays."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from shutil import copytree

import duckdb
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.configuration.config import ConfigError
from pipelines.demo import runner
from pipelines.demo.folder import only_demo
from support.demo import FinishedDemo, contents, demo, start_no_ui

pytestmark = pytest.mark.long  # each starts from a demo that has run

DEMO = Path("var/demo")


@pytest.fixture(autouse=True)
def after_demo(
    finished_demo: FinishedDemo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder in which the demo has run; a fresh one there only seeds."""
    copytree(finished_demo.folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "_export", lambda *_: None)
    return tmp_path


@pytest.fixture
def refused(after_demo: Path) -> Iterator[Callable[..., str]]:
    """Start a fresh demo that is refused, and see to it that nothing was deleted."""

    def start(*words: str) -> str:
        before = kept(after_demo)
        done = CliRunner().invoke(app, ["demo", *words], env={"COLUMNS": "500"})
        assert done.exit_code == 2, done.output
        assert kept(after_demo) == before
        said = " ".join(done.stderr.split())
        assert "Nothing was deleted." in said
        return said

    return start


def kept(folder: Path) -> dict[Path, bytes]:
    found = contents(folder)
    found.pop(Path("var/demo.lock"), None)
    # SQLite makes it for whoever reads.
    return {path: of for path, of in found.items() if path.name != "ledger.db-shm"}


def change_ledger(statement: str) -> None:
    with closing(sqlite3.connect(DEMO / "ledger.db")) as ledger, ledger:
        triggers = ledger.execute("select name from sqlite_master where type='trigger'")
        for (name,) in triggers.fetchall():  # attempts are append-only
            ledger.execute(f"drop trigger {name}")
        ledger.execute(statement)


def change_warehouse(statement: str) -> None:
    with duckdb.connect(str(DEMO / "warehouse.duckdb")) as warehouse:
        warehouse.execute(statement)


def test_a_fresh_demo_leaves_nothing_of_the_last_one(after_demo: Path) -> None:
    (DEMO / "staging/old").touch()
    assert demo()[0] == 0
    left = {path.name for path in DEMO.iterdir()}
    assert left == {"warehouse.duckdb", "sandbox-port.json", "dagster"}
    assert {path.name for path in (after_demo / "var").iterdir()} == {
        "demo",
        "demo.lock",
    }


def test_what_an_interrupted_demo_left_is_in_nobodys_way(after_demo: Path) -> None:
    for name in (".demo.next", ".demo.last"):
        (after_demo / "var" / name).mkdir()
        (after_demo / "var" / name / "warehouse.duckdb").touch()
    assert demo()[0] == 0
    assert not list((after_demo / "var").glob(".demo.*"))


def test_the_ui_deletes_nothing(
    after_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (DEMO / "notes.txt").touch()
    before = kept(after_demo)
    start_no_ui(monkeypatch)
    assert demo(ui=True)[0] == 0
    before.pop(DEMO / "sandbox-port.json")
    assert before.items() <= kept(after_demo).items()


@pytest.mark.parametrize("words", [[], ["--ui"]])
def test_one_demo_at_a_time(refused: Callable[..., str], words: list[str]) -> None:
    with only_demo():
        said = refused(*words)
    assert f"got one at work (process {os.getpid()})" in said


def test_a_lock_ends_with_the_last_process_that_has_it(after_demo: Path) -> None:
    with only_demo() as lock:
        holder = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[lock])
    with pytest.raises(ConfigError), only_demo():
        pass
    holder.communicate()
    with only_demo():
        pass


@pytest.mark.parametrize(
    "name", ["notes.txt", "destinations.toml", "staging/outbox/idme_shop"]
)
def test_what_no_demo_makes_is_not_deleted(
    refused: Callable[..., str], name: str
) -> None:
    (DEMO / name).mkdir()
    assert f"failed for {DEMO / name}: expected what a demo makes" in refused()


def test_a_link_is_not_followed(refused: Callable[..., str], after_demo: Path) -> None:
    DEMO.rename(after_demo / "elsewhere")
    DEMO.symlink_to(after_demo / "elsewhere")
    assert "expected a folder of its own, got a link" in refused()
    assert DEMO.is_symlink()


@pytest.mark.parametrize("ui", [False, True])
def test_without_a_warehouse_the_rest_is_looked_at_as_well(
    refused: Callable[..., str], ui: bool
) -> None:
    (DEMO / "warehouse.duckdb").rename(DEMO / "mine.duckdb")
    assert "mine.duckdb: expected what a demo makes" in refused(*["--ui"] * ui)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("create table my_orders (id integer)", "got tables my_orders"),
        (
            "insert into completed_orders (order_id) values ('D-1'), ('X')",
            "expected the demo's orders only, got 2 others",
        ),
        ("drop table completed_orders", "got a file that cannot be read"),
    ],
)
def test_a_warehouse_of_ones_own_is_not_deleted(
    refused: Callable[..., str], statement: str, told: str
) -> None:
    change_warehouse(statement)
    assert told in refused()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "update delivery_attempt set host = 'api.impact.com' where rowid = 1",
            "expected requests to the sandbox only, got requests to api.impact.com",
        ),
        (
            "update export_run set destination = 'shop' where provider = 'impact'",
            "got runs of another one named shop",
        ),
        (
            "update export_run set account = 'f00' where provider = 'idme'",
            "got runs of another one named idme_wallet",
        ),
        ("drop view if exists v_reconcile", None),
    ],
)
def test_deliveries_to_real_providers_are_not_forgotten(
    refused: Callable[..., str], statement: str, told: str | None
) -> None:
    change_ledger(statement)
    if told is None:
        assert demo()[0] == 0
    else:
        assert told in refused()


@pytest.mark.parametrize("name", ["warehouse.duckdb", "ledger.db"])
def test_a_file_that_is_no_database_is_not_deleted(
    refused: Callable[..., str], name: str
) -> None:
    (DEMO / name).write_text("mine\n" * 1000)
    assert f"{DEMO / name}: expected" in refused()


def test_delivery_tables_that_were_not_made_yet_are_no_obstacle() -> None:
    (DEMO / "ledger.db").unlink()
    (DEMO / "ledger.db").touch()
    assert demo()[0] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_a_folder_in_use_is_not_deleted(refused: Callable[..., str]) -> None:
    with (
        (DEMO / "sandbox.jsonl").open() as journal,
        subprocess.Popen(["sleep", "600"], stdin=journal) as user,
    ):
        journal.close()
        said = refused()
        user.kill()
    assert f"got open files of process {user.pid}." in said
    assert demo()[0] == 0


@pytest.mark.parametrize("words", [[], ["--ui"]])
def test_without_a_port_nothing_is_deleted(
    after_demo: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    def no_port(_: object) -> None:
        raise OSError(99, "Cannot assign requested address")

    name = "reserved_ui_port" if words else "sandbox_listener"
    monkeypatch.setattr(runner, name, no_port if words else lambda: no_port(0))
    (DEMO / "warehouse.duckdb").unlink()
    before = kept(after_demo)
    done = CliRunner().invoke(app, ["demo", *words])
    assert done.exit_code == 2
    assert kept(after_demo) == before


def test_a_warehouse_that_cannot_be_made_leaves_the_last_one(
    after_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runner, "seed", full)
    before = kept(after_demo)
    assert CliRunner().invoke(app, ["demo"]).exit_code == 2
    assert kept(after_demo) == before
