"""Fixtures of the fault tests: harnesses for servers that misbehave, and a shop."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from assets.ledger.database import Database
from assets.providers.base import ResendPolicy
from assets.providers.impact.provider import Impact, ImpactSettings
from support.engine import DEDUPE, NEVER, Clock
from support.harness import (
    TOKEN,
    Harness,
    JsonProvider,
    MakeHarness,
    check_shared_tables,
)
from support.raw_server import ProviderServer


@pytest.fixture(params=[DEDUPE, NEVER], ids=["dedupe", "never"])
def policy(request: pytest.FixtureRequest) -> ResendPolicy:
    """Whether a repeat is harmless, one after the other."""
    found: ResendPolicy = request.param
    return found


@pytest.fixture(scope="module")
def exporter() -> Iterator[Any]:
    """The exporter as processes that a test may kill."""
    from faults.kill.harness import Exporter

    with Exporter() as exporter:
        yield exporter


HARNESSES = pytest.StashKey[list[Harness]]()


@pytest.fixture
def make_harness(request: pytest.FixtureRequest) -> Iterator[MakeHarness]:
    """Makes harnesses; their servers end with the test."""
    harnesses = request.node.stash[HARNESSES] = []

    def make(database: Database, policy: ResendPolicy, **server: Any) -> Harness:
        clock = Clock()
        plain: dict[str, Any] = {"dedupes": policy.is_safe, "clock": clock}
        provides = ProviderServer(**plain | server)
        provider = JsonProvider(provides.url, policy)
        harnesses.append(Harness(database, provides, provider, clock))
        return harnesses[-1]

    yield make
    for harness in harnesses:
        harness.server.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """After every row the invariants hold, whatever its test looked at."""
    yield
    used = [harness for harness in item.stash.get(HARNESSES, []) if harness.runs]
    for database in {
        id(harness.database): harness.database for harness in used
    }.values():
        check_shared_tables(
            [harness for harness in used if harness.database is database]
        )


@pytest.fixture
def make_impact(make_harness: MakeHarness) -> MakeHarness:
    """Makes harnesses for impact.com."""

    def make(database: Database, **changes: Any) -> Harness:
        harness = make_harness(
            database, DEDUPE, orders_of=lambda body: parse_qs(body.decode())["OrderId"]
        )
        settings: dict[str, Any] = {
            "provider": "impact",
            "base_url": harness.server.url,
            "account_sid": "IRsid",
            "auth_token": TOKEN,
            "campaign_id": 1,
            "event_type_id": 2,
        }
        harness.provider = Impact(ImpactSettings(**settings | changes))
        return harness

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def impact_per_database(
    request: pytest.FixtureRequest, make_impact: MakeHarness
) -> Harness:
    """A harness for impact.com, on SQLite and on PostgreSQL."""
    name = "postgres_tables" if request.param == "postgresql" else "tables"
    return make_impact(request.getfixturevalue(name))


@pytest.fixture
def harness(
    make_harness: MakeHarness, tables: Database, policy: ResendPolicy
) -> Harness:
    """A harness of each resend policy, on SQLite."""
    return make_harness(tables, policy)


@pytest.fixture(params=["duckdb", pytest.param("postgresql", marks=pytest.mark.long)])
def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty warehouse, on each kind in turn: on PostgreSQL in `make test-long`."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"duckdb:///{tmp_path}/warehouse.db"


@pytest.fixture
def shop(harness: Harness, warehouse_url: str, tmp_path: Path) -> Any:
    """A `Shop` with empty tables on each warehouse and a harness of each policy."""
    from support.shop import DAY, START, Shop

    harness.clock.now = START + DAY
    made = Shop(tmp_path, warehouse_url, harness)
    made.create()
    return made


@pytest.fixture
def db_harness(
    make_harness: MakeHarness, database: Database, policy: ResendPolicy
) -> Harness:
    """A harness of each resend policy, on SQLite and on PostgreSQL."""
    return make_harness(database, policy)
