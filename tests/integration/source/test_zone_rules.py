"""Program and warehouse have the same rules of a zone, or nothing is read."""

import subprocess
import sys
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from assets.source.errors import WarehouseError
from assets.source.warehouse import Warehouse
from assets.source.zone_rules import compare_zones

START = datetime(2026, 11, 20, 8, tzinfo=UTC)
HOURS = (START, START + timedelta(days=1))
YEAR = (START, START + timedelta(days=366))


def rules_of(other: str, *, named: str) -> ZoneInfo:
    """A zone whose rules are those of another one, as in older data."""
    with (files("tzdata") / "zoneinfo" / other).open("rb") as file:
        return ZoneInfo.from_file(file, key=named)


@pytest.fixture(params=["duckdb", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    path = tmp_path / "warehouse.duckdb"
    sa.create_engine(f"duckdb:///{path}", poolclass=NullPool).connect().close()
    return f"duckdb:///{path}"


@pytest.fixture
def connection(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.mark.parametrize(
    "name",
    ["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"],
)
def test_the_same_rules_pass(connection: sa.Connection, name: str) -> None:
    compare_zones(connection, [ZoneInfo(name)], [HOURS, YEAR])


def test_other_rules_are_told_with_both_versions_and_the_instants(
    connection: sa.Connection,
) -> None:
    zone = rules_of("Asia/Kolkata", named="America/New_York")
    with pytest.raises(WarehouseError) as refused:
        compare_zones(connection, [ZoneInfo("UTC"), zone], [HOURS])
    said = str(refused.value)
    assert "failed for America/New_York" in said
    assert f"tzdata {version('tzdata')}" in said
    assert ("DuckDB v" in said) or ("PostgreSQL " in said)
    assert "from 2026-11-20T08:00:00+00:00 to 2026-11-21T08:00:00+00:00" in said


def test_rules_that_differ_in_a_part_of_the_year_are_found(
    connection: sa.Connection,
) -> None:
    """Without summer time: only the summer differs."""
    zone = rules_of("Etc/GMT+5", named="America/New_York")
    compare_zones(connection, [zone], [HOURS])
    with pytest.raises(WarehouseError, match="from 2027-03-14T07:00") as refused:
        compare_zones(connection, [zone], [YEAR])
    assert "to 2027-11-07T05:00" in str(refused.value)


def test_a_zone_that_the_warehouse_does_not_know_is_told(
    connection: sa.Connection,
) -> None:
    zone = rules_of("Etc/UTC", named="Mars/Olympus")
    with pytest.raises(WarehouseError, match="knows the zone"):
        compare_zones(connection, [zone], [HOURS])


def test_an_extract_with_other_rules_reads_no_row(url: str) -> None:
    zone = rules_of("Etc/GMT+8", named="America/New_York")
    warehouse = Warehouse(url, partition_zone=zone)
    with pytest.raises(WarehouseError, match="Comparing time zones failed"):
        next(warehouse.frames("completed_orders", *HOURS))
    with pytest.raises(WarehouseError, match="Comparing time zones failed"):
        warehouse.check_zones()


def test_a_warehouse_without_zones_is_not_compared(tmp_path: Path) -> None:
    warehouse = Warehouse(
        f"sqlite:///{tmp_path}/shop.db", partition_zone=ZoneInfo("Europe/Berlin")
    )
    assert warehouse.check_zones() == ("Europe/Berlin",)


def test_the_locked_zone_data_wins_over_that_of_the_machine(tmp_path: Path) -> None:
    folder = tmp_path / "America"
    folder.mkdir()
    other = files("tzdata") / "zoneinfo" / "Etc" / "GMT+8"
    (folder / "Vancouver").write_bytes(other.read_bytes())
    program = (
        "from zoneinfo import ZoneInfo; from datetime import datetime;"
        "ZoneInfo('America/Vancouver'); import assets;"
        "print(datetime(2026, 7, 1, tzinfo=ZoneInfo('America/Vancouver')).utcoffset())"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONTZPATH": str(tmp_path)},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "-1 day, 17:00:00"
    assert zoneinfo.TZPATH == ()
