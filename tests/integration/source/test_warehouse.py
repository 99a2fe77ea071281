"""The extract statements against real databases, and what they say when they cannot."""

import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from assets.ledger.database import Database, LedgerError
from assets.source.errors import WarehouseError
from assets.source.extract import ExtractResult, extract
from assets.source.warehouse import Warehouse
from assets.staging import Staging
from assets.validation.schemas import EXTRACTS, contract_columns

START = datetime(2026, 1, 2, tzinfo=UTC)
END = START + timedelta(days=1)
NOON = START + timedelta(hours=12)
HOUR = timedelta(hours=1)

TYPES = {
    **dict.fromkeys(
        ("completed_at", "captured_at", "bucketed_at"), "timestamp with time zone"
    ),
    **dict.fromkeys(
        ("total", "revenue", "discount", "shipping", "tax"), "decimal(18, 2)"
    ),
    **dict.fromkeys(("unit_price", "subtotal", "quantity"), "decimal(18, 2)"),
    **dict.fromkeys(("tracking_consent", "is_test"), "boolean"),
    "line_no": "integer",
}

Rows = dict[str, list[dict[str, Any]]]


def order(order_id: str, completed_at: datetime = NOON, **changes: Any) -> Any:
    money = dict.fromkeys(("total", "revenue", "discount", "shipping", "tax"), 0)
    return {
        **dict.fromkeys(contract_columns("completed_orders")),
        **money,
        "order_id": order_id,
        "completed_at": completed_at,
        "visitor_id": f"v-{order_id}",
        "currency": "USD",
        "is_test": False,
        "store": "east",
    } | changes


def identifier(value: str, at: datetime = NOON - HOUR, **changes: Any) -> Any:
    return {
        "order_id": None,
        "visitor_id": None,
        "kind": "impact_click_id",
        "value": value,
        "captured_at": at,
    } | changes


def exposure(visitor_id: str, at: datetime = NOON - HOUR) -> Any:
    return {
        "visitor_id": visitor_id,
        "experience_id": "e",
        "variation_id": "x",
        "bucketed_at": at,
    }


def create(url: str, rows: Rows) -> None:
    """Make the five tables of the contract; `store` is an extra column."""
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for name in EXTRACTS:
            extra = ("store",) if name == "completed_orders" else ()
            columns = [*contract_columns(name), *extra]
            typed = ", ".join(f"{one} {TYPES.get(one, 'text')}" for one in columns)
            connection.execute(sa.text(f"create table {name} ({typed})"))
            marks = ", ".join(f":{one}" for one in columns)
            for row in rows.get(name, []):
                full = dict.fromkeys(columns) | row
                insert = f"insert into {name} values ({marks})"
                connection.execute(sa.text(insert), full)
    engine.dispose()


@pytest.fixture(params=["duckdb", "postgresql"])
def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, on each kind in turn."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    path = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(path)).close()
    return f"duckdb:///{path}"


Values = Callable[[Rows, str, str], list[Any]]


@pytest.fixture
def values(warehouse_url: str) -> Values:
    """Gives one column of a statement over a warehouse with the named rows."""

    def read(rows: Rows, statement: str, column: str) -> list[Any]:
        create(warehouse_url, rows)
        frames = list(Warehouse(warehouse_url).frames(statement, START, END))
        return sorted(value for frame in frames for value in frame[column])

    return read


def test_the_window_holds_its_start_but_not_its_end(values: Values) -> None:
    orders = [
        order("before", START - timedelta(microseconds=1)),
        order("first", START),
        order("last", END - timedelta(microseconds=1)),
        order("after", END),
    ]
    found = values({"completed_orders": orders}, "completed_orders", "order_id")
    assert found == ["first", "last"]


def test_lines_are_those_of_the_windows_orders(values: Values) -> None:
    rows = {
        "completed_orders": [order("in"), order("in"), order("out", END)],
        "order_items": [{"order_id": "in"}, {"order_id": "out"}],
    }
    assert values(rows, "order_items", "order_id") == ["in"]


