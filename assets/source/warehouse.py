"""Streams the extract statements from the warehouse, whatever its dialect.

Connecting, streaming and errors that do not give the address away belong here. What
the rows mean belongs in `validation.py`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

import sql
from assets.source.duckdb_lock import wait_for_file
from assets.source.psycopg_times import load_times_as_text_on_error
from assets.validation.schemas import contract_columns

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MISSING_OBJECT = re.compile(
    r"(?:(?P<kind>relation|table|column)(?: with name)?"
    r"|no such (?P<what>table|column):)"
    r' "?(?P<name>\w[\w.]*)"?',
    re.IGNORECASE,
)

_DENIED = re.compile(
    r"permission denied for (?P<kind>relation|table|view|column|schema|database)"
    r' "?(?P<name>\w[\w.]*)"?',
    re.IGNORECASE,
)


class WarehouseError(Exception):
    """A statement gave no usable rows; the message says what to do. No address."""


class Warehouse:
    """The database that holds orders, identifiers and bucketing.

    Args:
        url: SQLAlchemy address. DuckDB is opened read-only.
        extract_dir: A deployment's own statements; None: the shipped ones.
        source_timezone: Zone of naive columns, IANA name. None: there are none.
        chunk_rows: Rows of one frame at most.
    """

    def __init__(
        self,
        url: str,
        *,
        extract_dir: Path | None = None,
        source_timezone: str | None = None,
        chunk_rows: int = 50_000,
    ) -> None:
        self._url = url
        self._extract_dir = extract_dir
        self._chunk_rows = chunk_rows
        self.zone = None if source_timezone is None else ZoneInfo(source_timezone)

    def frames(
        self, statement: str, window_start: datetime, window_end: datetime
    ) -> Iterator[pd.DataFrame]:
        """Stream the rows of a statement.

        Args:
            statement: One of `schemas.EXTRACTS`.
            window_start: Aware instant, included.
            window_end: Aware instant, excluded.

        Yields:
            Frames of at most `chunk_rows` rows; object columns, values as the driver
            gave them. Nothing for an empty window.

        Raises:
            WarehouseError: There is no such statement, the warehouse does not answer,
                a table or column is missing, or the statement is refused.
        """
        with self._result(statement, window_start, window_end) as result:
            names = list(result.keys())
            _check_contract(statement, names)
            for rows in result.partitions(self._chunk_rows):
                yield pd.DataFrame(list(rows), columns=names, dtype=object)

    def columns(self, statement: str) -> tuple[str, ...]:
        """Return the columns a statement gives, without reading any row.

        Raises:
            WarehouseError: As `frames`, but a missing contract column is no error.
        """
        with self._result(statement, _EPOCH, _EPOCH) as result:
            return tuple(result.keys())

    @contextmanager
    def write_engine(self) -> Iterator[sa.Engine]:
        """Lend an engine that may write, for what is published for analysts.

        Raises:
            WarehouseError: It cannot be opened.
        """
        engine = self._engine("Publishing failed for the warehouse", read_only=False)
        try:
            yield engine
        finally:
            engine.dispose()

    @contextmanager
    def _result(
        self, statement: str, start: datetime, end: datetime
    ) -> Iterator[sa.CursorResult[Any]]:
        text = self._text(statement)
        engine = self._engine(f"Extract failed for {statement}", read_only=True)
        try:
            with (
                self._connect(engine, statement) as connection,
                connection.execute(
                    sa.text(text), {"window_start": start, "window_end": end}
                ) as result,
            ):
                yield result
        except SQLAlchemyError as error:
            if type(getattr(error, "orig", None)).__name__ == "InterruptException":
                # DuckDB's word for a signal that came while it worked.
                raise KeyboardInterrupt from None
            # The driver's own text may hold the address, so it is not chained.
            raise WarehouseError(_statement_error(statement, text, error)) from None
        except OverflowError:  # DuckDB, which has no other way to hand a time out
            message = (
                f"Extract failed for {statement}: expected times that have a year from "
                f"1 to 9999 in {self.zone}, got one at the end of the calendar. Select "
                f"null instead of such times in {statement}.sql."
            )
            raise WarehouseError(message) from None
        finally:
            engine.dispose()

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

    def _engine(self, failed: str, *, read_only: bool) -> sa.Engine:
        try:
            url = sa.make_url(self._url)
            is_duckdb = url.get_backend_name() == "duckdb"
            options = {"read_only": True} if is_duckdb and read_only else {}
            engine = sa.create_engine(url, connect_args=options, poolclass=NullPool)
        # ValueError: a password with `:` or `@`, which its text would quote.
        except (ArgumentError, ImportError, ValueError):
            message = (
                f"{failed}: expected the address of a database whose driver is "
                "installed, got one that SQLAlchemy cannot open. Correct "
                "`warehouse_url` (a password with @, : or / is written "
                "percent-encoded), or install the driver it names."
            )
            raise WarehouseError(message) from None
        if is_duckdb and not read_only and _is_missing_file(url.database):
            # DuckDB would make an empty warehouse there.
            message = (
                f"{failed}: expected a warehouse that answers, got no DuckDB file. "
                "Check `warehouse_url`."
            )
            raise WarehouseError(message)
        if is_duckdb:
            wait_for_file(engine)
        return engine

    def _connect(self, engine: sa.Engine, statement: str) -> sa.Connection:
        try:
            connection = engine.connect()
        except SQLAlchemyError as error:
            cause = type(getattr(error, "orig", None) or error).__name__
            message = (
                f"Extract failed for {statement}: expected a warehouse that answers, "
                f"got {cause} on connecting. Check `warehouse_url`, the network and "
                "the credentials; for DuckDB, that the file exists and that no other "
                "process has it open for writing."
            )
            raise WarehouseError(message) from None
        if engine.dialect.name in {"duckdb", "postgresql"}:
            # Naive columns are compared with the window in this zone.
            connection.exec_driver_sql(f"set timezone = '{self.zone or 'UTC'}'")
        if engine.driver == "psycopg":
            load_times_as_text_on_error(connection)
        return connection.execution_options(
            stream_results=True, max_row_buffer=self._chunk_rows
        )


def _is_missing_file(database: str | None) -> bool:
    is_file = bool(database) and ":" not in str(database)  # :memory:, md:...
    return is_file and not Path(str(database)).is_file()


def _check_contract(statement: str, names: list[str]) -> None:
    given = set(names)
    if "customer_email" in {name.lower() for name in given}:
        given.add("customer_email_sha1")
    missing = [name for name in contract_columns(statement) if name not in given]
    if missing:
        message = (
            f"Extract failed for {statement}: expected the columns of the contract, "
            f"got none named {', '.join(missing)}. Select them in {statement}.sql, "
            "as null where the warehouse has no such fact."
        )
        raise WarehouseError(message)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        message = (
            f"Extract failed for {statement}: expected each column once, got "
            f"{', '.join(repeated)} repeatedly. Name each one alone in {statement}.sql."
        )
        raise WarehouseError(message)


def _statement_error(statement: str, text: str, error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None) or error
    text_of_error = str(cause).partition("\n")[0]
    denied = _DENIED.search(text_of_error)
    if denied:
        what = f"{denied['kind'].lower()} {denied['name']}"
        return (
            f"Extract failed for {statement}: expected to be allowed to read {what} of "
            f"the warehouse, got permission denied. Let the user of `warehouse_url` "
            f"read it, then re-run the partition."
        )
    found = _MISSING_OBJECT.search(text_of_error)
    if found and re.search(rf"\b{re.escape(found['name'])}\b", text):
        kind = (found["kind"] or found["what"]).lower().replace("relation", "table")
        return (
            f"Extract failed for {statement}: expected {kind} {found['name']} in the "
            f"warehouse, got none. Create it, let the user of `warehouse_url` use its "
            f"schema, or point `extract_dir` at a folder whose {statement}.sql reads "
            "the tables you have."
        )
    return (
        f"Extract failed for {statement}: expected a statement that the warehouse "
        f"runs, got {type(cause).__name__}. Run {statement}.sql by hand to see its "
        "error, then re-run the partition."
    )
