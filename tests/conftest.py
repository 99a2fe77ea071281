"""Fixtures that every kind of test may use."""

import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from guide_order import make_conversion, make_item
from postgres import running_server

from assets.delivery.database import Database
from assets.providers.conversion import Conversion, Item


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", default=False)


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a shell: the programs under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

MakeConversion = Callable[..., Conversion]


@pytest.fixture
def conversion() -> MakeConversion:
    """Makes conversions: the guide's order, with the named changes."""
    return make_conversion


@pytest.fixture
def item() -> Callable[..., Item]:
    """Makes line items: the guide's first line, with the named changes."""
    return make_item


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a real PostgreSQL server that lives as long as the session."""
    with running_server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """SQLAlchemy URL of a new, empty PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    base = postgres_server.rsplit("/", 1)[0]
    return f"{base}/{name}".replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database for the delivery tables, on each kind in turn."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def database(ledger_url: str) -> Iterator[Database]:
    """The delivery tables, made but empty."""
    database = Database(ledger_url)
    database.migrate()
    yield database
    database.dispose()
