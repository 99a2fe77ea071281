"""Nothing that is kept or printed holds a secret or a customer's personal data.

Recognisable values are planted in every place where a secret or a person's data may
stand; after runs that go well and badly, everything that was written is searched.
"""

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from assets.delivery import evidence
from assets.ledger.publishing import publish
from assets.providers.impact import fields as impact_fields
from assets.validation import rejects
from pipelines.build import open_destination, open_source
from pipelines.cli import app
from pipelines.sandbox.console_output import format_entry
from support import canaries
from support.canaries import (
    CITY,
    CREDENTIALS,
    CUSTOMER,
    EMAIL,
    EXTERNAL,
    IDME_TOKEN,
    NAME,
    PAIR,
    PASSWORDS,
    PHONE,
    POSTCODE,
    leaks,
)
from support.deployment import (
    DAY,
    NAMES,
    ORDERS,
    SECRETS,
    Deployment,
    deployed,
    disable_in_run_retries,
)

# Replies that say again what was sent, as a provider's error page may.
SAID = f"{CUSTOMER} of {CITY} {POSTCODE}"
ECHOES = (
    f"impact:status=400 bad Authorization Basic {CREDENTIALS}, {PAIR}, {SAID}~[0-2]$",
    f"impact:error_in_200=unknown token {SECRETS['IMPACT_TOKEN']}~[34]$",
    f"trackdesk/demo:status=400 x-api-key {SECRETS['TRACKDESK_KEY']} is odd~[0-4]$",
    f"trackdesk/demo:status=503 {SECRETS['TRACKDESK_KEY']}~[5-7]$",
    "trackdesk/bumpy:status=401 unauthorized~.",
    f"convert:status=400 {SECRETS['CONVERT_KEY']} {SECRETS['CONVERT_SECRET']}~.",
    f"idme:status=400 Authorization {IDME_TOKEN} of {SAID}~[0-7]$",
)
MAPPED = """Text1 = "extra.store_code"
CustomerPostCode = "customer_postcode"
CustomerCity = "customer_city"
"""
FURTHER = """
[destinations.trackdesk_file]
provider = "trackdesk"
base_url = "{url}/trackdesk/file"
tenant_id = "demo"
conversion_type_code = "sale"
channel = "csv"

[destinations.trackdesk_linked]
provider = "trackdesk"
base_url = "{url}/trackdesk/linked"
tenant_id = "demo"
conversion_type_code = "sale"
identify_by = "external_cid"
revenue_origin_id = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"

[destinations.idme_post]
provider = "idme"
app_id = "shop"
endpoint_url = "{url}/idme/shop/events"
endpoint_headers = {{ Authorization = {{ env = "IDME_TOKEN" }} }}
"""
GUARD = """
[guards]
max_orders = 50
"""
ONE = f"D{DAY:%Y%m%d}-0000"
PLANTS = (
    "alter table completed_orders drop column customer_email_sha1",
    "alter table completed_orders add column customer_email varchar",
    "alter table completed_orders add column customer_name varchar",
    "alter table completed_orders add column customer_phone varchar",
    f"""update completed_orders set
        customer_email = ' {EMAIL} ',
        customer_name = '{NAME}',
        customer_phone = '{PHONE}',
        customer_id = '{CUSTOMER}',
        customer_city = '{CITY}',
        customer_postcode = '{POSTCODE}'""",
    f"update completed_orders set store_code = '{EMAIL}' where order_id = '{ONE}11'",
    f"update completed_orders set visitor_id = '{PHONE}' where order_id = '{ONE}12'",
    f"update completed_orders set customer_id = '{EMAIL}' where order_id = '{ONE}13'",
    f"update completed_orders set currency = '{EMAIL}' where order_id = '{ONE}14'",
    f"update completed_orders set order_id = '{EMAIL}' where order_id = '{ONE}15'",
    f"""insert into visitor_identifiers (visitor_id, kind, value, captured_at)
        select visitor_id, 'trackdesk_external_cid', '{EXTERNAL}', captured_at
        from visitor_identifiers where kind = 'trackdesk_cid'""",
    f"""insert into visitor_identifiers (order_id, kind, value, captured_at)
        select order_id, 'impact_click_id', '{PHONE}', completed_at
        from completed_orders where order_id = '{ONE}16'""",
)


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> Iterator[Deployment]:
    """Personal data in the warehouse, a password in the address of the ledger."""
    disable_in_run_retries(monkeypatch)
    monkeypatch.chdir(tmp_path)
    ledger = postgres_url.replace("tester@", f"tester:{PASSWORDS[0]}@")
    environ = {"LEDGER": ledger, "IDME_TOKEN": IDME_TOKEN}
    options: dict[str, Any] = {"faults": ECHOES, "environ": environ, "more": GUARD}
    with deployed(tmp_path, **options) as deployment:
        for change in PLANTS:
            deployment.warehouse(change)
        path, url = deployment.config_path, deployment.server.url
        text = path.read_text().replace('Text1 = "extra.store_code"\n', MAPPED)
        path.write_text(text + FURTHER.format(url=url))
        yield deployment


def command(*words: str, environ: dict[str, str]) -> list[str]:
    """Run a command; return what it printed, and how it ended, to the last frame."""
    done = CliRunner().invoke(app, list(words), env=environ)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    frames = traceback.format_exception(done.exception) if done.exception else []
    return [done.stdout, done.stderr, *frames, repr(done.exception)]


