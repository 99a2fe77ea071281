"""Fault matrix, rows 61 and 62: text that could break the format it is written into.

Every text of the warehouse arrives verbatim at every provider, or its order is
quarantined. It adds no field to a form, no key to JSON, no row to a CSV, no line to a
log.
"""

from __future__ import annotations

import csv
import json
import logging
import re
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text as statement

from assets.deliveries import staged_chunks
from assets.delivery.destination import Destination
from assets.delivery.run import deliver
from assets.ledger.database import Database
from assets.ledger.tables import delivery
from assets.providers.idme.provider import IdMe, IdMeSettings
from assets.providers.impact.provider import Impact, ImpactSettings
from assets.providers.placeholders import is_placeholder_id
from assets.providers.spelling import has_unseen_inside, is_damaged, trimmed
from assets.transport.csv_outbox import CsvOutbox
from assets.transport.outbox import Outbox
from assets.validation.schemas import EXTRACTS
from support.engine import Clock, answer
from support.shop import BEFORE, DAY, KEY, START, Shop
from support.shop_destinations import CID, provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from assets.providers.base import Request
    from assets.providers.replies import Reply

HOSTILE = [
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example")',
    "@SUM(1)",
    "+1+1",
    "-2+3",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\uff1d1+1",
    "a\r\nSet-Cookie: x=1\r\n\r\nb",
    "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg",
    "\u202eright to left",
    "🛒👩‍👩‍👧‍👦\U0010ffff",
    "\ufeffbom\ufffe\uffff",
    '","OrderId":"other","x":"',
    "a&OrderId=other&ClickId=x;y=1",
    "%00%0d%0a%26+",
    "\x1b[31mred\x07\x08\x7f",
    "[/bold] {0} %(x)s ${7*7}",
    '","=1+1\r\n"other","=2+2',
    "\\u0000\\",
    "'; drop table delivery; --",
    " two  spaces ",
    "NULL",
    "cafe\u0301",
    "x" * 200,
    "🛒" * 500,
]
NUL = "a\0b"
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    st.builds("{}{}".format, st.sampled_from(HOSTILE), st.text("=+-@\r\n\",&\\'")),
)
COLUMNS = {
    "order": ("order_id",),
    "ids": ("visitor_id", "click"),
    "words": ("promo_code", "affiliation", "sku", "name"),
}
"""For each text an order of each kind, with the text in these columns."""
SENDS = frozenset({"accepted", "queued", "staged"})


@dataclass
class Recorder:
    """A provider that accepts everything and stores the bytes."""

    said: bytes
    bodies: list[bytes] = field(default_factory=list)

    def send(self, request: Request) -> Reply:
        self.bodies.append(request.body)
        assert all(one.isprintable() for one in request.headers.values())
        return answer(body=self.said)

    def close(self) -> None: ...


