"""Fixtures that every kind of test may use."""

import gc
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copy

import pytest

from assets.ledger.database import Database
from assets.providers.conversion import Conversion, Item
from support.guide_order import make_conversion, make_item
from support.postgres import new_database, running_server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", default=False)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to `make test-long` the parameters that a module calls `LONG`, by id."""
    for item in items:
        long = getattr(getattr(item, "module", None), "LONG", frozenset())
        named = item.callspec.id.split("-") if hasattr(item, "callspec") else []
        if not long.isdisjoint(named):
            item.add_marker(pytest.mark.long)
    leave_cases_to_test_long(items)


def leave_cases_to_test_long(items: list[pytest.Item]) -> None:
    """Mark all but the first cases of each test that is marked `sampled` as long."""
    seen: Counter[str] = Counter()
    for item in items:
        mark = item.get_closest_marker("sampled")
        if mark is None or item.get_closest_marker("long"):
            continue
        test = item.nodeid.partition("[")[0]
        seen[test] += 1
        if seen[test] > mark.args[0]:
            item.add_marker(pytest.mark.long)


def pytest_collection_finish() -> None:
    """Spare the garbage collector the thousands of tests that stay to the end."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()


# A CI that forces colours would put them between the words that tests look for.
os.environ.pop("FORCE_COLOR", None)

# A shell's background ignores SIGINT, `nohup` SIGHUP; programs under test inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

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
def postgres_url(postgres_server: str) -> Iterator[str]:
    """SQLAlchemy URL of a new, empty PostgreSQL database."""
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with empty delivery tables, to be copied."""
    path = tmp_path_factory.mktemp("tables") / "ledger.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    with database.engine.connect() as connection:
        connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
    database.dispose()
    return path


@pytest.fixture
def tables(empty_sqlite: Path, tmp_path: Path) -> Iterator[Database]:
    """Empty delivery tables on SQLite, ready at once."""
    copy(empty_sqlite, tmp_path / "ledger.db")
    database = Database(f"sqlite:///{tmp_path}/ledger.db")
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def empty_postgres(postgres_server: str) -> Iterator[str]:
    """Name of a PostgreSQL database with empty delivery tables, to be copied."""
    with new_database(postgres_server) as url:
        database = Database(url)
        database.migrate()
        database.dispose()
        yield str(database.engine.url.database)


@pytest.fixture
def postgres_tables(postgres_server: str, empty_postgres: str) -> Iterator[Database]:
    """Empty delivery tables on PostgreSQL, ready at once."""
    with new_database(postgres_server, template=empty_postgres) as url:
        database = Database(url)
        yield database
        database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """The delivery tables, made but empty, on each kind of database in turn."""
    kind = "tables" if request.param == "sqlite" else "postgres_tables"
    found: Database = request.getfixturevalue(kind)
    return found
