"""The demo warehouse: realistic enough to show everything, bad where it says so."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from assets.joining.join import JoinResult, join
from assets.providers.conversion import Conversion
from assets.source.extract import extract
from assets.source.warehouse import Warehouse
from assets.staging import Staging
from assets.validation.rejects import Reject
from assets.validation.schemas import EXTRACTS, contract_columns
from pipelines.demo.warehouse import seed

ZONE = ZoneInfo("America/New_York")
ORDERS = 400
# The clocks change on 8 March: this day has 23 hours.
DAYS = [date(2026, 3, 7), date(2026, 3, 8)]


@dataclass
class Day:
    """One day of the demo, extracted and joined."""

    result: JoinResult
    rejects: list[Reject] = field(default_factory=list)
    issues: list[dict[str, str]] = field(default_factory=list)
    conversions: list[Conversion] = field(default_factory=list)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo warehouse of two days."""
    path = tmp_path_factory.mktemp("demo") / "warehouse.duckdb"
    seed(
        path,
        last_day=DAYS[-1],
        days=2,
        orders_per_day=ORDERS,
        timezone="America/New_York",
    )
    return path


@pytest.fixture(scope="module")
def days(path: Path) -> list[Day]:
    """Both days, extracted and joined."""
    edges = [datetime(2026, 3, n, tzinfo=ZONE).astimezone(UTC) for n in (7, 8, 9)]
    return [run(path, window) for window in pairwise(edges)]


def run(path: Path, window: tuple[datetime, datetime]) -> Day:
    staging = Staging(path.parent / "staging")
    day = Day(JoinResult(0, 0, {}))
    partition = f"{window[0]:%Y-%m-%d}"
    for statement in EXTRACTS:
        extract(
            Warehouse(f"duckdb:///{path}"),
            staging,
            statement,
            partition,
            window,
            extra_columns=frozenset({"store_code"}),
            on_rejects=day.rejects.extend,
        )
    day.result = join(
        staging,
        partition,
        refused_order_ids=[one.order_id for one in day.rejects if one.order_id],
        on_rejects=day.rejects.extend,
        on_issues=day.issues.extend,
    )
    batches: Iterator[object] = staging.read("conversions", partition)
    rows = [row for batch in batches for row in batch.to_pylist()]
    day.conversions = [Conversion.from_row(row) for row in rows]
    return day


def test_each_day_has_its_orders_and_exactly_two_bad_ones(days: list[Day]) -> None:
    for day in days:
        assert day.result.orders == len(day.conversions) == ORDERS - 2
        assert sorted(reject.reasons for reject in day.rejects) == [
            ("money_mismatch",),
            ("unknown_currency",),
        ]


def test_identifiers_are_about_as_common_as_promised(days: list[Day]) -> None:
    kinds = Counter(
        kind for day in days for one in day.conversions for kind in one.identifiers
    )
    orders = sum(len(day.conversions) for day in days)
    for kind, share in {
        "impact_click_id": 0.45,
        "trackdesk_cid": 0.25,
        "trackdesk_external_cid": 0.08,
        "idme_conversion_tracking_id": 0.15,
        "convert_visitor_id": 0.60,
    }.items():
        assert kinds[kind] / orders == pytest.approx(share, abs=0.06)


def test_everything_the_providers_look_at_occurs(days: list[Day]) -> None:
    found = [one for day in days for one in day.conversions]
    cookies = [one.identifiers.get("trackdesk_cid", "") for one in found]
    assert {one.currency for one in found} == {"USD", "CAD", "EUR", "GBP"}
    assert {one.tracking_consent for one in found} == {True, False, None}
    assert {len(one.items) for one in found} == set(range(1, 7))
    assert {len(one.bucketing) for one in found} == {0, 1, 2, 3}
    assert {cookie[:1] for cookie in cookies} == {"", "{", "%"}
    assert sum(one.is_test for one in found) == 8
    assert any(one.discount for one in found)
    assert any(item.discount for one in found for item in one.items)
    assert any(one.segments and one.segments.custom_segments for one in found)
    assert any(day.issues for day in days)
    assert all(one.extra["store_code"] for one in found)


def test_an_order_belongs_to_the_local_day_of_its_number(days: list[Day]) -> None:
    for day, expected in zip(days, DAYS, strict=True):
        for one in day.conversions:
            assert one.completed_at.astimezone(ZONE).date() == expected
            assert one.order_id.startswith(f"D{expected:%Y%m%d}-")


def test_tables_have_the_columns_of_the_contract(path: Path) -> None:
    for name in EXTRACTS:
        given = Warehouse(f"duckdb:///{path}").columns(name)
        extra = ("store_code",) if name == "completed_orders" else ()
        assert given == contract_columns(name) + extra


def test_the_same_seed_makes_the_same_shop(path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.duckdb"
    seed(
        again,
        last_day=DAYS[-1],
        days=2,
        orders_per_day=ORDERS,
        timezone="America/New_York",
    )
    with duckdb.connect() as database:
        database.execute(f"attach '{path}' as a (read_only)")
        database.execute(f"attach '{again}' as b (read_only)")
        for name in EXTRACTS:
            differing = database.execute(
                f"select count(*) from (from a.{name} except all from b.{name})"
            ).fetchall()
            assert differing == [(0,)]


def test_seeding_again_replaces_the_shop(tmp_path: Path) -> None:
    path = tmp_path / "new" / "warehouse.duckdb"
    for _ in range(2):
        seed(path, last_day=DAYS[-1], days=1, orders_per_day=10, timezone="UTC")
    with duckdb.connect(str(path), read_only=True) as database:
        assert database.execute("select count(*) from completed_orders").fetchall() == [
            (10,)
        ]
    assert [one.name for one in path.parent.iterdir()] == ["warehouse.duckdb"]
