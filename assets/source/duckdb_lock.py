"""A DuckDB file is open for one writing process, or for many reading ones.

Days that are exported side by side read and publish in turns: who finds the file taken
waits. Servers keep no such lock; nothing of this concerns them.
"""

import time
from typing import Any

import duckdb
import sqlalchemy as sa

LOCK_TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.1


def wait_for_file(engine: sa.Engine) -> None:
    """Let each connection of an engine wait until no other process holds the file.

    After a minute the driver's error is raised as it is.
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