def test_identifiers_are_those_known_by_the_time_of_the_order(values: Values) -> None:
    rows = {
        "completed_orders": [order("in"), order("out", END)],
        "visitor_identifiers": [
            identifier("of the order", order_id="in"),
            identifier("of the visitor", visitor_id="v-in"),
            identifier("of both", order_id="in", visitor_id="v-in"),
            identifier("weeks ago", NOON - 700 * HOUR, visitor_id="v-in"),
            identifier("at once", NOON, visitor_id="v-in"),
            identifier("too late", NOON + HOUR, visitor_id="v-in"),
            identifier("other order", order_id="out", visitor_id="v-in"),
            identifier("other visitor", visitor_id="v-out"),
        ],
    }
    found = values(rows, "visitor_identifiers", "value")
    assert found == [
        "at once",
        "of both",
        "of the order",
        "of the visitor",
        "weeks ago",
    ]


def test_bucketing_is_looked_up_under_either_id_of_the_visitor(values: Values) -> None:
    convert = {"kind": "convert_visitor_id"}
    rows = {
        "completed_orders": [order("1"), order("2"), order("3")],
        "visitor_identifiers": [
            identifier("c-1", order_id="1", **convert),
            identifier("c-2", visitor_id="v-2", **convert),
            identifier("c-4", visitor_id="v-4", **convert),
        ],
        "visitor_bucketing": [
            *map(exposure, ["c-1", "c-2", "v-3", "c-4", "v-4"]),
            exposure("v-1", NOON + HOUR),
        ],
    }
    found = values(rows, "visitor_bucketing", "visitor_id")
    assert found == ["c-1", "c-2", "v-3"]


def test_segments_are_those_of_the_windows_visitors(values: Values) -> None:
    rows = {
        "completed_orders": [order("1"), order("2", END)],
        "visitor_segments": [
            {"visitor_id": "v-1", "browser": "CH", "captured_at": NOON - HOUR},
            {"visitor_id": "v-1", "browser": "late", "captured_at": NOON + HOUR},
            {"visitor_id": "v-2", "browser": "other", "captured_at": NOON - HOUR},
        ],
    }
    assert values(rows, "visitor_segments", "browser") == ["CH"]


def test_rows_come_in_frames_of_at_most_the_chunk(warehouse_url: str) -> None:
    create(warehouse_url, {"completed_orders": [order(str(n)) for n in range(5)]})
    warehouse = Warehouse(warehouse_url, chunk_rows=2)
    frames = list(warehouse.frames("completed_orders", START, END))
    assert [len(frame) for frame in frames] == [2, 2, 1]
    assert {str(kind) for frame in frames for kind in frame.dtypes} == {"object"}
    assert frames[0]["promo_code"].tolist() == [None, None]


def test_columns_are_returned_without_reading_rows(warehouse_url: str) -> None:
    create(warehouse_url, {})
    for name in EXTRACTS:
        given = Warehouse(warehouse_url).columns(name)
        assert set(contract_columns(name)) <= set(given)
    assert "store" in Warehouse(warehouse_url).columns("completed_orders")


def staged(staging: Staging) -> list[dict[str, Any]]:
    batches = staging.read("completed_orders", "2026-01-02")
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("wanted", "kept"),
    [({"store"}, '{"store": "east"}'), ({"total", "shop"}, None), (set(), None)],
)
def test_of_further_columns_only_those_that_are_sent_are_staged(
    warehouse_url: str, tmp_path: Path, wanted: set[str], kept: str | None
) -> None:
    create(warehouse_url, {"completed_orders": [order("1")]})
    staging = Staging(tmp_path / "staging")
    extract(
        Warehouse(warehouse_url),
        staging,
        "completed_orders",
        "2026-01-02",
        (START, END),
        extra_columns=frozenset(wanted),
        on_rejects=lambda rejects: pytest.fail(str(rejects)),
    )
    (row,) = staged(staging)
    assert row["extra"] == kept


