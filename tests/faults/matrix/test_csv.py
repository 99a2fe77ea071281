"""Fault matrix, row 62: text that a spreadsheet or a database would execute."""

from __future__ import annotations

import csv
from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from assets.delivery.destination import Destination
from assets.delivery.run import deliver
from assets.ledger.tables import delivery
from assets.transport.csv_outbox import CsvOutbox
from support.engine import Chunk, Clock
from support.trackdesk_account import trackdesk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from assets.ledger.database import Database
    from assets.providers.conversion import Conversion

TEXTS = {
    '=HYPERLINK("http://evil.example","x")': '\'=HYPERLINK("http://evil.example","x")',
    "=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0",
    "+1+1": "'+1+1",
    "-2+3": "'-2+3",
    "@SUM(A1:A9)": "'@SUM(A1:A9)",
    "\t=1+1": "'\t=1+1",
    "\r=1+1": "'\r=1+1",
    "'; drop table delivery; --": "'; drop table delivery; --",
    'say "=1+1"': 'say "=1+1"',
    'O1","=1+1': 'O1","=1+1',
    "O2\r\n=1+1,x": "O2\r\n=1+1,x",
    "a=b": "a=b",
    "plain": "plain",
}
"""What stands in the warehouse, and what a spreadsheet is given to show."""


@pytest.fixture
def orders(conversion: Callable[..., Conversion]) -> list[Conversion]:
    """Two orders per text: one has it as its id, both as their affiliation."""
    ids = [*TEXTS, *map(str, range(len(TEXTS)))]
    return [
        conversion(order_id=order_id, affiliation=text)
        for order_id, text in zip(ids, [*TEXTS] * 2, strict=True)
    ]


def test_62_a_formula_is_text_in_the_csv_and_verbatim_in_the_tables(
    tables: Database, tmp_path: Path, orders: list[Conversion]
) -> None:
    file, clock = tmp_path / "day.csv", Clock()
    deliver(
        Destination(
            name="shop",
            provider_name="trackdesk",
            provider=trackdesk(channel="csv", fields={"advS1": "affiliation"}),
            mapping_version="m1",
        ),
        tables,
        CsvOutbox(file),
        lambda: [Chunk(orders)],
        partition_key="2026-11-20",
        run_id="run",
        zone=UTC,
        clock=clock,
        sleep=clock.sleep,
    )
    with tables.read() as connection:
        rows = connection.execute(select(delivery.c.order_id, delivery.c.state)).all()
    # With an apostrophe in front, an id would be another one.
    held = {text for text, cell in TEXTS.items() if cell != text}
    assert {row.order_id for row in rows if row.state == "quarantined"} == held
    told = {order.order_id: order.affiliation for order in orders}
    told = {order_id: text for order_id, text in told.items() if order_id not in held}
    assert {row.order_id for row in rows if row.state == "staged"} == told.keys()
    with file.open(encoding="utf-8", newline="") as lines:
        found = list(csv.DictReader(lines, strict=True))
    assert {row["External ID"]: row["Adv S1"] for row in found} == {
        order_id: TEXTS[text] for order_id, text in told.items() if text
    }
    assert not [
        cell
        for row in found
        for cell in row.values()
        if cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    ]
