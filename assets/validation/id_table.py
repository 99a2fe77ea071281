"""The table of `docs/data-rules.md` that shows what an odd spelling of an id does.

It is read from the schemas, so it cannot differ from what the code does.
"""

import pandera.pandas as pap

from assets.validation.ids import (
    NO_VALUE,
    NOBODY,
    PLACEHOLDER_VALUE,
    TRIMMED,
    TRIMMED_ID,
)
from assets.validation.row_checks import CLEAR_ID, CLEAR_ORDER_ID, NO_PLACEHOLDER
from assets.validation.schemas import EXTRACTS

HEAD = """\
## Spellings of ids

An id with characters that nobody sees is a second id once they are removed from the
warehouse, and the order would be reported twice. So an order id is never changed: it is
quarantined until it is clear. White space is that of Unicode. Invisible are control
characters, format characters (zero width, byte order marks, direction marks) and
letters that are shown as nothing. The sign for lost characters (U+FFFD) and characters
that Unicode does not assign make an order id, an identifier, an experience and a
variation unclear, wherever they stand. The padding of a PostgreSQL `char(n)` column is
no part of its value. For other databases, use `rtrim` in the statement: padding is
white space, too.

An order that an earlier version reported under an unclear id is not reported again
under the clear one: it is quarantined as `other_spelling`. Its delivery stays.

A line with an unclear id holds back the order of the clear one.

Capital and small letters are kept in all columns: there are ids that differ in nothing
else. The Unicode form (NFC, NFD, NFKC) is kept in all columns but order ids.

| column | around it | white space inside | invisible inside | not in the form NFKC | \
placeholder |
|---|---|---|---|---|---|"""


def id_table() -> str:
    """Return the section as Markdown."""
    rows = [
        f"| {statement}.{name} | {' | '.join(_cells(column))} |"
        for statement, schema in EXTRACTS.items()
        for name, column in schema.columns.items()
        if _is_id(column)
    ]
    return "\n".join([HEAD, *rows, ""])


def _is_id(column: pap.Column) -> bool:
    rules = {*column.checks, *column.metadata["folds"]}
    return bool(rules & {CLEAR_ORDER_ID, CLEAR_ID, TRIMMED, NO_VALUE})


def _cells(column: pap.Column) -> list[str]:
    folds, checks = column.metadata["folds"], column.checks
    unclear = f"quarantined: `{CLEAR_ORDER_ID.name}`"
    if TRIMMED in folds:
        around = f"left out: `{TRIMMED_ID}`"
    else:
        around = unclear if CLEAR_ORDER_ID in checks else "kept"
    inside = unclear if CLEAR_ORDER_ID in checks else "kept"
    invisible = unclear if {CLEAR_ORDER_ID, CLEAR_ID} & set(checks) else "kept"
    placeholder = "kept"
    if NO_PLACEHOLDER in checks:
        placeholder = f"quarantined: `{NO_PLACEHOLDER.name}`"
    elif {NOBODY, NO_VALUE} & set(folds):
        placeholder = f"no value: `{PLACEHOLDER_VALUE}`"
    return [around, inside, invisible, inside, placeholder]