def test_an_extract_stages_good_rows_and_hands_over_bad_ones(
    warehouse_url: str, tmp_path: Path
) -> None:
    orders = [order("1"), order("me@example.org"), order("2"), order("3", currency="?")]
    create(warehouse_url, {"completed_orders": orders})
    staging, rejects = Staging(tmp_path / "staging"), []
    result = extract(
        Warehouse(warehouse_url, chunk_rows=2),
        staging,
        "completed_orders",
        "2026-01-02",
        (START, END),
        on_rejects=rejects.extend,
    )
    rows = staged(staging)
    assert result == ExtractResult(rows=2, rejects=2)
    assert {row["order_id"] for row in rows} == {"1", "2"}
    assert sorted(reject.reasons for reject in rejects) == [
        ("pii_as_id",),
        ("unknown_currency",),
    ]
    assert len({reject.row_no for reject in rejects}) == 2


def test_naive_times_are_compared_in_the_source_timezone(
    warehouse_url: str, tmp_path: Path
) -> None:
    create(warehouse_url, {"completed_orders": [order("evening")]})
    statement = (
        "select * from (select o.*, cast('2026-01-01 20:00:00' as timestamp) as at_"
        " from completed_orders as o) as p"
        " where at_ >= :window_start and at_ < :window_end"
    )
    (tmp_path / "completed_orders.sql").write_text(statement)
    for zone, expected in (("America/New_York", 1), (None, 0)):
        warehouse = Warehouse(warehouse_url, extract_dir=tmp_path, source_timezone=zone)
        frames = list(warehouse.frames("completed_orders", START, END))
        assert sum(map(len, frames)) == expected


STATEMENT = ("completed_orders", START, END)


def failure(url: str, extract_dir: Path | None = None) -> str:
    with pytest.raises(WarehouseError) as caught:
        next(Warehouse(url, extract_dir=extract_dir).frames(*STATEMENT), None)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_a_missing_table_is_named(warehouse_url: str) -> None:
    text = failure(warehouse_url)
    assert "for completed_orders: expected table completed_orders" in text
    assert "extract_dir" in text


@pytest.mark.parametrize(
    ("content", "got"), [(None, "no such file"), (b"\xff", "UnicodeDecodeError")]
)
def test_a_statement_that_cannot_be_read_is_named_with_its_folder(
    tmp_path: Path, content: bytes | None, got: str
) -> None:
    if content is not None:
        (tmp_path / "completed_orders.sql").write_bytes(content)
    text = failure("duckdb://", tmp_path)
    assert f"expected completed_orders.sql as UTF-8 text in {tmp_path}, " in text
    assert f"got {got}. Put all five statements there" in text


def test_a_missing_contract_column_is_named(warehouse_url: str, tmp_path: Path) -> None:
    create(warehouse_url, {})
    columns = set(contract_columns("completed_orders")) - {"promo_code"}
    (tmp_path / "completed_orders.sql").write_text(
        f"select {', '.join(sorted(columns))} from completed_orders"
        " where completed_at between :window_start and :window_end"
    )
    text = failure(warehouse_url, tmp_path)
    assert "got none named promo_code. Select them in completed_orders.sql" in text


def test_a_column_that_the_statement_misspells_is_named(
    warehouse_url: str, tmp_path: Path
) -> None:
    create(warehouse_url, {})
    (tmp_path / "completed_orders.sql").write_text(
        "select revenu from completed_orders"
        " where completed_at between :window_start and :window_end"
    )
    assert "expected column revenu" in failure(warehouse_url, tmp_path)


def test_a_column_given_twice_is_named(warehouse_url: str, tmp_path: Path) -> None:
    create(warehouse_url, {})
    (tmp_path / "completed_orders.sql").write_text(
        "select *, order_id from completed_orders"
        " where completed_at between :window_start and :window_end"
    )
    assert "order_id repeatedly" in failure(warehouse_url, tmp_path)


