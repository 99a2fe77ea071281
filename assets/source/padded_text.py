"""Reads text of type `char(n)` without the blanks that fill it up.

They belong to the type: PostgreSQL ignores them when it compares, and so must we.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

_BPCHAR = 1042
"""The object id of `char(n)` in PostgreSQL, the same in every server."""


def padded_columns(result: "sa.CursorResult[Any]") -> frozenset[int]:
    """Return the positions of the columns that the database fills up with blanks.

    Other databases either remove the blanks themselves or do not name the type.
    """
    cursor = result.cursor
    if result.dialect.name != "postgresql" or cursor is None:
        return frozenset()
    return frozenset(
        position
        for position, column in enumerate(cursor.description or ())
        if column[1] == _BPCHAR
    )


def without_padding(
    rows: Iterable[Sequence[Any]], padded: frozenset[int]
) -> list[Sequence[Any]]:
    """Return rows without the padding in the columns at the positions `padded`."""
    if not padded:
        return list(rows)
    return [
        [
            value.rstrip(" ") if n in padded and isinstance(value, str) else value
            for n, value in enumerate(row)
        ]
        for row in rows
    ]
