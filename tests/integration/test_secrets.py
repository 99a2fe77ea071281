"""Nothing that is kept or printed holds a secret or a customer's e-mail address.

Recognisable values are planted in every place where a secret or an address may stand;
after runs that go well and badly, everything that was written is searched for them.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from deployment import DAY, ORDERS, SECRETS, Deployment, deployed, without_patience
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from pipelines.cli import app

EMAIL = "Jane.Canary@Example.org"
PASSWORDS = ("canary-ledger-password", "canary-warehouse-password")
PAIR = f"{SECRETS['IMPACT_SID']}:{SECRETS['IMPACT_TOKEN']}"
CREDENTIALS = base64.b64encode(PAIR.encode()).decode()
CANARIES = (
    *SECRETS.values(),
    *PASSWORDS,
    CREDENTIALS,
    *(EMAIL, EMAIL.lower(), quote(EMAIL), quote(EMAIL.lower())),
)

# Replies that say again what was sent, as a provider's error page may.
ECHOES = (
    f"impact:status=400 bad Authorization Basic {CREDENTIALS}, {PAIR}~[0-2]$",
    f"impact:error_in_200=unknown token {SECRETS['IMPACT_TOKEN']}~[34]$",
    f"trackdesk/demo:status=400 x-api-key {SECRETS['TRACKDESK_KEY']} is odd~[0-4]$",
    f"trackdesk/demo:status=503 {SECRETS['TRACKDESK_KEY']}~[5-7]$",
    "trackdesk/bumpy:status=401 unauthorized~.",
    f"convert:status=400 {SECRETS['CONVERT_KEY']} {SECRETS['CONVERT_SECRET']}~.",
)
THEIRS = {"warehouse.db", "journal.jsonl"}
"""The shop's own data and the sandbox's memory: no product of a run."""


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> Iterator[Deployment]:
    """Raw addresses in the warehouse, a password in the address of the ledger."""
    without_patience(monkeypatch)
    monkeypatch.chdir(tmp_path)
    ledger = postgres_url.replace("tester@", f"tester:{PASSWORDS[0]}@")
    environ = {"LEDGER": ledger}
    with deployed(tmp_path, faults=ECHOES, environ=environ) as deployment:
        for change in (
            "alter table completed_orders drop column customer_email_sha1",
            "alter table completed_orders add column customer_email varchar",
            f"update completed_orders set customer_email = ' {EMAIL} '",
        ):
            deployment.warehouse(change)
        yield deployment


def ledger_dump(url: str) -> str:
    """Every row of every table and view, as text."""
    engine = create_engine(url)
    names = (
        "select quote_ident(table_name) from information_schema.tables"
        " where table_schema = 'public'"
    )
    with engine.connect() as connection:
        tables = connection.execute(text(names)).scalars().all()
        rows = [
            row
            for table in tables
            for row in connection.execute(text(f"select t::text from {table} t"))
        ]
    engine.dispose()
    return "\n".join(str(row) for row in rows)


def kept(folder: Path) -> Iterator[tuple[str, str]]:
    """Everything below `folder` that runs have written: name and content."""
    for path in folder.rglob("*"):
        if not path.is_file() or path.name in THEIRS:
            continue
        if path.suffix == ".parquet":
            yield str(path), str(pq.read_table(path).to_pylist())
        else:
            yield str(path), path.read_bytes().decode(errors="replace")


def test_no_secret_and_no_address_is_kept_or_printed(
    shop: Deployment, capfd: pytest.CaptureFixture[str]
) -> None:
    printed = []
    for words in (
        ["check"],
        ["export", "--date", str(DAY), "--dry-run"],
        ["export", "--date", str(DAY)],
        ["export", "--date", str(DAY)],
        ["status"],
        ["status", "--json"],
    ):
        done = CliRunner().invoke(app, words, env=shop.command_environ())
        assert done.exception is None or isinstance(done.exception, SystemExit)
        printed += [done.stdout, done.stderr]
    unreachable = f"postgresql+psycopg://me:{PASSWORDS[1]}@127.0.0.1:1/shop"
    environ = shop.command_environ() | {"WAREHOUSE": unreachable}
    for words in (["check"], ["export", "--date", str(DAY)]):
        done = CliRunner().invoke(app, words, env=environ)
        assert done.exit_code in {1, 2}
        printed += [done.stdout, done.stderr]

    written = dict(kept(shop.folder))
    written["ledger"] = ledger_dump(shop.environ["LEDGER"])
    written["printed"] = "\n".join([*printed, *capfd.readouterr()])
    found = [
        (place, canary)
        for place, content in written.items()
        for canary in CANARIES
        if canary in content
    ]
    assert found == []
    # The search looked at what it was meant to look at.
    assert shop.states("trackdesk_bumpy")["pending"] > 0
    assert shop.states("impact_us")["rejected"] > 0
    assert shop.states("impact_us")["settled"] > 0
    assert written["ledger"].count("***") > 5
    assert sum(ORDERS for place in written if "rows.parquet" in place) == 6 * ORDERS
    for part in ("history/runs.db", "compute_logs", "outbox"):
        assert any(part in place for place in written), part