EARLY = "timestamptz '0001-01-01 00:00:00+00'"
ENDINGS = {"plain": "", "semicolon": " ;\n", "comment": " -- the end"}
TAIL = """
    from completed_orders as o
    where o.completed_at >= :window_start and o.completed_at < :window_end
"""


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_duckdb_gives_instants_that_its_zone_cannot_show(
    tmp_path: Path, ending: str
) -> None:
    url = f"duckdb:///{tmp_path}/warehouse.duckdb"
    create(url, {"completed_orders": [order("1", promo_code=None)]})
    (tmp_path / "completed_orders.sql").write_text(
        f"select o.*, {EARLY} as early, [{EARLY}] as many, {{'at':{EARLY}}} as one, "
        f"cast(null as timestamptz) as never{TAIL}{ending}"
    )
    warehouse = Warehouse(url, extract_dir=tmp_path, source_timezone="America/New_York")
    (frame,) = warehouse.frames(*STATEMENT)
    (row,) = frame.to_dict("records")
    assert row["completed_at"] == NOON
    assert row["early"] == datetime(1, 1, 3, tzinfo=UTC)
    assert row["never"] is None
    assert "0001" in row["one"]


@pytest.mark.parametrize("ending", ["; -- the end", ";\n-- the end", ";;", " /* ; */;"])
def test_whatever_ends_a_statement_it_runs(tmp_path: Path, ending: str) -> None:
    url = f"duckdb:///{tmp_path}/warehouse.duckdb"
    create(url, {"completed_orders": [order("1", promo_code=None)]})
    (tmp_path / "completed_orders.sql").write_text(f"select o.*{TAIL}{ending}")
    warehouse = Warehouse(url, extract_dir=tmp_path, source_timezone="America/New_York")
    (frame,) = warehouse.frames(*STATEMENT)
    assert frame["completed_at"].tolist() == [NOON]


def test_duckdb_tells_columns_that_differ_by_zone_or_stand_twice(
    tmp_path: Path,
) -> None:
    url = f"duckdb:///{tmp_path}/warehouse.duckdb"
    create(url, {"completed_orders": [order("1")]})
    (tmp_path / "completed_orders.sql").write_text(f"select *, order_id{TAIL}")
    warehouse = Warehouse(url, extract_dir=tmp_path, source_timezone="America/New_York")
    with pytest.raises(WarehouseError, match="order_id repeatedly"):
        next(warehouse.frames(*STATEMENT))


SQLITE_TIMES = {
    "0001-01-01 00:00:00": "unreadable_completed_at",
    "0001-01-01T00:00:00+00:00": "placeholder_time",
    "9999-12-31T23:59:59-12:00": "unreadable_completed_at",
    "10000-01-01T00:00:00+00:00": "unreadable_completed_at",
    "infinity": "unreadable_completed_at",
}


@pytest.mark.parametrize("at", SQLITE_TIMES)
def test_a_bad_instant_of_sqlite_is_one_refused_row(tmp_path: Path, at: str) -> None:
    url = f"sqlite:///{tmp_path}/warehouse.db"
    create(url, {"completed_orders": [order("1"), order("2")]})
    (tmp_path / "completed_orders.sql").write_text(
        f"select o.*, case when order_id = '1' then '{at}' "
        "else '2026-01-02T12:00:00+00:00' end as at_ from completed_orders as o "
        "where :window_start < :window_end"
    )
    text = (tmp_path / "completed_orders.sql").read_text()
    columns = [*contract_columns("completed_orders")]
    named = ", ".join(
        "at_ as completed_at" if c == "completed_at" else c for c in columns
    )
    (tmp_path / "completed_orders.sql").write_text(f"select {named} from ({text}) as o")
    rejects: list[Any] = []
    result = extract(
        Warehouse(url, extract_dir=tmp_path, source_timezone="Asia/Tokyo"),
        Staging(tmp_path / "staging"),
        "completed_orders",
        "2026-01-02",
        (START, END),
        on_rejects=rejects.extend,
    )
    assert result == ExtractResult(rows=1, rejects=1)
    assert [one.reasons for one in rejects] == [(SQLITE_TIMES[at],)]


