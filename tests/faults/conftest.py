"""What the fault tests share: lines to servers that misbehave, and a shop."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from assets.ledger.database import Database
from assets.providers.base import ResendPolicy
from assets.providers.impact.provider import Impact, ImpactSettings
from support.engine import DEDUPE, NEVER, Clock
from support.line import TOKEN, JsonProvider, Line, MakeLine, check_together
from support.raw_server import Bookkeeper


@pytest.fixture(params=[DEDUPE, NEVER], ids=["dedupe", "never"])
def policy(request: pytest.FixtureRequest) -> ResendPolicy:
    """Whether a repeat is harmless, one after the other."""
    found: ResendPolicy = request.param
    return found


LINES = pytest.StashKey[list[Line]]()


@pytest.fixture
def make_line(request: pytest.FixtureRequest) -> Iterator[MakeLine]:
    """Makes lines; their servers end with the test."""
    lines = request.node.stash[LINES] = []

    def make(database: Database, policy: ResendPolicy, **server: Any) -> Line:
        clock = Clock()
        plain: dict[str, Any] = {"dedupes": policy.is_safe, "clock": clock}
        provides = Bookkeeper(**plain | server)
        provider = JsonProvider(provides.url, policy)
        lines.append(Line(database, provides, provider, clock))
        return lines[-1]

    yield make
    for line in lines:
        line.server.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """After every row the invariants hold, whatever its test looked at."""
    yield
    used = [line for line in item.stash.get(LINES, []) if line.runs]
    for database in {id(line.database): line.database for line in used}.values():
        check_together([line for line in used if line.database is database])


@pytest.fixture
def make_impact(make_line: MakeLine) -> MakeLine:
    """Makes lines to impact.com."""

    def make(database: Database, **changes: Any) -> Line:
        line = make_line(
            database, DEDUPE, orders_of=lambda body: parse_qs(body.decode())["OrderId"]
        )
        settings: dict[str, Any] = {
            "provider": "impact",
            "base_url": line.server.url,
            "account_sid": "IRsid",
            "auth_token": TOKEN,
            "campaign_id": 1,
            "event_type_id": 2,
        }
        line.provider = Impact(ImpactSettings(**settings | changes))
        return line

    return make


@pytest.fixture
def line(make_line: MakeLine, tables: Database, policy: ResendPolicy) -> Line:
    """A line of each policy, on SQLite."""
    return make_line(tables, policy)


@pytest.fixture(params=["duckdb", pytest.param("postgresql", marks=pytest.mark.long)])
def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty warehouse, on each kind in turn: on PostgreSQL in `make test-long`."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"duckdb:///{tmp_path}/warehouse.db"


@pytest.fixture
def shop(line: Line, warehouse_url: str, tmp_path: Path) -> Any:
    """A `Shop` with empty tables on each warehouse, a line of each policy behind it."""
    from support.shop import DAY, START, Shop

    line.clock.now = START + DAY
    made = Shop(tmp_path, warehouse_url, line)
    made.create()
    return made


@pytest.fixture
def line_anywhere(
    make_line: MakeLine, database: Database, policy: ResendPolicy
) -> Line:
    """A line of each policy on SQLite and on PostgreSQL."""
    return make_line(database, policy)
