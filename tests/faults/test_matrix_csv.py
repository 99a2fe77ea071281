"""Fault matrix, row 62: text that a spreadsheet or a database would execute."""

from __future__ import annotations

import csv
from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from engine import Chunk, Clock
from sqlalchemy import select
from trackdesk import trackdesk

from assets.delivery.csv_outbox import CsvOutbox
from assets.delivery.delivering import deliver
from assets.delivery.planning import Destination
from assets.delivery.tables import delivery

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from assets.delivery.database import Database
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
    """One order per text, which is its id and its affiliation."""
    return [conversion(order_id=text, affiliation=text) for text in TEXTS]


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
    assert {tuple(row) for row in rows} == {(text, "staged") for text in TEXTS}
    with file.open(encoding="utf-8", newline="") as lines:
        found = list(csv.DictReader(lines, strict=True))
    assert sorted(row["External ID"] for row in found) == sorted(TEXTS.values())
    assert sorted(row["Adv S1"] for row in found) == sorted(TEXTS.values())
    assert not [
        cell
        for row in found
        for cell in row.values()
        if cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    ]
