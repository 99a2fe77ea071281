"""Behind a pooler, what the warehouse gives does not depend on the session."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from pandas import DataFrame

from assets.source.warehouse import Warehouse
from support.pooler import SESSIONS, pooled

START = datetime(2026, 1, 2, 5, tzinfo=UTC)  # midnight in New York
EVENING = "2026-01-02 20:00:00"
STATEMENT = f"""
    select
        cast(n as text) as order_id, 'v' as visitor_id, 'k' as kind, 'x' as value,
        timestamp '{EVENING}' as captured_at,
        timestamptz '{EVENING}+00' as instant,
        date '2026-02-01' as day,
        cast(timestamp '{EVENING}' as timestamptz) = '{EVENING}-05' as is_local
    from generate_series(1, 7) as n
    where
        timestamp '{EVENING}' >= :window_start
        and timestamp '{EVENING}' < :window_end
"""
SETTINGS = "set timezone = 'Asia/Tokyo'; set datestyle = 'SQL, DMY'"


@pytest.fixture
def pooler(postgres_url: str) -> Iterator[str]:
    """A pooler, all of whose sessions have the settings of another program."""
    with pooled(postgres_url) as url:
        for _ in range(2 * SESSIONS):
            with psycopg.connect(url.replace("+psycopg", "")) as other:
                other.execute(SETTINGS)
        yield url


def read(url: str, folder: Path) -> DataFrame:
    warehouse = Warehouse(
        url,
        extract_dir=folder,
        source_timezone="America/New_York",
        partition_zone=ZoneInfo("Europe/Berlin"),
        chunk_rows=2,
    )
    end = START + timedelta(days=1)
    frames = list(warehouse.frames("visitor_identifiers", START, end))
    assert [len(frame) for frame in frames] == [2, 2, 2, 1]
    return frames[-1]


def test_a_warehouse_behind_a_pooler_gives_the_same_values(
    pooler: str, postgres_url: str, tmp_path: Path
) -> None:
    (tmp_path / "visitor_identifiers.sql").write_text(STATEMENT, encoding="utf-8")
    expected = read(postgres_url, tmp_path).to_dict("records")
    assert expected[0]["captured_at"] == datetime.fromisoformat(EVENING)
    assert expected[0]["is_local"]
    for _ in range(2 * SESSIONS):
        assert read(pooler, tmp_path).to_dict("records") == expected


def test_reading_leaves_no_setting_to_other_programs(
    pooler: str, tmp_path: Path
) -> None:
    (tmp_path / "visitor_identifiers.sql").write_text(STATEMENT, encoding="utf-8")
    read(pooler, tmp_path)
    zones = set()
    for _ in range(2 * SESSIONS):
        with psycopg.connect(pooler.replace("+psycopg", "")) as other:
            zones |= {other.execute("show timezone").fetchone()}
    assert zones == {("Asia/Tokyo",)}
