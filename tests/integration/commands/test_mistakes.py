"""Usage errors are reported in a sentence, with exit status 2."""

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
from pipelines.commands.shared import reports_errors
from support.deployment import COMMAND, HEAD, START

NAMES = sorted(get_command(app).commands)  # type: ignore[attr-defined]
STAGED = ["resolve", "staged", "delivered", "--date", "2026-11-13", "--to", "shop"]
RECOVER = ["recover", "--from", "2026-11-13", "--to", "2026-11-13"]
WHO = ["--by", "ada", "--why", "seen"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment with empty delivery tables."""
    config = tmp_path / "destinations.toml"
    shop = '[destinations.shop]\nprovider = "idme"\napp_id = "a"\n'
    config.write_text(HEAD.format(folder=tmp_path, start=START) + shop)
    monkeypatch.setenv("ATTRIBUTION_CONFIG", str(config))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["migrate"]).exit_code == 0
    return tmp_path


def usage_error(*words: str) -> str:
    """Return the error message of a command, on one line."""
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
    assert "expected a name" in usage_error(*command, "--by", blank, "--why", "seen")
    assert "expected a reason" in usage_error(*command, "--by", "ada", "--why", blank)


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
    assert "expected a reason" in usage_error(*command, "--override", blank)


def test_metrics_need_an_existing_folder(folder: Path) -> None:
    file = folder / "none" / "x.prom"
    text = usage_error("metrics", "--file", str(file))
    assert f"Writing metrics failed for {file}: expected a folder" in text
    assert "No such file or directory" in text
    assert "is a directory" in usage_error("metrics", "--file", str(folder))


def test_order_ids_are_read_from_a_file(folder: Path) -> None:
    text = usage_error(*STAGED, *WHO, "--orders", str(folder))
    assert "is a directory" in text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_order_ids_are_utf_8(folder: Path, encoding: str) -> None:
    file = folder / "orders.txt"
    file.write_text("A-1\nMü-2\n", encoding=encoding)
    text = usage_error(*STAGED, *WHO, "--orders", str(file))
    assert f"Reading order ids failed for {file}: expected UTF-8" in text
    assert "Excel: CSV UTF-8" in text


def test_a_port_is_a_port() -> None:
    assert "Invalid value for '--port'" in usage_error("sandbox", "--port", "99999")


def test_an_error_of_the_operating_system_is_reported_with_its_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        reports_errors(
            lambda: (folder / "none").write_bytes((folder / "no").read_bytes())
        )()
    assert ended.value.exit_code == 2
    text = capsys.readouterr().err
    assert text.startswith(f"Running failed for {folder / 'no'}: expected ")
    assert "got No such file or directory. Check path, rights and disk." in text


def test_ctrl_c_during_the_imports_exits_quietly(folder: Path) -> None:
    """`rich` is one of the first modules that are imported."""
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
