"""Recognisable secrets and personal data, and the search for them in what is kept."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import duckdb
import pyarrow.parquet as pq
from sqlalchemy import create_engine, text

from assets.ledger.database import Database
from support.deployment import SECRETS

EMAIL = "Jane.Canary@Example.org"
NAME = "Janet Canaryfield"
PHONE = "+1 415 555 0134"
POSTCODE = "90210-4711"
CITY = "Canaryville"
CUSTOMER = "customer-canary-77"
EXTERNAL = "external-canary-78"

PASSWORDS = ("canary-ledger-password", "canary-warehouse-password")
IDME_TOKEN = "canary-idme-token"
PAIR = f"{SECRETS['IMPACT_SID']}:{SECRETS['IMPACT_TOKEN']}"
CREDENTIALS = base64.b64encode(PAIR.encode()).decode()


def spellings(values: Iterable[str]) -> tuple[str, ...]:
    """Each value as it is, in lower case, and as a form or an address writes it."""
    return tuple(
        dict.fromkeys(
            spelt
            for value in values
            for plain in (value, value.lower())
            for spelt in (plain, quote(plain), quote_plus(plain))
        )
    )


SECRET = spellings([*SECRETS.values(), *PASSWORDS, IDME_TOKEN, CREDENTIALS])
NEVER_STAGED = spellings([EMAIL, NAME, PHONE])
"""What no destination is told: it stays in the warehouse."""
PERSONAL = NEVER_STAGED + spellings([POSTCODE, CITY, CUSTOMER, EXTERNAL])
"""What a mapping may send is staged; it is kept nowhere else."""

THEIRS = {"warehouse.db", "journal.jsonl", "destinations.toml"}
"""The shop's own data, the sandbox's memory, the operator's file: made by no run."""


def leaks(kept: Mapping[str, str]) -> list[tuple[str, str]]:
    """Where which canary is found."""
    return [
        (place, canary)
        for place, content in kept.items()
        for canary in SECRET + (NEVER_STAGED if _is_staged(place) else PERSONAL)
        if canary in content
    ]


def _is_staged(place: str) -> bool:
    return place.endswith(".parquet")


def files(folder: Path) -> Iterator[tuple[str, str]]:
    """Everything below `folder` that runs have written: name and content."""
    for path in folder.rglob("*"):
        if not path.is_file() or path.name in THEIRS:
            continue
        if path.suffix == ".parquet":
            yield str(path), str(pq.read_table(path).to_pylist())
        else:
            yield str(path), path.read_bytes().decode(errors="replace")


def ledger(url: str) -> str:
    """Every row of every table and view, as text."""
    engine = create_engine(url)
    names = (
        "select quote_ident(table_name) from information_schema.tables"
        " where table_schema = 'public'"
    )
    with engine.connect() as connection:
        tables = connection.execute(text(names)).scalars().all()
        rows = [
            f"{table} {row}"
            for table in tables
            for row in connection.execute(text(f"select t::text from {table} t"))
        ]
    engine.dispose()
    return "\n".join(rows)


def published(warehouse: Path) -> str:
    """Every row of the copies that analysts have, as text."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        tables = connection.execute(
            "select table_name from information_schema.tables"
            " where table_schema = 'attribution'"
        ).fetchall()
        return "\n".join(
            f"{table} {row}"
            for (table,) in tables
            for row in connection.execute(
                f"select * from attribution.{table}"
            ).fetchall()
        )


def everything(database: Database) -> str:
    """Every row of every table, as JSON text."""
    from assets.ledger.tables import metadata

    with database.read() as connection:
        rows = [
            list(map(str, row))
            for name in metadata.tables
            for row in connection.execute(text(f"select * from {name}"))
        ]
    return json.dumps(rows, ensure_ascii=False)
