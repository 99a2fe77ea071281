"""Ports that other programs have: the demo takes free ones, and all of it follows."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import copy, copytree
from urllib.parse import urlsplit

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from pipelines.build import open_destination
from pipelines.cli import app
from pipelines.configuration.config import DEMO_CONFIG, Config, load_config
from pipelines.configuration.sandbox_port import (
    RECORD,
    SANDBOX_PORT,
    recorded,
    recording,
)
from pipelines.demo import ports, runner
from pipelines.demo.folder import JOURNAL
from pipelines.demo.ports import reserved_ui_port, sandbox_listener, wanted_ui_port
from pipelines.sandbox.journal import read
from pipelines.sandbox.listening import listen, listen_on_first, port_of
from pipelines.sandbox.server import SandboxServer
from support.demo import FinishedDemo, demo, start_no_ui, states
from support.deployment import ROOT

COMMAND = Path(sys.executable).parent / "attribution"
ENVIRON = {"ATTRIBUTION_CONFIG": "", "DAGSTER_HOME": "", "COLUMNS": "200"}
HOSTS = ["127.0.0.1", "0.0.0.0", "::", "::1"]


@contextmanager
def taken(host: str = "127.0.0.1") -> Iterator[int]:
    """A port on which another program listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with listener:
        yield port_of(listener)


