"""The demo's folder: one demo at a time; a new demo replaces the last one.

A new demo deletes all of `var/demo`: the warehouse, the delivery tables, the staged
files, the outbox, the sandbox's journal and port, and the history of runs. Before that
it checks that a demo made everything in the folder and that no other program uses it.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

import duckdb

from assets.ledger.publishing import SCHEMA
from assets.providers.settings import LOOPBACK_HOSTS
from assets.validation.schemas import EXTRACTS
from pipelines.build import open_destination
from pipelines.configuration.config import Config, ConfigError
from pipelines.configuration.sandbox_port import DEMO_FOLDER, RECORD
from pipelines.demo.orders import ORDER_ID

FOLDER = DEMO_FOLDER
HOME = FOLDER / "dagster"
WAREHOUSE = FOLDER / "warehouse.duckdb"
JOURNAL = FOLDER / "sandbox.jsonl"
_LEDGER = FOLDER / "ledger.db"
_STAGING = FOLDER / "staging"
_LOCK = FOLDER.with_name("demo.lock")
_NEXT, _LAST = FOLDER.with_name(".demo.next"), FOLDER.with_name(".demo.last")


@contextmanager
def only_demo() -> Iterator[int]:
    """Keep other demos out of the folder.

    Yields:
        A file descriptor. The folder is kept as long as any process has it open.

    Raises:
        ConfigError: Another demo uses the folder.
    """
    _LOCK.parent.mkdir(parents=True, exist_ok=True)
    with _LOCK.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            message = (
                f"Starting the demo failed for {FOLDER}: expected no other demo there, "
                f"got one at work (process {lock.read().strip()}). Nothing was "
                "deleted. End that one first; `attribution demo --ui` ends on Ctrl-C."
            )
            raise ConfigError(message) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield lock.fileno()


def replace(config: Config, make: Callable[[Path], None]) -> None:
    """Replace the folder by a new one once the new one is complete.

    Args:
        config: The demo's.
        make: Fills the new folder.

    Raises:
        ConfigError: The last one must stay; nothing was deleted.
    """
    _ensure_removable(config)
    for unfinished in (_NEXT, _LAST):
        if unfinished.exists():  # a demo was killed meanwhile
            rmtree(unfinished)
    _NEXT.mkdir(parents=True)
    make(_NEXT)
    _ensure_removable(config)  # again, for that took a while
    if FOLDER.exists():
        FOLDER.rename(_LAST)
    _NEXT.rename(FOLDER)
    if _LAST.exists():
        rmtree(_LAST)


def _ensure_removable(config: Config) -> None:
    """Raise unless a demo made all that is in the folder, and no program uses it."""
    if FOLDER.is_symlink() or (FOLDER.exists() and not FOLDER.is_dir()):
        raise _refused(FOLDER, "a folder of its own", "a link or a file")
    if not FOLDER.exists():
        return
    _ensure_names(config)
    _ensure_unused()
    _ensure_warehouse()
    _ensure_ledger(config)


def _ensure_names(config: Config) -> None:
    made = {path.name for path in (WAREHOUSE, _LEDGER, JOURNAL, RECORD, HOME, _STAGING)}
    made |= {f"{_LEDGER.name}-{end}" for end in ("wal", "shm", "journal")}
    made |= {f"{WAREHOUSE.name}.{end}" for end in ("wal", "tmp")}
    made |= {f".{WAREHOUSE.name}.new", f".{RECORD.name}.new"}
    made |= {f".{name}.lock" for name in config.destinations}
    outbox = _STAGING / "outbox"
    known = {FOLDER / name for name in made}
    known |= {outbox / name for name in config.destinations}
    for folder in (FOLDER, outbox):
        for path in sorted(folder.iterdir()) if folder.exists() else ():
            if path not in known:
                raise _refused(path, "what a demo makes", "something else")


def _ensure_unused() -> None:
    if others := _processes_in(FOLDER):
        raise _refused(
            FOLDER,
            "no program to use it",
            f"open files of process {', '.join(map(str, others))}",
            "End it",
        )


def _processes_in(folder: Path) -> list[int]:
    """Return the other processes with an open file in a folder, on Linux."""
    start = f"{folder.resolve()}/"
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            opened = str(link.readlink())
        except OSError:  # another user's, or closed by now
            continue
        if opened.startswith(start):
            found.add(int(link.parts[2]))
    return sorted(found - {os.getpid()})


def _ensure_warehouse() -> None:
    if not WAREHOUSE.exists():
        return
    try:
        with duckdb.connect(str(WAREHOUSE), read_only=True) as warehouse:
            tables = warehouse.execute(
                "select table_name from information_schema.tables "
                "where table_schema <> ?",
                [SCHEMA],
            ).fetchall()
            others = {name for (name,) in tables} - set(EXTRACTS)
            orders = warehouse.execute(
                "select count(*) from completed_orders "
                "where not regexp_full_match(order_id, ?)",
                [ORDER_ID],
            ).fetchone()
    except duckdb.Error as wrong:
        got = f"a file that cannot be read ({type(wrong).__name__})"
        raise _refused(WAREHOUSE, "the demo's warehouse", got) from None
    if others:
        got = f"tables {', '.join(sorted(others))}"
        raise _refused(WAREHOUSE, "the demo's tables only", got)
    if orders and orders[0]:
        raise _refused(WAREHOUSE, "the demo's orders only", f"{orders[0]} others")


def _ensure_ledger(config: Config) -> None:
    """If it holds real orders, they would be reported again once it is deleted."""
    if not _LEDGER.exists():
        return
    address = f"{_LEDGER.absolute().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True)) as ledger:
            if not _all(ledger, "select name from sqlite_master"):
                return
            hosts = _all(ledger, "select distinct host from delivery_attempt")
            runs = _all(ledger, "select distinct destination, account from export_run")
    except sqlite3.Error as wrong:
        got = f"a file that cannot be read ({type(wrong).__name__})"
        raise _refused(_LEDGER, "the demo's delivery tables", got) from None
    if others := {host for (host,) in hosts} - {None, "", *LOOPBACK_HOSTS}:
        got = f"requests to {', '.join(sorted(others))}"
        raise _refused(_LEDGER, "requests to the sandbox only", got)
    for name, account in runs:
        if name not in config.destinations or _is_other_outbox(config, name, account):
            got = f"runs of another one named {name}"
            raise _refused(_LEDGER, "runs of the demo's destinations only", got)


def _all(ledger: sqlite3.Connection, statement: str) -> list[Any]:
    return ledger.execute(statement).fetchall()


def _is_other_outbox(config: Config, name: str, account: str | None) -> bool:
    """Tell whether outbox files are for another account; they show no address."""
    destination = open_destination(config, name)
    return (
        destination.provider.channel != "http"
        and account is not None
        and account != destination.account
    )


def _refused(
    path: Path, expected: str, got: str, action: str = "Move it to another place"
) -> ConfigError:
    return ConfigError(
        f"Starting a fresh demo failed for {path}: expected {expected}, got {got}. "
        f"Nothing was deleted. {action}, then start the demo again."
    )