COLONS = """
-- :see the wiki
select o.*, 'web :shop' as channel, o.completed_at::date as "a :day",
    (array[1, 2, 3])[2:3] as some, $$it's :free$$ as dollars
from completed_orders as o /* :not this */
where o.completed_at >= :window_start::timestamptz and o.completed_at < :window_end
"""


def test_literal_colons_reach_the_warehouse(warehouse_url: str, tmp_path: Path) -> None:
    create(warehouse_url, {"completed_orders": [order("1"), order("2", END)]})
    (tmp_path / "completed_orders.sql").write_text(COLONS)
    (frame,) = Warehouse(warehouse_url, extract_dir=tmp_path).frames(*STATEMENT)
    found = frame[["order_id", "channel", "some", "dollars"]].to_dict("records")
    assert found == [
        {
            "order_id": "1",
            "channel": "web :shop",
            "some": [2, 3],
            "dollars": "it's :free",
        }
    ]
    assert "a :day" in frame.columns


def test_a_statement_the_warehouse_refuses_is_named(
    warehouse_url: str, tmp_path: Path
) -> None:
    (tmp_path / "completed_orders.sql").write_text(
        "selec 1 where :window_start < :window_end"
    )
    text = failure(warehouse_url, tmp_path)
    assert "Run completed_orders.sql by hand" in text


def test_no_duckdb_file_is_made_by_writing_to_one_that_is_missing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "missing.duckdb"
    warehouse = Warehouse(f"duckdb:///{path}")
    with (
        pytest.raises(WarehouseError, match="got no DuckDB file"),
        warehouse.write_engine(),
    ):
        pass
    assert not path.exists()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://reader:hush@127.0.0.1:9/shop",
        "duckdb:////nowhere/hush/shop.duckdb",
        "hush://reader@shop",
        "hush",
    ],
)
def test_an_unreachable_warehouse_does_not_give_its_address_away(url: str) -> None:
    text = failure(url)
    assert "warehouse_url" in text
    for secret in ("hush", "reader", "shop", "127.0.0.1", "nowhere"):
        assert secret not in text


def test_a_hashed_email_may_stand_for_the_sha1_column(
    warehouse_url: str, tmp_path: Path
) -> None:
    create(warehouse_url, {"completed_orders": [order("1")]})
    columns = set(contract_columns("completed_orders")) - {"customer_email_sha1"}
    (tmp_path / "completed_orders.sql").write_text(
        f"select {', '.join(sorted(columns))}, 'a@b.c' as customer_email"
        " from completed_orders where completed_at between :window_start and"
        " :window_end"
    )
    (frame,) = Warehouse(warehouse_url, extract_dir=tmp_path).frames(*STATEMENT)
    assert isinstance(frame, pd.DataFrame)
    assert frame["customer_email"].tolist() == ["a@b.c"]


PASSWORD = "S3cr@t:Pa55word"


def test_an_address_that_cannot_be_read_is_not_quoted() -> None:
    address = f"postgresql+psycopg://reader:{PASSWORD}@127.0.0.1/shop"
    warehouse = Warehouse(address)
    with pytest.raises(WarehouseError, match="percent-encoded") as refused:
        warehouse.columns("completed_orders")
    with pytest.raises(LedgerError, match="percent-encode a password") as broken:
        Database(address)
    for error in (refused.value, broken.value):
        shown = "".join(traceback.format_exception(error))
        assert "Pa55word" not in shown
        assert "S3cr" not in shown
