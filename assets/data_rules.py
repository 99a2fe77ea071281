"""The page of all rules about data: `docs/data-rules.md`.

Only gathers and prints: the rules stand in `coercion.py`, `row_checks.py`,
`schemas.py`, `judging.py`, `several_days.py` and `providers/rules.py`. `make docs`
writes the page.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandera.pandas as pap

from assets.joining.conversion_checks import ORPHAN, ORPHANS
from assets.joining.repeated_orders import SEVERAL_DAYS
from assets.ledger.quarantine import BLOCKING, REPEATED
from assets.providers.rules import DATA_ISSUES, QUARANTINED, SUPPRESSED, Rule
from assets.validation.chunk import EXTRA_REFUSALS
from assets.validation.coercion import READABLE, REFUSALS, UNREADABLE
from assets.validation.failures import MISSING, Failure
from assets.validation.row_checks import columns_of
from assets.validation.schemas import (
    EXTRACTS,
    JOINED_ORDERS,
    arrow_schema,
    contract_columns,
)

HEAD = """\
# Rules about data

Every reason for which a row, an order or a conversion is not sent as it is stored.
Written by `make docs` from the rules in the code: do not edit.

A quarantined row stands in `quarantine_row` until a run of its partition no longer
finds it; `row_redacted` names each failing column with what was expected and what is
there: a number of at most nine digits, an instant, a flag or a code of three letters as
it is, of all else only the length and the kinds of characters, because columns that are
shifted by one hold a name where a currency should stand. All that is wrong with a row
is told at once, and nothing is repaired: mended in the warehouse, it is released by the
next run.

| what happens | |
|---|---|
| quarantined: order | the whole order is held back from every destination |
| quarantined: row | the row counts for nothing; its order goes on without it, but for \
what it may have decided: `unfit_identifier`, `unfit_exposure` |
| withheld: quarantined | the order is held back from this destination |
| withheld: suppressed | the same, though it is sound; decided anew by every run |
| data issue | it is sent all the same, and kept in `data_issue` |
"""
ORDER_IS_HELD = "quarantined: order"
ROW_IS_HELD = "quarantined: row"
NOT_SENT = "withheld: quarantined"
SUPPRESSED_THERE = "withheld: suppressed"
DOUBTED = "data issue"


@dataclass(frozen=True, slots=True)
class Line:
    """One rule as the page shows it."""

    reason: str
    columns: tuple[str, ...]
    expected: str
    happens: str


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([HEAD, *_sections()])


def _sections() -> Iterator[str]:
    for name, schema in EXTRACTS.items():
        title = f"Rows of `{name}`"
        yield _section(title, [*_reading(schema), *_checks(schema)])
    yield _section("Orders with their lines, once joined", _joining())
    yield _section("Orders for one destination", _deciding())
    yield _section("Sent all the same", _doubting())


def _reading(schema: pap.DataFrameSchema) -> Iterator[Line]:
    name = str(schema.name)
    columns = contract_columns(name)
    kinds = {field.name: field.type for field in arrow_schema(schema)}
    happens = _happens(name)
    required = tuple(one for one in columns if not schema.columns[one].nullable)
    yield Line("missing_<column>", required, MISSING, happens)
    for kind, readable in READABLE.items():
        own = tuple(one for one in columns if kinds[one] == kind)
        if own:
            yield Line(f"{UNREADABLE}_<column>", own, readable, happens)
        for reason, expected in REFUSALS.get(kind, {}).items():
            if own:
                yield Line(reason, own, expected, happens)
    if "extra" in schema.columns:
        for reason, expected in EXTRA_REFUSALS.items():
            yield Line(reason, ("further columns that are sent",), expected, happens)


def _checks(schema: pap.DataFrameSchema) -> Iterator[Line]:
    happens = _happens(str(schema.name))
    found: dict[tuple[str, str], list[str]] = {}
    for held in (*schema.columns.values(), schema):
        for check in held.checks:
            rule = str(check.name), str(check.description)
            found.setdefault(rule, []).extend(columns_of(check, str(held.name)))
    for (reason, expected), columns in found.items():
        yield Line(reason, tuple(columns), expected, happens)


def _happens(table: str) -> str:
    return ORDER_IS_HELD if table in BLOCKING else ROW_IS_HELD


def _joining() -> Iterator[Line]:
    yield from _checks(JOINED_ORDERS)
    yield _failing(SEVERAL_DAYS, REPEATED, ORDER_IS_HELD)
    yield _failing(ORPHAN, ORPHANS, ROW_IS_HELD)


def _failing(failure: Failure, dataset: str, happens: str) -> Line:
    columns = tuple(f"{dataset}.{name}" for name in failure.columns)
    return Line(failure.reason, columns, failure.expected, happens)


def _deciding() -> Iterator[Line]:
    yield from _ruled(SUPPRESSED, SUPPRESSED_THERE)
    yield from _ruled(QUARANTINED, NOT_SENT)


def _doubting() -> Iterator[Line]:
    yield from _ruled(DATA_ISSUES, DOUBTED)


def _ruled(rules: Iterable[Rule], happens: str) -> Iterator[Line]:
    for rule in rules:
        where = f", at {', '.join(rule.providers)}" if rule.providers else ""
        yield Line(rule.reason, rule.columns, rule.expected, happens + where)


def _section(title: str, lines: Iterable[Line]) -> str:
    head = [f"## {title}", "", "| reason | columns | expected | what happens |"]
    rows = ["|---|---|---|---|", *map(_row, lines), ""]
    return "\n".join([*head, *rows])


def _row(line: Line) -> str:
    columns = ", ".join(line.columns)
    return f"| `{line.reason}` | {columns} | {line.expected} | {line.happens} |"


if __name__ == "__main__":
    sys.stdout.write(page())
