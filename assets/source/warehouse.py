"""Streams the extract statements from the warehouse.

Connecting is in `connection.py`, the messages of errors in `errors.py`. What the rows
mean belongs in `validation`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

import sql
from assets.source.column_names import expected_names
from assets.source.connection import connect, open_engine
from assets.source.duckdb_times import within_calendar
from assets.source.errors import WarehouseError, check_contract, describe_error
from assets.source.padded_text import padded_columns, without_padding
from assets.source.parameters import bind_parameters
from assets.source.zone_rules import COMING, compare_zones

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Warehouse:
    """The database that holds orders, identifiers and bucketing.

    Args:
        url: SQLAlchemy URL. A DuckDB file is opened read-only.
        extract_dir: The deployment's own statements; None: the shipped ones.
        source_timezone: Time zone of naive columns, IANA name. None: there are none.
        partition_zone: Time zone of the partitions, compared with the warehouse's
            rules; None: it is not compared.
        chunk_rows: Most rows of one frame.
    """

    def __init__(
        self,
        url: str,
        *,
        extract_dir: Path | None = None,
        source_timezone: str | None = None,
        partition_zone: ZoneInfo | None = None,
        chunk_rows: int = 50_000,
    ) -> None:
        self._url = url
        self._extract_dir = extract_dir
        self._chunk_rows = chunk_rows
        self.zone = None if source_timezone is None else ZoneInfo(source_timezone)
        self._zones = [one for one in (self.zone, partition_zone) if one]
        self._compared: set[tuple[datetime, datetime]] = set()

    def frames(
        self,
        statement: str,
        window_start: datetime,
        window_end: datetime,
        extra_columns: frozenset[str] = frozenset(),
    ) -> Iterator[pd.DataFrame]:
        """Stream the rows of a statement.

        Args:
            statement: One of `schemas.EXTRACTS`.
            window_start: Aware instant, included.
            window_end: Aware instant, excluded.
            extra_columns: Columns beyond the contract, as they are to be spelled.

        Yields:
            Frames of at most `chunk_rows` rows; object columns, values as the driver
            gave them, but `char(n)` without its padding. Names are found in any case.
            Nothing for an empty window.

        Raises:
            WarehouseError: The statement does not exist or is refused, the warehouse
                does not answer, or a table or column is missing.
        """
        with self._result(statement, window_start, window_end) as result:
            names = expected_names(statement, list(result.keys()), extra_columns)
            check_contract(statement, names)
            padded = padded_columns(result)
            for chunk in result.partitions(self._chunk_rows):
                rows = without_padding(chunk, padded)
                yield pd.DataFrame(rows, columns=names, dtype=object)

    def columns(
        self, statement: str, extra_columns: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """Return the columns a statement gives, without reading any row.

        Args:
            statement: One of `schemas.EXTRACTS`.
            extra_columns: As for `frames`.

        Raises:
            WarehouseError: As `frames`, except for a missing column of the contract.
        """
        with self._result(statement, _EPOCH, _EPOCH) as result:
            return tuple(expected_names(statement, list(result.keys()), extra_columns))

    @contextmanager
    def write_engine(self) -> Iterator[sa.Engine]:
        """Yield an engine that may write: delivery tables are published for analysts.

        Raises:
            WarehouseError: It cannot be opened.
        """
        engine = open_engine(
            self._url, "Publishing failed for the warehouse", read_only=False
        )
        try:
            yield engine
        finally:
            engine.dispose()

    @contextmanager
    def _result(
        self, statement: str, start: datetime, end: datetime
    ) -> Iterator[sa.CursorResult[Any]]:
        text = self._text(statement)
        bound = bind_parameters(statement, text)
        failed = f"Extract failed for {statement}"
        engine = open_engine(self._url, failed, read_only=True)
        try:
            with (
                connect(
                    engine, failed, zone=self.zone, buffer_rows=self._chunk_rows
                ) as connection,
                connection.execute(
                    self._statement(connection, bound, (start, end)),
                    {"window_start": start, "window_end": end},
                ) as result,
            ):
                yield result
        except SQLAlchemyError as error:
            if type(getattr(error, "orig", None)).__name__ == "InterruptException":
                # DuckDB raises this if a signal arrives during a statement.
                raise KeyboardInterrupt from None
            # The driver's own text may hold the address, so it is not chained.
            raise WarehouseError(describe_error(statement, text, error)) from None
        except OverflowError:  # raised by DuckDB for a time that Python cannot hold
            message = (
                f"Extract failed for {statement}: expected times that have a year from "
                f"1 to 9999 in {self.zone}, got one at the end of the calendar. Select "
                f"null instead of such times in {statement}.sql."
            )
            raise WarehouseError(message) from None
        finally:
            engine.dispose()

    def check_zones(self) -> tuple[str, ...]:
        """Compare the rules of the zones in use over the coming year.

        Returns:
            The names of the zones.

        Raises:
            WarehouseError: The rules differ, or the warehouse does not answer.
        """
        failed = "Comparing time zones failed for the warehouse"
        engine = open_engine(self._url, failed, read_only=True)
        now = datetime.now(UTC)
        try:
            with connect(
                engine, failed, zone=self.zone, buffer_rows=self._chunk_rows
            ) as connection:
                compare_zones(connection, self._zones, [(now, now + COMING)])
        finally:
            engine.dispose()
        return tuple(dict.fromkeys(one.key for one in self._zones))

    def _compare_zones(
        self, connection: sa.Connection, window: tuple[datetime, datetime]
    ) -> None:
        # One comparison serves all statements of a day. An empty window asks for the
        # columns only.
        if window in self._compared or window[0] == window[1]:
            return
        now = datetime.now(UTC)
        compare_zones(connection, self._zones, [window, (now, now + COMING)])
        self._compared.add(window)

    def _statement(
        self, connection: sa.Connection, text: str, window: tuple[datetime, datetime]
    ) -> sa.Executable:
        self._compare_zones(connection, window)
        if connection.dialect.name != "duckdb" or self.zone is None:
            return sa.text(text)
        no_rows = {"window_start": _EPOCH, "window_end": _EPOCH}
        return within_calendar(connection, text, no_rows)

    def _text(self, statement: str) -> str:
        try:
            return sql.load(f"extract/{statement}", self._extract_dir)
        except (OSError, UnicodeDecodeError) as error:
            is_missing = isinstance(error, FileNotFoundError)
            got = "no such file" if is_missing else type(error).__name__
            message = (
                f"Extract failed for {statement}: expected {statement}.sql as UTF-8 "
                f"text in {self._extract_dir}, got {got}. Put all five statements "
                "there (docs/statements.md), or correct `extract_dir`."
            )
            raise WarehouseError(message) from None
