"""Reads every time of DuckDB without an error of the driver.

The driver shows an instant in the time zone of the session. On the first and the last
day of Python's calendar there may be no such local time; the driver then fails the
whole result. `psycopg_times.py` does the same for PostgreSQL.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

_TYPE = "TIMESTAMP WITH TIME ZONE"
_MARGIN = timedelta(days=2)
"""More than any offset from UTC."""
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


def within_calendar(
    connection: sa.Connection, text: str, parameters: dict[str, datetime]
) -> sa.Executable:
    """Return a statement whose instants Python can hold in every time zone.

    Instants of the first and last two days of the calendar are moved by two days.
    Validation refuses all of them, before and after: no order is that old or new.

    Args:
        connection: To DuckDB.
        text: The statement, with literal colons escaped.
        parameters: Bounds for which the statement is cheap. Only the types of its
            columns are read.
    """
    plain = sa.text(text)
    columns = _types(connection, plain, parameters)
    names = [name for name, _ in columns]
    if not any(_TYPE in kind for _, kind in columns) or len(set(names)) < len(names):
        return plain
    # A line comment at the end would hide the parenthesis.
    inner = sa.text(text.rstrip().removesuffix(";") + "\n")
    given = inner.columns(*map(_quoted, names)).subquery("statement")
    wrapped = sa.select(
        *(_readable(given.c[name], kind).label(name) for name, kind in columns)
    )
    try:
        _types(connection, wrapped, parameters)
    except SQLAlchemyError:  # not a statement that can stand in parentheses
        # DuckDB refuses everything else in a transaction that has failed.
        connection.rollback()
        return plain
    return wrapped


def _types(
    connection: sa.Connection, statement: sa.Executable, parameters: dict[str, datetime]
) -> list[tuple[str, str]]:
    with connection.execute(statement, parameters) as result:
        cursor: Any = result.cursor
        return [(str(one[0]), str(one[1])) for one in cursor.description]


def _quoted(name: str) -> sa.ColumnClause[Any]:
    return sa.column(sa.quoted_name(name, quote=True))


def _readable(column: sa.ColumnElement[Any], kind: str) -> sa.ColumnElement[Any]:
    if kind == _TYPE:
        first, last = _FIRST + _MARGIN, _LAST - _MARGIN
        # Infinite times and other years are given as they are: the driver reads them.
        return sa.case(
            (sa.and_(column >= _FIRST, column < first), first),
            (sa.and_(column <= _LAST, column > last), last),
            else_=column,
        )
    if _TYPE in kind:  # inside a list or a struct
        return sa.cast(column, sa.Text)
    return column
