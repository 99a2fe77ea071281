"""What Convert.com is told of a visitor: what was stored up to the order, and no more.

One day of a warehouse, an order per case, through the shipped statements, the join and
the provider, to the exact bytes. The rows are stored in both orders: none may decide.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from assets.deliveries import staged_chunks
from assets.ledger.database import Database
from assets.providers.conversion import Conversion
from assets.providers.convert.provider import Convert, ConvertSettings
from assets.providers.eligibility import Ineligible
from assets.resources import Source
from assets.source.warehouse import Warehouse
from assets.staging import Staging
from assets.validation.schemas import EXTRACTS, contract_columns
from support.postgres import new_database

KEY = "2026-01-02"
START = datetime(2026, 1, 2, tzinfo=UTC)
NOON = START + timedelta(hours=12)
END = START + timedelta(days=1)
HOUR = timedelta(hours=1)
NOW = timedelta()

PROVIDER = Convert(
    ConvertSettings(
        provider="convert",
        account_id="1",
        project_id="2",
        goal_id="3",
        currency="USD",
    )
)
EVENT = (
    '{{"eventType":"conversion","data":{{"goalId":"3","bucketingData":{bucketing},'
    '"goalData":[{{"key":"amount","value":10.00}},{{"key":"productsCount","value":1}},'
    '{{"key":"transactionId","value":"{order_id}"}}]}}}}'
)
BODY = (
    '{{"accountId":"1","projectId":"2","enrichData":true,"visitors":'
    '[{{"visitorId":"{visitor_id}",{segments}"events":[{event}]}}]}}'
)
Row = dict[str, Any]


def seen(
    experience: str, variation: str, ago: timedelta = HOUR, visitor: str = "own"
) -> Row:
    """An exposure so long before noon."""
    return {
        "visitor_id": visitor,
        "experience_id": experience,
        "variation_id": variation,
        "bucketed_at": NOON - ago,
    }


def known(value: str, ago: timedelta = HOUR, **owner: str) -> Row:
    """An id that Convert gave a visitor, stored so long before noon."""
    named: Row = {"order_id": None, "visitor_id": None, **owner}
    return named | {
        "kind": "convert_visitor_id",
        "value": value,
        "captured_at": NOON - ago,
    }


def of_segment(browser: str, ago: timedelta = HOUR, **more: str) -> Row:
    """Segments of a visitor, stored so long before noon."""
    return {
        "visitor_id": "own",
        "browser": browser,
        "captured_at": NOON - ago,
        **more,
    }


@dataclass(frozen=True)
class Case:
    """What is stored of one order and what Convert is told.

    In `rows` the words `own` and `order` stand for the order's visitor and id.

    Attributes:
        told: `bucketingData`, or the reason why nothing is told.
        by: The visitor that Convert is told.
    """

    told: str
    rows: list[Row] = field(default_factory=list)
    by: str | None = "own"
    visitor: str | None = "own"
    at: datetime = NOON
    segments: str = ""


CASES = {
    "one experience": Case('{"100":"x"}', [seen("100", "x")]),
    "no exposure": Case("no_bucketing"),
    "late exposure": Case("no_bucketing", [seen("100", "x", -HOUR)]),
    "exposure in the moment of the order": Case('{"100":"x"}', [seen("100", "x", NOW)]),
    "exposure weeks ago": Case('{"100":"x"}', [seen("100", "x", 900 * HOUR)]),
    "late exposure to another variation": Case(
        '{"100":"x"}', [seen("100", "x"), seen("100", "y", -HOUR)]
    ),
    "same variation twice": Case(
        '{"100":"x"}', [seen("100", "x"), seen("100", "x", 9 * HOUR)]
    ),
    "two variations": Case(
        "no_bucketing", [seen("100", "x"), seen("100", "y", 9 * HOUR)]
    ),
    "two variations in one moment": Case(
        "no_bucketing", [seen("100", "x"), seen("100", "y")]
    ),
    "two variations of one of two experiences": Case(
        '{"200":"z"}', [seen("100", "x"), seen("100", "y"), seen("200", "z")]
    ),
    "several experiences": Case(
        '{"100":"a","200":"b","30":"c"}',
        [seen("30", "c", NOW), seen("200", "b"), seen("100", "a", 9 * HOUR)],
    ),
    "exposure of another visitor": Case(
        "no_bucketing", [seen("100", "x", visitor="other visitor")]
    ),
    "missing visitor": Case("no_visitor_id", [seen("100", "x")], visitor=None),
    "missing visitor whom Convert knows": Case(
        '{"100":"x"}',
        [known("cv-1", order_id="order"), seen("100", "x", visitor="cv-1")],
        visitor=None,
        by="cv-1",
    ),
    "Convert's own id": Case(
        '{"100":"theirs"}',
        [
            known("cv-2", visitor_id="own"),
            seen("100", "ours"),
            seen("100", "theirs", visitor="cv-2"),
        ],
        by="cv-2",
    ),
    "Convert's own id, bucketed under ours": Case(
        "no_bucketing", [known("cv-3", visitor_id="own"), seen("100", "ours")]
    ),
    "Convert's own id, late": Case(
        '{"100":"ours"}',
        [
            known("cv-4", -HOUR, visitor_id="own"),
            seen("100", "ours"),
            seen("100", "theirs", visitor="cv-4"),
        ],
    ),
    "bound to the order, older": Case(
        '{"100":"bound"}',
        [
            known("cv-5 bound", 9 * HOUR, order_id="order"),
            known("cv-5 later", visitor_id="own"),
            seen("100", "bound", visitor="cv-5 bound"),
            seen("100", "later", visitor="cv-5 later"),
        ],
        by="cv-5 bound",
    ),
    "bound to the order, late": Case(
        '{"100":"visitor"}',
        [
            known("cv-6 bound", -HOUR, order_id="order"),
            known("cv-6", visitor_id="own"),
            seen("100", "bound", visitor="cv-6 bound"),
            seen("100", "visitor", visitor="cv-6"),
        ],
        by="cv-6",
    ),
    "bound to another order": Case(
        '{"100":"ours"}',
        [
            known("cv-7", order_id="another order", visitor_id="own"),
            seen("100", "ours"),
            seen("100", "theirs", visitor="cv-7"),
        ],
    ),
    "an id of another visitor": Case(
        '{"100":"ours"}',
        [
            known("cv-8", visitor_id="other visitor"),
            seen("100", "ours"),
            seen("100", "theirs", visitor="cv-8"),
        ],
    ),
    "the later of two ids": Case(
        '{"100":"later"}',
        [
            known("cv-9 z", 9 * HOUR, visitor_id="own"),
            known("cv-9 a", visitor_id="own"),
            seen("100", "first", visitor="cv-9 z"),
            seen("100", "later", visitor="cv-9 a"),
        ],
        by="cv-9 a",
    ),
    "two ids of one moment": Case(
        '{"100":"greater"}',
        [
            known("cv-10 a", visitor_id="own"),
            known("cv-10 b", visitor_id="own"),
            seen("100", "smaller", visitor="cv-10 a"),
            seen("100", "greater", visitor="cv-10 b"),
        ],
        by="cv-10 b",
    ),
    "two ids of one moment, both of the order": Case(
        '{"100":"greater"}',
        [
            known("cv-11 a", order_id="order"),
            known("cv-11 b", order_id="order"),
            seen("100", "smaller", visitor="cv-11 a"),
            seen("100", "greater", visitor="cv-11 b"),
        ],
        by="cv-11 b",
    ),
    "before the exposure": Case(
        "no_bucketing",
        [seen("100", "x", visitor="of two orders")],
        visitor="of two orders",
        at=NOON - 2 * HOUR,
    ),
    "after the exposure": Case(
        '{"100":"x"}', visitor="of two orders", by="of two orders"
    ),
    "an order id that is blank": Case(
        '{"100":"theirs"}',
        [
            known("cv-12", order_id=" ", visitor_id="own"),
            seen("100", "ours"),
            seen("100", "theirs", visitor="cv-12"),
        ],
        by="cv-12",
    ),
    "an order id that is a hard space": Case(
        '{"100":"theirs"}',
        [
            known("cv-12", order_id="\xa0", visitor_id="own"),
            seen("100", "ours"),
            seen("100", "theirs", visitor="cv-12"),
        ],
        by="cv-12",
    ),
    "an order id that is a tab": Case(
        '{"100":"theirs"}',
        [
            known("cv-12", order_id="\t", visitor_id="own"),
            seen("100", "ours"),
            seen("100", "theirs", visitor="cv-12"),
        ],
        by="cv-12",
    ),
    "bound to the order, of another visitor": Case(
        "unfit_identifier",
        [
            known("cv-13", order_id="order", visitor_id="other visitor"),
            seen("100", "ours"),
            seen("100", "theirs", visitor="cv-13"),
        ],
    ),
    "bound to the order and its visitor": Case(
        '{"100":"theirs"}',
        [
            known("cv-14", order_id="order", visitor_id="own"),
            seen("100", "theirs", visitor="cv-14"),
        ],
        by="cv-14",
    ),
    "the later of two ids is refused": Case(
        "unfit_identifier",
        [
            known("cv-15", 9 * HOUR, visitor_id="own"),
            known("jane@example.org", visitor_id="own"),
            seen("100", "x", visitor="cv-15"),
        ],
    ),
    "the earlier of two ids is refused": Case(
        '{"100":"x"}',
        [
            known("jane@example.org", 9 * HOUR, visitor_id="own"),
            known("cv-16", visitor_id="own"),
            seen("100", "x", visitor="cv-16"),
        ],
        by="cv-16",
    ),
    "the id stands for unknown": Case(
        '{"100":"x"}',
        [known("undefined", visitor_id="own"), seen("100", "x")],
    ),
    "no id of Convert is wanted of another kind": Case(
        '{"100":"x"}',
        [
            known("jane@example.org", visitor_id="own") | {"kind": "impact_click_id"},
            seen("100", "x"),
        ],
    ),
    "unknown variation": Case("no_bucketing", [seen("100", "x"), seen("100", " ")]),
    "unknown variation of one of two experiences": Case(
        '{"200":"z"}', [seen("100", "x"), seen("100", " "), seen("200", "z")]
    ),
    "unknown variation after the order": Case(
        '{"100":"x"}', [seen("100", "x"), seen("100", " ", -HOUR)]
    ),
    "another variation at an unknown time": Case(
        "no_bucketing",
        [
            seen("100", "x"),
            seen("100", "y") | {"bucketed_at": datetime(1970, 1, 1, tzinfo=UTC)},
        ],
    ),
    "the same variation at an unknown time": Case(
        '{"100":"x"}',
        [
            seen("100", "x"),
            seen("100", "x") | {"bucketed_at": datetime(1970, 1, 1, tzinfo=UTC)},
        ],
    ),
    "the latest segments": Case(
        '{"100":"x"}',
        [
            seen("100", "x"),
            of_segment("FF", 9 * HOUR),
            of_segment("CH"),
            of_segment("SF", -HOUR),
        ],
        segments='"segments":{"browser":"CH"},',
    ),
    "late segments": Case('{"100":"x"}', [seen("100", "x"), of_segment("SF", -HOUR)]),
    "segments of another visitor": Case(
        '{"100":"x"}',
        [seen("100", "x"), of_segment("CH", visitor_id="other visitor")],
    ),
    "segments under Convert's own id": Case(
        '{"100":"x"}',
        [
            known("cv-20", visitor_id="own"),
            seen("100", "x", visitor="cv-20"),
            of_segment("CH", 9 * HOUR, visitor_id="cv-20"),
            of_segment("FF", country="DE"),
        ],
        by="cv-20",
        segments='"segments":{"browser":"CH"},',
    ),
    "segments under the shop's id only": Case(
        '{"100":"x"}',
        [
            known("cv-21", visitor_id="own"),
            seen("100", "x", visitor="cv-21"),
            of_segment("FF"),
        ],
        by="cv-21",
        segments='"segments":{"browser":"FF"},',
    ),
    "late segments under Convert's own id": Case(
        '{"100":"x"}',
        [
            known("cv-22", visitor_id="own"),
            seen("100", "x", visitor="cv-22"),
            of_segment("CH", -HOUR, visitor_id="cv-22"),
            of_segment("FF"),
        ],
        by="cv-22",
        segments='"segments":{"browser":"FF"},',
    ),
    "segments of a visitor whom Convert knows as two": Case(
        '{"100":"x"}',
        [
            known("cv-23 a", 9 * HOUR, visitor_id="own"),
            known("cv-23 b", visitor_id="own"),
            seen("100", "x", visitor="cv-23 b"),
            of_segment("CH", visitor_id="cv-23 a"),
            of_segment("FF"),
        ],
        by="cv-23 b",
    ),
    "own segments of a visitor whom Convert knows as two": Case(
        '{"100":"x"}',
        [
            known("cv-24 a", 9 * HOUR, order_id="another order", visitor_id="own"),
            known("cv-24 b", order_id="order", visitor_id="own"),
            seen("100", "x", visitor="cv-24 b"),
            of_segment("CH", visitor_id="cv-24 a"),
            of_segment("IE", visitor_id="cv-24 b"),
        ],
        by="cv-24 b",
        segments='"segments":{"browser":"IE"},',
    ),
    "segments of a visitor whom Convert knows as another later": Case(
        '{"100":"x"}',
        [
            known("cv-25 a", visitor_id="own"),
            known("cv-25 b", -HOUR, visitor_id="own"),
            seen("100", "x", visitor="cv-25 a"),
            of_segment("FF"),
        ],
        by="cv-25 a",
        segments='"segments":{"browser":"FF"},',
    ),
    "two segments of one moment": Case(
        '{"100":"x"}',
        [
            seen("100", "x"),
            of_segment("CH", country="US"),
            of_segment("FF", country="DE"),
        ],
        segments='"segments":{"browser":"FF","country":"DE"},',
    ),
}


# The names are order ids too, and an order id holds no blank.
CASES = {name.replace(" ", "-"): case for name, case in CASES.items()}


def visitor_of(name: str, case: Case) -> str | None:
    return f"visitor of {name}" if case.visitor == "own" else case.visitor


def rows_of(name: str, case: Case) -> list[tuple[str, Row]]:
    """The rows of a case with the words filled in, each with its table."""
    words = {"own": f"visitor of {name}", "order": name}
    tables = {
        "bucketed_at": "visitor_bucketing",
        "kind": "visitor_identifiers",
        "browser": "visitor_segments",
    }
    return [
        (
            next(table for column, table in tables.items() if column in row),
            {column: words.get(value, value) for column, value in row.items()},
        )
        for row in case.rows
    ]


def stored() -> list[tuple[str, Row]]:
    """Every row of the day, each with its table."""
    found = []
    for name, case in CASES.items():
        order: Row = {
            "order_id": name,
            "completed_at": case.at,
            "visitor_id": visitor_of(name, case),
            "currency": "USD",
            **dict.fromkeys(("total", "revenue"), 10),
            **dict.fromkeys(("discount", "shipping", "tax"), 0),
            "tracking_consent": True,
            "is_test": False,
        }
        line: Row = {
            "order_id": name,
            "line_no": 1,
            "sku": "s-1",
            "quantity": 1,
            **dict.fromkeys(("unit_price", "subtotal"), 10),
            "discount": 0,
        }
        found += [("completed_orders", order), ("order_items", line)]
        found += rows_of(name, case)
    return found


TYPES = {
    **dict.fromkeys(("completed_at", "captured_at", "bucketed_at"), "timestamptz"),
    **dict.fromkeys(
        ("total", "revenue", "discount", "shipping", "tax", "unit_price", "subtotal"),
        "decimal(24, 6)",
    ),
    **dict.fromkeys(("tracking_consent", "is_test"), "boolean"),
    **dict.fromkeys(("line_no", "quantity"), "integer"),
}


def fill(url: str, rows: list[tuple[str, Row]]) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for name in EXTRACTS:
            columns = ", ".join(
                f"{one} {TYPES.get(one, 'text')}" for one in contract_columns(name)
            )
            connection.execute(sa.text(f"create table {name} ({columns})"))
        for table, row in rows:
            marks = ", ".join(f":{name}" for name in row)
            statement = f"insert into {table} ({', '.join(row)}) values ({marks})"
            connection.execute(sa.text(statement), row)
    engine.dispose()


@pytest.fixture(
    scope="module",
    params=[
        (kind, backwards)
        for kind in ("duckdb", "postgresql")
        for backwards in (False, True)
    ],
    ids=lambda param: param[0] + (", backwards" if param[1] else ""),
)
def conversions(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Conversion]]:
    """Every order of the day, joined."""
    kind, backwards = request.param
    folder = tmp_path_factory.mktemp("day")
    with ExitStack() as lent:
        url = f"duckdb:///{folder}/warehouse.db"
        if kind == "postgresql":
            server = request.getfixturevalue("postgres_server")
            url = lent.enter_context(new_database(server))
        fill(url, stored()[:: -1 if backwards else 1])
        yield joined(url, folder)


def joined(url: str, folder: Path) -> dict[str, Conversion]:
    """Extract and join the day."""
    database = Database(f"sqlite:///{folder}/ledger.db")
    database.migrate()
    staging = Staging(folder / "staging")
    source = Source(Warehouse(url), staging, database, clock=lambda: END)
    for statement in EXTRACTS:
        source.extractor.extract(statement, KEY, (START, END))
    source.joiner.join(KEY, "run")
    database.dispose()
    return {
        chunk.order_ids[index]: chunk.conversion(index)
        for chunk in staged_chunks(source, KEY)
        for index in range(len(chunk.order_ids))
    }


@pytest.mark.parametrize("name", CASES)
def test_a_visitor_is_reported_as_known_at_the_time_of_the_order(
    conversions: dict[str, Conversion], name: str
) -> None:
    case = CASES[name]
    conversion = conversions[name]
    withheld = PROVIDER.eligibility(conversion, END)
    if not case.told.startswith("{"):
        assert isinstance(withheld, Ineligible)
        assert (withheld.state, withheld.reason) == ("suppressed", case.told)
        return
    assert withheld is None
    said = BODY.format(
        visitor_id=f"visitor of {name}" if case.by == "own" else case.by,
        segments=case.segments,
        event=EVENT.format(bucketing=case.told, order_id=name),
    )
    assert PROVIDER.payload(conversion).decode() == said


def test_no_order_is_lost(conversions: dict[str, Conversion]) -> None:
    assert conversions.keys() == CASES.keys()


def test_experiences_that_contradict_themselves_are_kept_apart(
    conversions: dict[str, Conversion],
) -> None:
    found = {
        name: one.bucketing_conflicts
        for name, one in conversions.items()
        if one.bucketing_conflicts
    }
    assert found == {name: ("100",) for name in CASES if name.startswith("two-var")}
