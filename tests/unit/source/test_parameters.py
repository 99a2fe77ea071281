"""Of the colons of a statement, only those of its parameters are parameters."""

import pytest
import sqlalchemy as sa

from assets.source.errors import WarehouseError
from assets.source.parameters import bind_parameters
from assets.validation.schemas import EXTRACTS

BOUNDS = "where at >= :window_start and at < :window_end"
LITERALS = {
    "line comment": "-- columns :see the wiki\nselect 1",
    "comment at the end": "select 1 -- as :see",
    "block comment": "/* see :see */ select 1",
    "nested comment": "/* a /* :b */ :c */ select 1",
    "text": "select 'web :shop'",
    "doubled quote": "select 'it''s :shop', 'x'",
    "text with backslash": "select 'a\\', ':b'",
    "escape text": r"select E'it\'s :shop', 'x'",
    "quoted identifier": 'select "a :b"',
    "backticks": "select `a :b`",
    "square brackets": "select [a :b]",
    "dollar text": "select $$a :b ' $$",
    "tagged dollar text": "select $x$ a $$ :b $x$",
    "cast": "select a::date, b :: date, (c)::int",
    "slice": "select a[:n], a[1:n], a[1 :n], a[:n:2]",
    "struct": "select {'a':is_test, 'b': {'c':d}}",
    "path": 'select payload:name, "p":name, f(x):name',
    "named argument": "select f(a := 1)",
    "a colon alone": "select a : b",
}


@pytest.mark.parametrize("text", LITERALS.values(), ids=LITERALS)
@pytest.mark.parametrize("statement", EXTRACTS)
def test_a_literal_colon_reaches_the_warehouse_as_it_is(
    statement: str, text: str
) -> None:
    text = f"{text}\n{BOUNDS}"
    bound = sa.text(bind_parameters(statement, text))
    assert set(bound.compile().params) == {"window_start", "window_end"}
    assert str(bound) == text


@pytest.mark.parametrize(
    "text",
    [
        "select :window_start::timestamptz, :window_end :: date",
        "select (:window_start), {'a': :window_end}",
        "select [:window_start, :window_end]",
        "select a[:window_start], {'a' :window_end}",
    ],
)
def test_the_parameters_are_bound_beside_other_colons(text: str) -> None:
    bound = sa.text(bind_parameters("order_items", text))
    assert set(bound.compile().params) == {"window_start", "window_end"}


def test_an_escaped_colon_is_a_literal_one() -> None:
    bound = sa.text(bind_parameters("order_items", r"select a \:see, 'b \:c'"))
    assert str(bound) == "select a :see, 'b :c'"


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        ("select 1\nwhere at < :window_stop", "window_stop", 2),
        ("select 1 where at<:Window_End", "Window_End", 1),
        ("/*\n:a\n*/\n\nselect :see", "see", 5),
        ("select :stop::date", "stop", 1),
        ("select '\n', :1", "1", 2),
        ("select a[(select :stop)]", "stop", 1),
    ],
)
@pytest.mark.parametrize("statement", EXTRACTS)
def test_an_unknown_parameter_is_named_with_its_line(
    statement: str, text: str, name: str, line: int
) -> None:
    with pytest.raises(WarehouseError) as refused:
        bind_parameters(statement, text)
    assert str(refused.value) == (
        f"Extract failed for {statement}: expected no parameters but :window_start and "
        f":window_end, got unknown parameter :{name} in {statement}.sql, line {line}. "
        "Correct its name; the parameters are :window_start and :window_end; a literal "
        "colon is written \\:."
    )


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("select 1", ":window_start and :window_end"),
        ("select 1 where at >= :window_start", ":window_end"),
        ("select 1 where at < :window_end", ":window_start"),
        ("select 1 -- :window_start :window_end", ":window_start and :window_end"),
        ("select ':window_start', :window_end", ":window_start"),
    ],
)
def test_the_orders_must_be_bounded_by_both_parameters(text: str, missing: str) -> None:
    with pytest.raises(WarehouseError, match=f"got one without {missing}\\. "):
        bind_parameters("completed_orders", text)
    assert bind_parameters("order_items", "select 1") == "select 1"