class Lines(logging.Handler):
    """The log as a file has it: a line a record, in plain text and in JSON."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@dataclass
class Reported:
    """What was reported to each destination of each order, field by field."""

    orders: dict[str, dict[str, dict[str, str]]]
    states: dict[str, dict[str, str]]
    log: list[str]


@dataclass
class Market:
    """One warehouse, and five destinations that take everything."""

    shop: Shop
    tables: Path

    def report(self, texts: list[str]) -> Reported:
        """Export one day with each text in each column."""
        for name in EXTRACTS:
            self.shop.execute(f"delete from {name}")
        for number, one in enumerate(texts):
            for kind, columns in COLUMNS.items():
                self._order(f"{number}-{kind}", dict.fromkeys(columns, one))
        with TemporaryDirectory() as folder:
            copy(self.tables, f"{folder}/ledger.db")
            database = Database(f"sqlite:///{folder}/ledger.db")
            try:
                return self._reported(database, Path(folder))
            finally:
                database.dispose()

    def _order(self, order_id: str, said: dict[str, str]) -> None:
        key = said.pop("order_id", order_id)
        visitor = said.pop("visitor_id", f"visitor of {order_id}")
        click = said.pop("click", "click")
        item = {name: said.pop(name) for name in ("sku", "name") if name in said}
        row = ORDER | {"order_id": key, "visitor_id": visitor} | said
        self.shop.add("completed_orders", **row)
        self.shop.item(key, 10, **item)
        for kind, value in {
            "impact_click_id": click,
            "idme_conversion_tracking_id": click,
            "trackdesk_cid": CID,
        }.items():
            known = {"order_id": key, "kind": kind, "value": value}
            self.shop.add("visitor_identifiers", captured_at=BEFORE, **known)
        seen = {"experience_id": "100", "variation_id": "x", "bucketed_at": BEFORE}
        self.shop.add("visitor_bucketing", visitor_id=visitor, **seen)

    def _reported(self, database: Database, folder: Path) -> Reported:
        self.shop.harness.database, self.shop.folder = database, folder
        self.shop.harness.clock.now = START + DAY
        log = Lines()
        logging.getLogger().addHandler(log)
        try:
            self.shop.stage()
            orders = {
                name: self._deliver(name, database, folder) for name in DESTINATIONS
            }
        finally:
            logging.getLogger().removeHandler(log)
        states: dict[str, dict[str, str]] = {}
        with database.read() as connection:
            for row in connection.execute(delivery.select()):
                states.setdefault(row.destination, {})[row.order_id] = row.state
                log.texts += [row.state_reason or "", row.state_detail or ""]
            kept = connection.execute(statement("select reasons from quarantine_row"))
            log.texts += [row.reasons for row in kept]
        return Reported(orders, states, log.texts)

    def _deliver(
        self, name: str, database: Database, folder: Path
    ) -> dict[str, dict[str, str]]:
        made, transport, read = DESTINATIONS[name](folder)
        clock = Clock(START + DAY)
        deliver(
            Destination(
                name=name,
                provider_name=name[:16],
                provider=made,
                mapping_version="m1",
            ),
            database,
            transport,
            lambda: staged_chunks(self.shop.source, KEY),
            partition_key=KEY,
            run_id="run",
            zone=UTC,
            quarantined=self.shop.source.quarantined(KEY),
            clock=clock,
            sleep=clock.sleep,
            on_warning=logging.getLogger("attribution").warning,
        )
        orders: dict[str, dict[str, str]] = {}
        for found in read():
            assert found["order_id"] not in orders
            orders[found["order_id"]] = found
        return orders


ORDER = {
    "completed_at": START + DAY / 2,
    "currency": "USD",
    **dict.fromkeys(("total", "revenue"), 10),
    **dict.fromkeys(("discount", "shipping", "tax"), 0),
    "tracking_consent": True,
    "is_test": False,
}
FORM = re.compile(
    r"CampaignId|EventTypeId|EventDate|ClickId|CurrencyCode|OrderId|OrderPromoCode"
    r"|OrderShipping|OrderTax|Text1"
    r"|Item(Sku|Name|Category|Quantity|SubTotal)1"
)


def impact(_folder: Path) -> tuple[Any, Any, Any]:
    """A form: each field once, and no other field."""
    recorder = Recorder(b'{"Status": "QUEUED", "QueuedUri": "/x"}')
    plain: dict[str, Any] = {
        "provider": "impact",
        "account_sid": "IRsid",
        "auth_token": "token",
        "campaign_id": 1,
        "event_type_id": 2,
        "fields": {"Text1": "affiliation"},
    }

    def read() -> Iterator[dict[str, str]]:
        for body in recorder.bodies:
            pairs = parse_qsl(body.decode("ascii"), strict_parsing=True)
            form = dict(pairs)
            assert len(form) == len(pairs)
            assert [name for name in form if not FORM.fullmatch(name)] == []
            yield named(
                form,
                order_id="OrderId",
                promo_code="OrderPromoCode",
                affiliation="Text1",
                sku="ItemSku1",
                name="ItemName1",
                click="ClickId",
            )

    return Impact(ImpactSettings(**plain)), recorder, read


def convert(_folder: Path) -> tuple[Any, Any, Any]:
    """JSON of many orders; a custom dimension is cut, as its `data_issue` says."""
    recorder = Recorder(b"{}")
    made = provider(
        "convert",
        "https://convert.example",
        fields={"customDimension1": "promo_code"},
    )

    def read() -> Iterator[dict[str, str]]:
        for body in recorder.bodies:
            for visitor in json.loads(body)["visitors"]:
                for event in visitor["events"]:
                    pairs = event["data"]["goalData"]
                    said = {one["key"]: one["value"] for one in pairs}
                    assert len(said) == len(pairs)
                    yield named(said, order_id="transactionId") | {
                        "visitor_id": visitor["visitorId"]
                    }

    return made, recorder, read


def trackdesk(_folder: Path) -> tuple[Any, Any, Any]:
    """JSON of one order."""
    recorder = Recorder(b"{}")
    made = provider(
        "trackdesk", "https://trackdesk.example", fields={"advS1": "affiliation"}
    )

    def read() -> Iterator[dict[str, str]]:
        for body in recorder.bodies:
            said = json.loads(body)
            yield named(said, order_id="externalId") | named(
                said.get("customParams", {}), affiliation="advS1"
            )

    return made, recorder, read


def trackdesk_csv(folder: Path) -> tuple[Any, Any, Any]:
    """A file for a spreadsheet: an apostrophe before what it would compute."""
    file = folder / "day.csv"
    made = provider(
        "trackdesk",
        "https://trackdesk.example",
        channel="csv",
        fields={"advS1": "affiliation"},
    )

    def read() -> Iterator[dict[str, str]]:
        if not file.exists():  # every order is quarantined
            return
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.reader(lines, strict=True))
        for row in rows[1:]:
            assert len(row) == len(rows[0])
            assert [cell for cell in row if cell.startswith(tuple(FORMULAS))] == []
            cells = [
                cell[1:] if cell[:1] == "'" and cell[1:2] in FORMULAS else cell
                for cell in row
            ]
            named_cells = zip(rows[0], cells, strict=True)
            said = {name: cell for name, cell in named_cells if cell}
            yield named(said, order_id="External ID", affiliation="Adv S1")

    return made, CsvOutbox(file), read


def idme(folder: Path) -> tuple[Any, Any, Any]:
    """JSON Lines: one event per line, whatever the text is."""
    file = folder / "day.jsonl"
    made = IdMe(IdMeSettings(provider="idme", app_id="a"))

    def read() -> Iterator[dict[str, str]]:
        lines = file.read_bytes() if file.exists() else b""
        for line in lines.split(b"\n")[:-1]:
            event = json.loads(line)
            said = event["properties"]
            (product,) = said["products"]
            yield (
                named(
                    said,
                    order_id="orderId",
                    promo_code="coupon",
                    affiliation="affiliation",
                )
                | named(product, sku="sku", name="name")
                | named(event, click="conversionTrackingId")
            )

    return made, Outbox(file), read


FORMULAS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
DESTINATIONS: dict[str, Callable[[Path], tuple[Any, Any, Any]]] = {
    one.__name__: one for one in (impact, convert, trackdesk, trackdesk_csv, idme)
}
TOLD: dict[str, set[str]] = {
    "impact": {"order_id", "click", "promo_code", "affiliation", "sku", "name"},
    "convert": {"order_id", "visitor_id"},
    "trackdesk": {"order_id", "affiliation"},
    "trackdesk_csv": {"order_id", "affiliation"},
    "idme": {"order_id", "click", "promo_code", "affiliation", "sku", "name"},
}


def named(said: dict[str, Any], **columns: str) -> dict[str, str]:
    """What was reported, by the source column."""
    return {column: said[name] for column, name in columns.items() if name in said}


@pytest.fixture
def market(warehouse_url: str, tmp_path: Path, empty_sqlite: Path) -> Market:
    harness: Any = SimpleNamespace(database=None, clock=Clock(START + DAY), runs=0)
    shop = Shop(tmp_path, warehouse_url, harness)
    shop.create()
    return Market(shop, empty_sqlite)


CUT = {("impact", "affiliation"): 64, ("impact", "name"): 255}
"""What only describes is cut to the length that the provider's document names."""