@pytest.fixture
def usual_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Stands for 8787, which may be free here or not: another program has it."""
    with taken() as port:
        monkeypatch.setattr(ports, "SANDBOX_PORT", port)
        yield port


@pytest.fixture
def after_demo(
    finished_demo: FinishedDemo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder in which the demo has run."""
    copytree(finished_demo.folder, tmp_path, dirs_exist_ok=True)
    copy(ROOT / "dagster.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def port_in(config: Config) -> int:
    """The one port that all destinations of a configuration name."""
    urls = [one.base_url for one in config.destinations.values() if one.base_url]
    assert len(urls) == 4
    (port,) = {urlsplit(url).port for url in urls}
    assert port is not None
    return port


def attribution(*words: str) -> tuple[int, str]:
    """Type a command in the demo's folder; return exit status and output."""
    done = CliRunner().invoke(app, words, env=ENVIRON)
    return done.exit_code, " ".join(done.output.split())


@contextmanager
def sandbox_command() -> Iterator[tuple[int, int]]:
    """A running `attribution sandbox`: its process and its port."""
    with subprocess.Popen(
        [COMMAND, "sandbox"],
        env=dict(os.environ) | ENVIRON | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        try:
            printed = started.stdout.readline()
            while "Sandbox at" not in printed:
                assert printed
                printed = started.stdout.readline()
            (port,) = re.findall(r"http://127.0.0.1:(\d+);", printed)
            yield started.pid, int(port)
        finally:
            started.send_signal(signal.SIGINT)
            started.communicate(timeout=60)


@pytest.mark.parametrize("host", HOSTS)
def test_a_port_with_a_listener_anywhere_on_this_machine_is_not_taken(
    host: str,
) -> None:
    with taken(host) as port, listen_on_first([port]) as listener:
        assert port_of(listener) != port


def test_the_first_free_port_is_taken() -> None:
    with taken() as first, listen(0) as other:
        second = port_of(other)
        other.close()
        with listen_on_first([first, second]) as listener:
            assert port_of(listener) == second


@pytest.mark.long
def test_the_demo_takes_a_free_port_and_says_which(
    finished_demo: FinishedDemo, after_demo: Path
) -> None:
    usual = finished_demo.usual_port
    (said,) = re.findall(
        rf"Port {usual} is in use, so the sandbox listens on port (\d+)\. "
        r"The demo's destinations follow\.",
        finished_demo.printed,
    )
    assert finished_demo.stray == []
    sent = {entry.account for entry in read(JOURNAL)}
    assert sent == {"IRdemo", "10012345", "demo", "bumpy"}
    assert port_in(load_config(environ={})) == int(said) != usual
    assert attribution("status")[0] == 0


def test_demos_in_two_folders_have_their_own_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    with ExitStack() as stack:
        for folder in folders:
            (folder / "var/demo").mkdir(parents=True)
            monkeypatch.chdir(folder)
            listener = stack.enter_context(sandbox_listener())
            stack.enter_context(recording(port_of(listener), recorded()))
        found = []
        for folder in folders:
            monkeypatch.chdir(folder)
            found.append(port_in(load_config(environ={})))
    assert found[0] != found[1]


@pytest.mark.long
def test_a_run_after_the_demo_sends_only_what_is_missing_to_the_new_port(
    after_demo: Path,
) -> None:
    ledger = create_engine(f"sqlite:///{after_demo}/var/demo/ledger.db")
    with ledger.begin() as connection:
        (day,) = connection.execute(text("select distinct partition_key from delivery"))
        connection.execute(text("update delivery set next_attempt_at = null"))
    ledger.dispose()
    before = states(after_demo, "trackdesk_bumpy")
    entries = len(list(read(JOURNAL)))
    with (
        listen(0) as listener,
        recording(port_of(listener), recorded()),
        SandboxServer(listener, JOURNAL),
    ):
        words = ["--date", day[0], "--to", "trackdesk_bumpy"]
        assert attribution("export", *words)[0] == 0
    after = states(after_demo, "trackdesk_bumpy")
    assert before["retryable"] > 0
    # A reply was lost: the sandbox knows from its journal what it took before.
    assert after["duplicate"] > 0
    assert after == before - Counter(retryable=before["retryable"]) + Counter(
        accepted=before["retryable"] - after["duplicate"], duplicate=after["duplicate"]
    )
    sent = Counter(one.order_ids[0] for one in list(read(JOURNAL))[entries:])
    assert sent.total() == len(sent) == before["retryable"]


@pytest.mark.long
def test_a_sandbox_at_another_port_is_the_same_account(
    after_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def accounts() -> list[str | None]:
        config = load_config(environ={})
        return [open_destination(config, name).account for name in config.destinations]

    found = []
    for port in (1234, SANDBOX_PORT):
        with recording(port, None):
            assert port_in(load_config(environ={})) == port
            found.append(accounts())
    RECORD.unlink()
    assert port_in(load_config(environ={})) == SANDBOX_PORT
    assert found == [accounts()] * 2


@pytest.mark.long
@pytest.mark.parametrize(
    "wrong",
    [
        *("", "[]", "{}", '{"port": "x", "process": 1}', '{"port": 1, "process": "x"}'),
        *('{"port": 99999, "process": 1}', '{"port": 1}', '{"port": 1, "process": -1}'),
    ],
)
def test_a_port_that_cannot_be_read_is_the_usual_one(
    after_demo: Path, wrong: str
) -> None:
    RECORD.write_text(wrong)
    assert port_in(load_config(environ={})) == SANDBOX_PORT


@pytest.mark.long
def test_only_the_configuration_of_the_demo_follows(after_demo: Path) -> None:
    mine = after_demo / "mine.toml"
    copy(DEMO_CONFIG, mine)
    with recording(1234, None):
        assert port_in(load_config(mine, {})) == SANDBOX_PORT


@pytest.mark.long
def test_the_demos_destinations_talk_to_a_sandbox_that_is_started_later(
    after_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_export", lambda *_: None)
    with sandbox_command() as (process, port):
        assert port_in(load_config(environ={})) == port
        with sandbox_command() as (_, other):
            assert other != port
            found = recorded()
            assert found is not None
            assert (found.port, found.process) == (port, process)
        # A fresh demo has a sandbox of its own, and leaves this one as it was.
        assert demo()[0] == 0
        assert port_in(load_config(environ={})) == port
        assert attribution("check")[0] == 0


def test_the_sandbox_takes_a_free_port_and_says_which(
    tmp_path: Path, usual_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SandboxServer, "wait", lambda _: None)
    status, said = attribution("sandbox")
    assert status == 0
    (port,) = re.findall(rf"Port {usual_port} is in use, .* on port (\d+)\.", said)
    assert f"Name it in `base_url`. Sandbox at http://127.0.0.1:{port};" in said
    assert not RECORD.exists()


def test_a_port_that_is_asked_for_is_that_one_or_none() -> None:
    with taken() as port:
        status, said = attribution("sandbox", "--port", str(port))
    assert status == 2
    assert "Starting the sandbox failed: expected a free port on 127.0.0.1, got" in said
    assert "leave out --port" in said


@pytest.mark.parametrize("host", HOSTS)
def test_the_ui_takes_a_free_port_and_says_which(
    folder: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with taken(host) as port:
        monkeypatch.setenv("DAGSTER_WEBSERVER_PORT", str(port))
        started = start_no_ui(monkeypatch)
        status, printed = demo(ui=True)
    assert status == 0
    ((_, chosen),) = started
    assert chosen != port
    assert f"Port {port} is in use, so the UI takes port {chosen}." in printed
    assert f"the UI opens at http://127.0.0.1:{chosen}\n" in printed


def test_the_ui_has_the_port_of_dagster() -> None:
    assert wanted_ui_port({}) == 3000
    assert wanted_ui_port({"DAGSTER_WEBSERVER_PORT": "4000"}) == 4000
    assert wanted_ui_port({"DAGSTER_WEBSERVER_PORT": "all"}) == 3000


def test_the_port_of_the_ui_is_kept_for_its_webserver() -> None:
    with reserved_ui_port(0) as port:
        with reserved_ui_port(port) as other:
            assert other != port
        with socket.socket() as program, pytest.raises(OSError, match="in use"):
            program.bind(("127.0.0.1", port))
        # As the webserver of Dagster binds it.
        with socket.create_server(("127.0.0.1", port)):
            pass
