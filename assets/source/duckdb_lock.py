"""Waits for the lock of a DuckDB file.

DuckDB opens a file for one writing process, or for many reading ones. Runs that read
and publish at the same time wait for each other. Server databases have no such lock.
"""

import time
from typing import Any

import duckdb
import sqlalchemy as sa

LOCK_TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.1


def wait_for_file(engine: sa.Engine) -> None:
    """Make each connection of an engine wait until no other process holds the file.

    After a minute, the driver's error is raised.
    """

    @sa.event.listens_for(engine, "do_connect")
    def connect(
        dialect: sa.Dialect, _record: Any, cargs: list[Any], cparams: dict[str, Any]
    ) -> Any:
        deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
        while True:
            try:
                return dialect.connect(*cargs, **cparams)
            except duckdb.IOException as taken:
                if "lock" not in str(taken) or time.monotonic() >= deadline:
                    raise
            time.sleep(POLL_SECONDS)
