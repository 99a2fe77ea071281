"""The page of all rules about data: `docs/data-rules.md`.

This module only collects and prints the rules. They are defined in
`validation/coercion.py`, `validation/ids.py`, `validation/row_checks.py`,
`validation/chunk.py`, `validation/schemas.py`, `joining/conversion_checks.py`,
`joining/other_spellings.py`, `joining/repeated_orders.py` and `providers/rules.py`.
`make docs` writes the page.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandera.pandas as pap

from assets.joining.conversion_checks import ORPHAN, ORPHANS
from assets.joining.other_spellings import OTHER_SPELLING
from assets.joining.repeated_orders import SEVERAL_DAYS
from assets.ledger.quarantine import BLOCKING, REPEATED
from assets.providers.rules import DATA_ISSUES, QUARANTINED, SUPPRESSED, Rule
from assets.validation.chunk import EXTRA_REFUSALS
from assets.validation.coercion import READABLE, REFUSALS, UNREADABLE
from assets.validation.failures import MISSING, Failure
from assets.validation.id_table import id_table
from assets.validation.ids import Fold
from assets.validation.row_checks import columns_of
from assets.validation.schemas import (
    EXTRACTS,
    JOINED_ORDERS,
    arrow_schema,
    known_columns,
)

HEAD = """\
# Rules about data

This page lists every reason why a row, an order or a conversion is not sent as the
warehouse stores it. `make docs` writes the page from the rules in the code; do not edit
it. [Delivery tables](delivery-tables.md) explains the reasons.

A quarantined row stays in the table `quarantine_row` until a run of its partition no
longer finds it. All problems of a row are reported at once. Correct the row in the
warehouse, and the next run releases it. Nothing is repaired, with two exceptions that
are recorded as data issues: characters around an id that nobody sees are left out, and
a placeholder for an unknown value counts as no value.

`row_redacted` names each failing column with the expected and the actual value. A
number of at most nine digits, an instant, a flag and a code of three letters are shown
as they are. Of any other value, only the length and the kinds of characters are shown,
because shifted columns can put a name where a currency should be.

| effect | meaning |
|---|---|
| order quarantined | the order is sent to no destination |
| row quarantined | the row is ignored and its order is sent without it, unless the \
row may have been the one that counts: `unfit_identifier`, `unfit_exposure` |
| quarantined | the order is not sent to this destination, because its data is not fit |
| suppressed | the order is not sent to this destination, although its data is sound; \
every run decides again |
| data issue | the order is sent, or was sent already; the issue is recorded in \
`data_issue` |

After "quarantined", "suppressed" or "data issue", the last column names the providers
that have the rule. Without a name, all of them have it.
"""
ORDER_QUARANTINED = "order quarantined"
ROW_QUARANTINED = "row quarantined"
QUARANTINED_THERE = "quarantined"
SUPPRESSED_THERE = "suppressed"
DOUBTED = "data issue"


@dataclass(frozen=True, slots=True)
class Line:
    """One rule as the page shows it."""

    reason: str
    columns: tuple[str, ...]
    expected: str
    effect: str


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([HEAD, *_sections()])


def _sections() -> Iterator[str]:
    for name, schema in EXTRACTS.items():
        title = f"Rows of `{name}`"
        lines = [*_reading(schema), *_checks(schema), *_folds(schema)]
        yield _section(title, lines)
    yield id_table()
    yield _section("Orders with their lines, after the join", _joining())
    yield _section("Orders for one destination", _deciding())
    yield _section("Data issues", _doubting())


def _reading(schema: pap.DataFrameSchema) -> Iterator[Line]:
    name = str(schema.name)
    columns = known_columns(name)
    kinds = {field.name: field.type for field in arrow_schema(schema)}
    effect = _effect(name)
    required = tuple(one for one in columns if not schema.columns[one].nullable)
    yield Line("missing_<column>", required, MISSING, effect)
    for kind, readable in READABLE.items():
        own = tuple(one for one in columns if kinds[one] == kind)
        if own:
            yield Line(f"{UNREADABLE}_<column>", own, readable, effect)
        for reason, expected in REFUSALS.get(kind, {}).items():
            if own:
                yield Line(reason, own, expected, effect)
    if "extra" in schema.columns:
        for reason, expected in EXTRA_REFUSALS.items():
            yield Line(reason, ("`extra` columns that are sent",), expected, effect)


def _checks(schema: pap.DataFrameSchema) -> Iterator[Line]:
    effect = _effect(str(schema.name))
    found: dict[tuple[str, str], list[str]] = {}
    for held in (*schema.columns.values(), schema):
        for check in held.checks:
            rule = str(check.name), str(check.description)
            found.setdefault(rule, []).extend(columns_of(check, str(held.name)))
    for (reason, expected), columns in found.items():
        yield Line(reason, tuple(columns), expected, effect)


def _folds(schema: pap.DataFrameSchema) -> Iterator[Line]:
    found: dict[Fold, list[str]] = {}
    for name, column in schema.columns.items():
        for fold in column.metadata["folds"]:
            found.setdefault(fold, []).append(name)
    for fold, columns in found.items():
        yield Line(fold.code, tuple(columns), fold.expected, DOUBTED)


def _effect(table: str) -> str:
    return ORDER_QUARANTINED if table in BLOCKING else ROW_QUARANTINED


def _joining() -> Iterator[Line]:
    yield from _checks(JOINED_ORDERS)
    yield _failing(SEVERAL_DAYS, REPEATED, ORDER_QUARANTINED)
    yield _failing(OTHER_SPELLING, REPEATED, ORDER_QUARANTINED)
    yield _failing(ORPHAN, ORPHANS, ROW_QUARANTINED)


def _failing(failure: Failure, dataset: str, effect: str) -> Line:
    columns = tuple(f"{dataset}.{name}" for name in failure.columns)
    return Line(failure.reason, columns, failure.expected, effect)


def _deciding() -> Iterator[Line]:
    yield from _ruled(SUPPRESSED, SUPPRESSED_THERE)
    yield from _ruled(QUARANTINED, QUARANTINED_THERE)


def _doubting() -> Iterator[Line]:
    yield from _ruled(DATA_ISSUES, DOUBTED)


def _ruled(rules: Iterable[Rule], effect: str) -> Iterator[Line]:
    for rule in rules:
        where = f": {', '.join(rule.providers)}" if rule.providers else ""
        yield Line(rule.reason, rule.columns, rule.expected, effect + where)


def _section(title: str, lines: Iterable[Line]) -> str:
    head = [f"## {title}", "", "| reason | columns | expected | effect |"]
    rows = ["|---|---|---|---|", *map(_row, lines), ""]
    return "\n".join([*head, *rows])


def _row(line: Line) -> str:
    columns = ", ".join(line.columns)
    return f"| `{line.reason}` | {columns} | {line.expected} | {line.effect} |"


if __name__ == "__main__":
    sys.stdout.write(page())
