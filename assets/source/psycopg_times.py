"""Reads every time of PostgreSQL without an error of the driver.

PostgreSQL has infinite times and years outside 1 to 9999. Python does not.
"""

from datetime import date, datetime
from typing import Any

from psycopg.abc import Buffer
from psycopg.adapt import Loader
from sqlalchemy import Connection


def load_times_as_text_on_error(connection: Connection) -> None:
    """Return a time that Python cannot hold as text, instead of raising an error."""
    connection.exec_driver_sql("set datestyle = 'ISO'")
    raw: Any = connection.connection.driver_connection
    for name in ("timestamptz", "timestamp"):
        raw.adapters.register_loader(name, _TimeLoader)
    raw.adapters.register_loader("date", _DateLoader)


class _TimeLoader(Loader):
    """Returns a time that Python cannot hold as text.

    `coercion.py` refuses such values row by row. An error of the driver would fail the
    whole day.
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
