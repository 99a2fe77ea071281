"""Times of PostgreSQL, taken as they are.

Infinite ones, years before Christ and after 9999 exist there and not in Python.
"""

from datetime import date, datetime
from typing import Any

from psycopg.abc import Buffer
from psycopg.adapt import Loader
from sqlalchemy import Connection


def load_times_as_text_on_error(connection: Connection) -> None:
    """Let no time of a result be an error, however odd it is."""
    connection.exec_driver_sql("set datestyle = 'ISO'")
    raw: Any = connection.connection.driver_connection
    for name in ("timestamptz", "timestamp"):
        raw.adapters.register_loader(name, _TimeLoader)
    raw.adapters.register_loader("date", _DateLoader)


class _TimeLoader(Loader):
    """Hands out a time that Python cannot hold as text.

    `infinity` and years beyond 1 to 9999 are for `coercion.py` to refuse, row by row;
    as errors of the driver they would take the whole day with them.
    """

    read = staticmethod(datetime.fromisoformat)

    def load(self, data: Buffer) -> Any:
        text = bytes(data).decode()
        try:
            return self.read(text)
        except ValueError:
            return text


class _DateLoader(_TimeLoader):
    read = staticmethod(date.fromisoformat)  # type: ignore[assignment]
