"""What a person types wrong is told in a sentence, with exit status 2."""

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.main import get_command
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.commands.shared import explained
from support.deployment import COMMAND, HEAD, START

NAMES = sorted(get_command(app).commands)  # type: ignore[attr-defined]
STAGED = ["resolve", "staged", "delivered", "--date", "2026-11-13", "--to", "shop"]
RECOVER = ["recover", "--from", "2026-11-13", "--to", "2026-11-13"]
WHO = ["--by", "ada", "--why", "seen"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment with delivery tables of which nothing is in."""
    config = tmp_path / "destinations.toml"
    shop = '[destinations.shop]\nprovider = "idme"\napp_id = "a"\n'
    config.write_text(HEAD.format(folder=tmp_path, start=START) + shop)
    monkeypatch.setenv("ATTRIBUTION_CONFIG", str(config))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["migrate"]).exit_code == 0
    return tmp_path


def refused(*words: str) -> str:
    """What is told of wrong words, on one line."""
    done: Result = CliRunner().invoke(app, words)
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 2
    return " ".join(done.stderr.split())


@pytest.mark.parametrize("name", [None, *NAMES])
def test_every_command_shows_its_help(name: str | None) -> None:
    done = CliRunner().invoke(app, [*([name] if name else []), "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.stdout


def test_the_help_of_the_sandbox_shows_the_whole_form_of_a_fault() -> None:
    shown = CliRunner().invoke(app, ["sandbox", "--help"]).stdout
    assert "provider[/account]:kind[=value][@rate][~order][#first-n]" in shown


@pytest.mark.parametrize("command", [STAGED, RECOVER], ids=["resolve", "recover"])
@pytest.mark.parametrize("blank", ["", "  ", "\t\n"])
def test_a_decision_has_a_name_and_a_reason(command: Sequence[str], blank: str) -> None:
    assert "expected a name" in refused(*command, "--by", blank, "--why", "seen")
    assert "expected a reason" in refused(*command, "--by", "ada", "--why", blank)


@pytest.mark.parametrize(
    "command",
    [
        ["export", "--date", "2026-11-13"],
        ["backfill", "--from", "2026-11-13", "--to", "2026-11-13"],
    ],
    ids=["export", "backfill"],
)
@pytest.mark.parametrize("blank", ["", "  "])
def test_a_guard_is_overridden_with_a_reason(
    command: Sequence[str], blank: str
) -> None:
    assert "expected a reason" in refused(*command, "--override", blank)


def test_metrics_are_written_into_a_folder_that_is_there(folder: Path) -> None:
    file = folder / "none" / "x.prom"
    told = refused("metrics", "--file", str(file))
    assert f"Writing metrics failed for {file}: expected a folder" in told
    assert "No such file or directory" in told
    assert "is a directory" in refused("metrics", "--file", str(folder))


def test_order_ids_are_read_from_a_file(folder: Path) -> None:
    told = refused(*STAGED, *WHO, "--orders", str(folder))
    assert "is a directory" in told


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_order_ids_are_utf_8(folder: Path, encoding: str) -> None:
    file = folder / "orders.txt"
    file.write_text("A-1\nMü-2\n", encoding=encoding)
    told = refused(*STAGED, *WHO, "--orders", str(file))
    assert f"Reading order ids failed for {file}: expected UTF-8" in told
    assert "Excel: CSV UTF-8" in told


def test_a_port_is_a_port() -> None:
    assert "Invalid value for '--port'" in refused("sandbox", "--port", "99999")


def test_what_the_machine_refuses_is_told_with_its_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        explained(lambda: (folder / "none").write_bytes((folder / "no").read_bytes()))()
    assert ended.value.exit_code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"Running failed for {folder / 'no'}: expected ")
    assert "got No such file or directory. Check path, rights and disk." in told


def test_ctrl_c_while_the_program_loads_ends_it_quietly(folder: Path) -> None:
    """`rich` is one of the first things that it loads."""
    late = "import os, signal, sys; os.kill(os.getpid(), signal.SIGINT)"
    (folder / "rich.py").write_text(late)
    done = subprocess.run(
        [COMMAND, "status"],
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stderr, done.stdout) == (130, "", "")
