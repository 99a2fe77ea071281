"""A sandbox for the module, and an impact.com account on it for each test."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from pipelines.sandbox.server import SandboxServer
from support.sandbox_impact_account import Account


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def account(server: SandboxServer) -> Iterator[Account]:
    account = Account(server, f"IR{uuid4().hex}")
    yield account
    account.session.close()
