"""A demo that has run, and a folder to run one in."""

from pathlib import Path

import pytest

from pipelines.demo import ports
from pipelines.sandbox.server import SandboxServer
from support.demo import FINISHED_DEMO_ORDERS, FinishedDemo, demo, prepare


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a test runs the demo for itself."""
    prepare(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture(scope="session")
def finished_demo(tmp_path_factory: pytest.TempPathFactory) -> FinishedDemo:
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as monkeypatch, SandboxServer() as other:
        prepare(folder, monkeypatch, FINISHED_DEMO_ORDERS)
        monkeypatch.setattr(ports, "SANDBOX_PORT", other.port)
        status, printed = demo()
        stray = other.sandbox.journal.entries
        return FinishedDemo(folder, status, printed, other.port, stray)