COUNTED_WITHOUT_SPACE = {"visitor_id", "click", "sku"}
WITHOUT_PLACEHOLDERS = {"visitor_id", "click", "promo_code", "affiliation"}


def counted(text: str, column: str, length: int | None) -> str | None:
    """What of a text is reported: a blank text and a placeholder are none."""
    said = trimmed(text) if column in COUNTED_WITHOUT_SPACE else text
    if column in WITHOUT_PLACEHOLDERS and is_placeholder_id(said):
        return None
    return said[:length] if said[:length].strip() else None


def check(reported: Reported, texts: list[str]) -> None:
    """Each text is where it belongs, or its order is held back."""
    count = len(texts) * len(COLUMNS)
    for name, states in reported.states.items():
        arrived = reported.orders[name]
        assert len(states) == count
        assert arrived.keys() == {one for one in states if states[one] in SENDS}
        for number, one in enumerate(texts):
            for kind, columns in COLUMNS.items():
                order_id = one if kind == "order" else f"{number}-{kind}"
                if order_id in arrived:
                    for column in TOLD[name].intersection(columns):
                        wanted = counted(one, column, CUT.get((name, column)))
                        assert arrived[order_id].get(column) == wanted, (name, column)
                else:
                    # An id that cannot be kept has its delivery under another name.
                    state = states.get(order_id, "quarantined")
                    is_no_click = (
                        counted(one, "click", None) is None
                        or has_unseen_inside(one)
                        or is_damaged(one)
                    )
                    assert state == "quarantined" or is_no_click, (name, one)
    for line in reported.log:
        assert line.isprintable(), line


@pytest.mark.long
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(texts=st.lists(TEXTS, min_size=1, max_size=4, unique=True))
@example(texts=HOSTILE)
def test_61_62_hostile_text_arrives_verbatim_or_is_quarantined(
    market: Market, texts: list[str]
) -> None:
    check(market.report(texts), texts)