def shown(shop: Deployment) -> str:
    """How the objects of a deployment show themselves."""
    config = shop.config
    source = open_source(config)
    opened = [open_destination(config, name) for name in config.destinations]
    found: list[Any] = [config, source, source.warehouse, source.database, opened]
    found += [one.provider for one in opened]
    source.database.dispose()
    return "\n".join(map(repr, found))


def everything(shop: Deployment) -> dict[str, str]:
    """All that runs have left behind, by place; copies for analysts among them."""
    source = open_source(shop.config)
    with source.warehouse.write_engine() as engine:
        publish(source.database, engine, str(DAY))
    source.database.dispose()
    kept = dict(canaries.files(shop.folder))
    kept["ledger"] = canaries.ledger(shop.environ["LEDGER"])
    kept["published"] = canaries.published(shop.folder / "warehouse.db")
    return kept


@pytest.mark.long
def test_nothing_that_is_secret_or_personal_is_kept_or_printed(
    shop: Deployment,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    environ = shop.command_environ()
    day = ["--date", str(DAY)]
    believed = ["export", *day, "--override", "a sale"]
    for words in (
        ["check"],
        ["export", *day],
        [*believed, "--dry-run"],
        believed,
        ["explain", f"{ONE}20"],
        ["status", "--json"],
    ):
        said += command(*words, environ=environ)
    unreachable = f"postgresql+psycopg://me:{PASSWORDS[1]}@127.0.0.1:1/shop"
    for words in (["check"], ["export", *day]):
        said += command(*words, environ=environ | {"WAREHOUSE": unreachable})

    kept = everything(shop)
    entries = shop.server.sandbox.journal.entries
    # The sandbox names the account that was spoken to: it has no secret of its own.
    accounts = SECRETS["IMPACT_SID"], SECRETS["CONVERT_KEY"]
    lines = "\n".join(map(format_entry, entries))
    for account in accounts:
        lines = lines.replace(f"/{account} ", " ")
    # What the sandbox's server logs is the provider's own.
    logged = [
        one.getMessage() for one in caplog.records if one.name != "uvicorn.access"
    ]
    kept["printed"] = "\n".join([*said, *capfd.readouterr(), *logged])
    kept["sandbox"] = lines
    kept["shown"] = shown(shop)
    assert leaks(kept) == []
    check_that_the_search_saw_all(shop, kept)


def check_that_the_search_saw_all(shop: Deployment, kept: dict[str, str]) -> None:
    assert shop.states("trackdesk_bumpy")["pending"] > 0
    assert shop.states("impact_us")["rejected"] > 0
    assert shop.states("impact_us")["settled"] > 0
    assert shop.states("idme_post")["rejected"] > 0
    assert shop.states("trackdesk_file")["staged"] > 0
    for reason in ("pii_in_extra", "pii_as_id", "unknown_currency"):
        assert reason in kept["ledger"], reason
    assert kept["ledger"].count("***") > 5
    for table in ("guard_override", "remembered", "delivery_attempt", "data_issue"):
        assert f"\n{table} " in kept["ledger"], table
    for table in ("delivery", "delivery_attempt", "quarantine_row"):
        assert f"\n{table} " in f"\n{kept['published']}", table
    for part in ("history/runs.db", "compute_logs", "outbox", ".csv", "rows.parquet"):
        assert any(part in place for place in kept), part
    assert "impact_us" in kept["shown"]
    assert kept["sandbox"].count("\n") > ORDERS
    # What was planted was there to be leaked.
    sent = str([one.body for one in shop.server.sandbox.journal.entries])
    for value in (POSTCODE, CITY, CUSTOMER):
        assert value in sent, value
    assert set(NAMES) < set(shop.config.destinations)


@pytest.mark.long
def test_the_search_finds_what_is_leaked_on_purpose(
    shop: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(evidence, "redact", lambda text, _hidden: text)
        broken.setattr(impact_fields, "fingerprint", lambda text: text)
        broken.setattr(impact_fields, "_NEVER_STORED", frozenset())
        broken.setattr(rejects, "_redact", lambda text, **_kind: text)
        shop.run(override="a sale")
    found = leaks(everything(shop))
    for canary in (
        *(SECRETS["IMPACT_TOKEN"], SECRETS["TRACKDESK_KEY"], CREDENTIALS),
        *(EMAIL, PHONE, POSTCODE, CITY, CUSTOMER),
    ):
        assert ("ledger", canary) in found, canary
        assert ("published", canary) in found, canary


@pytest.mark.parametrize("value", [EMAIL, NAME, PHONE, SECRETS["IMPACT_TOKEN"]])
@pytest.mark.parametrize(
    "place",
    [
        "staging/completed_orders/2026-01-01/rows.parquet",
        "staging/outbox/shop/2026-01-01.jsonl",
        "staging/outbox/shop/2026-01-01.csv",
        "staging/spool/shop.jsonl",
        ".dagster/storage/run/compute_logs/step.err",
        ".dagster/history/runs/run.db",
    ],
)
def test_the_search_looks_into_every_kind_of_file(
    tmp_path: Path, place: str, value: str
) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"extra": [f'{{"note": "{value}"}}']}), path)
    else:
        path.write_bytes(b"\x00\xff" + value.encode() + b"\xfe")
    assert (str(path), value) in leaks(dict(canaries.files(tmp_path)))


def test_what_a_mapping_may_send_is_found_everywhere_but_in_staged_files() -> None:
    assert leaks({"a/rows.parquet": POSTCODE}) == []
    assert leaks({"a/step.err": POSTCODE}) == [("a/step.err", POSTCODE)]
