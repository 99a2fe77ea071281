"""An error of Dagster's history is reported as such, not as one of the ledger."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copy

import pytest
from click.testing import Result
from sqlalchemy.exc import OperationalError

from pipelines.runs import launch
from support.deployment import DAY, ROOT, Deployment, deployed

CLOSED = "postgresql+psycopg2://me:canary@127.0.0.1:1/x"
EXPORT = ("export", "--date", DAY.isoformat())


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.setattr("dagster_postgres.utils.time.sleep", lambda _seconds: None)
    monkeypatch.delenv("DAGSTER_POSTGRES_URL", raising=False)
    with deployed(tmp_path, orders_per_day=7) as deployment:
        monkeypatch.chdir(tmp_path)
        yield deployment


def attribution(shop: Deployment, home: Path, *words: str) -> Result:
    return shop.attribution(*words, DAGSTER_HOME=str(home))


def put(home: Path, text: str | None = None) -> Path:
    """Create a DAGSTER_HOME; without a text, with `deploy/dagster.yaml`."""
    home.mkdir()
    if text is None:
        copy(ROOT / "deploy/dagster.yaml", home)
    else:
        (home / "dagster.yaml").write_text(text)
    return home


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("text", "url", "cause"),
    [
        (None, CLOSED, "DagsterPostgresException"),
        (None, "", "DagsterInvalidConfigError"),
        (f"storage: {{postgres: {CLOSED}}}", CLOSED, "DagsterInvalidConfigError"),
        ("storage: [", "", "ParserError"),
        ("canary", "", "CheckError"),
    ],
    ids=["closed port", "variable not set", "wrong key", "no YAML", "no table"],
)
def test_a_history_that_cannot_be_used_is_reported_by_every_command(
    shop: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    text: str | None,
    url: str,
    cause: str,
) -> None:
    home = put(shop.folder / "home", text)
    if url:
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
    looked = attribution(shop, home, "check", "--offline")
    exported = attribution(shop, home, *EXPORT)
    for done, output in [(looked, looked.stdout), (exported, exported.stderr)]:
        assert isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == 2
        begin = f"Asking Dagster's history failed for {home}: expected a valid"
        assert (
            f"{begin} dagster.yaml and its database to answer, got {cause}." in output
        )
        assert "DAGSTER_POSTGRES_URL" in output
        assert "canary" not in done.stdout + done.stderr
    assert shop.rows() == {}


def test_an_error_of_the_history_during_a_run_is_reported(
    shop: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        statement = "insert into runs"
        raise OperationalError(statement, {}, Exception("database is locked"))

    monkeypatch.setattr(launch.dg.DagsterInstance, "create_run_for_job", broken)
    done = attribution(shop, shop.folder, *EXPORT)
    assert done.exit_code == 2
    assert done.stderr.startswith("Asking Dagster's history failed for ")
    assert "delivery tables" not in done.stderr


@pytest.mark.long
def test_a_history_on_sqlite_needs_no_package_for_postgresql() -> None:
    """The package is an optional dependency."""
    without = "import sys; sys.modules['dagster_postgres'] = None; "
    words = [sys.executable, "-c", without + "import pipelines.runs.launch"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
