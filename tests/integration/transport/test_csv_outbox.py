"""The CSV file is complete, has each order once, and contains no formula."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from assets.delivery.destination import Destination
from assets.delivery.dispatch import Summary
from assets.delivery.run import deliver
from assets.ledger.database import Database
from assets.ledger.lock import DestinationBusyError, destination_lock
from assets.ledger.states import State
from assets.ledger.tables import delivery, delivery_attempt
from assets.providers.base import Request
from assets.providers.conversion import Conversion
from assets.providers.replies import Phase
from assets.resolution.resolve import ResolveError, Selection, resolve_all
from assets.transport.csv_outbox import CsvOutbox
from support.engine import Chunk, Clock
from support.examples import examples
from support.trackdesk_account import CID, trackdesk

MakeConversion = Callable[..., Conversion]

DAY = "2026-11-20"
COLUMNS = [
    *("CID", "Conversion type", "Amount", "Conversion status", "Currency"),
    *("External ID", "Customer ID"),
    *("Adv S1", "Adv S2", "Adv S3", "Adv S4", "Adv S5"),
    *("Revenue origin ID", "Created at"),
]


def row(order_id: str = "O1", **cells: str) -> Request:
    body = {"External ID": order_id, **cells}
    return Request(
        method="POST",
        url="csv:",
        headers={},
        body=json.dumps(body).encode(),
        path_template="csv:",
        order_id=order_id,
    )


def read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, strict=True))


def write(file: Path, *requests: Request) -> None:
    outbox = CsvOutbox(file)
    for request in requests:
        outbox.send(request)
    outbox.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "td_old" / f"{DAY}.csv"


# The file


def test_lines_quotes_and_commas_are_written_as_rfc_4180_says(file: Path) -> None:
    write(file, row(Note='a "b", c\r\nd'), row("O2", Note="é\n"))
    assert file.read_bytes() == (
        b'External ID,Note\r\nO1,"a ""b"", c\r\nd"\r\nO2,"\xc3\xa9\n"\r\n'
    )


def test_a_row_is_kept_before_it_counts_as_staged(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []
    journal = file.with_name(f".{DAY}.csv.journal")
    monkeypatch.setattr(os, "fsync", lambda _file: kept.append(journal.read_text()))
    reply = CsvOutbox(file).send(row())
    assert len(kept) == 1
    assert (reply.phase, reply.status) == (Phase.DONE, None)


def test_the_file_is_never_partly_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, row("O1"))
    before = file.read_bytes()
    outbox = CsvOutbox(file)
    outbox.send(row("O2"))
    assert file.read_bytes() == before

    def fill_up(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fill_up)
        with pytest.raises(OSError, match="No space"):
            outbox.close()
    assert file.read_bytes() == before
    CsvOutbox(file).close()
    assert [one["External ID"] for one in read(file)] == ["O1", "O2"]


def test_the_journal_of_a_dead_run_is_in_the_file_of_the_next(file: Path) -> None:
    CsvOutbox(file).send(row("O1"))
    with file.with_name(f".{DAY}.csv.journal").open("ab") as journal:
        journal.write(b'"O2"\t{"External')
    write(file, row("O3"))
    assert [one["External ID"] for one in read(file)] == ["O1", "O3"]


def test_the_outbox_has_an_order_once_as_it_was_prepared_last(file: Path) -> None:
    write(file, row("O1", Amount="1.00"), row("O2", Amount="2.00"))
    write(file, row("O1", Amount="3.00"))
    assert [(one["External ID"], one["Amount"]) for one in read(file)] == [
        ("O2", "2.00"),
        ("O1", "3.00"),
    ]


def test_a_column_that_comes_later_is_in_every_row(file: Path) -> None:
    write(file, row("O1", CID="a"), row("O2", **{"External CID": "b"}))
    first, second = read(file)
    assert (first["CID"], first["External CID"]) == ("a", "")
    assert (second["CID"], second["External CID"]) == ("", "b")


def test_a_complete_file_is_not_rewritten(file: Path) -> None:
    write(file, row())
    before = file.stat().st_ino
    CsvOutbox(file).close()
    assert file.stat().st_ino == before
    assert {one.name for one in file.parent.iterdir()} == {
        f"{DAY}.csv",
        f".{DAY}.csv.journal",
    }


@settings(derandomize=True, max_examples=examples(100), deadline=None)
@given(cells=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_any_text_comes_back_and_none_begins_like_a_formula(cells: list[str]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "day.csv"
        write(file, *(row(f"O{n}", Note=cell) for n, cell in enumerate(cells)))
        found = [one["Note"] for one in read(file)]
    for cell, shown in zip(cells, found, strict=True):
        assert shown in {cell, f"'{cell}"}
        assert not shown.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_without_rows_there_is_no_file(file: Path) -> None:
    CsvOutbox(file).close()
    assert not file.parent.exists()


# Through the engine


class Shop:
    """One Trackdesk destination that writes a file."""

    def __init__(self, database: Database, file: Path) -> None:
        self.database, self.file = database, file
        self.provider = trackdesk(channel="csv")
        self.clock = Clock()
        self.runs = 0

    def run(
        self, orders: list[Conversion], outbox: CsvOutbox | None = None, **options: Any
    ) -> Summary:
        self.runs += 1
        return deliver(
            Destination(
                name="td_old",
                provider_name="trackdesk",
                provider=self.provider,
                mapping_version="m1",
            ),
            self.database,
            outbox or CsvOutbox(self.file),
            lambda: [Chunk(orders)],
            partition_key=DAY,
            run_id=f"run-{self.runs}",
            zone=ZoneInfo("UTC"),
            clock=self.clock,
            sleep=self.clock.sleep,
            **options,
        )

    def states(self) -> dict[str, str]:
        with self.database.read() as connection:
            rows = connection.execute(select(delivery)).mappings()
            return {one["order_id"]: one["state"] for one in rows}

    def manual(self) -> list[dict[str, Any]]:
        statement = select(delivery_attempt).where(delivery_attempt.c.event == "manual")
        with self.database.read() as connection:
            return [dict(one) for one in connection.execute(statement).mappings()]

    def resolve(self, *order_ids: str, is_delivered: bool = True) -> list[str]:
        chosen = Selection(
            destination="td_old",
            first=DAY,
            last=DAY,
            state=State.STAGED,
            order_ids=order_ids or None,
        )
        done = resolve_all(
            self.database, chosen, is_delivered=is_delivered, by="ada", why="import 17"
        )
        return [one.order_id for one in done]


@pytest.fixture
def shop(database: Database, file: Path) -> Shop:
    return Shop(database, file)


def test_backdated_orders_are_staged_in_a_file_with_their_time(
    shop: Shop, conversion: MakeConversion
) -> None:
    orders = [conversion(order_id="O1"), conversion(order_id="O2")]
    for _ in range(2):
        summary = shop.run(orders)
        assert shop.states() == {"O1": "staged", "O2": "staged"}
        first, second = read(shop.file)
        assert list(first) == COLUMNS
        assert (first["External ID"], second["External ID"]) == ("O1", "O2")
        assert (first["CID"], first["Amount"]) == (CID, "112.00")
        assert first["Created at"] == "2026-11-20T07:55:24Z"
    assert summary.requests == 0


def test_a_late_order_joins_the_file(shop: Shop, conversion: MakeConversion) -> None:
    shop.run([conversion(order_id="O2")])
    shop.run([conversion(order_id="O1"), conversion(order_id="O2")])
    assert [one["External ID"] for one in read(shop.file)] == ["O2", "O1"]


class Crowded(CsvOutbox):
    """Another run wants to begin while the file is written."""

    def __init__(self, file: Path, database: Database) -> None:
        super().__init__(file)
        self._database = database
        self.refusals = 0

    def close(self) -> None:
        with (
            pytest.raises(DestinationBusyError),
            destination_lock(self._database, "td_old", max_wait=0),
        ):
            pass
        self.refusals += 1
        super().close()


def test_no_other_run_begins_before_the_file_is_written(
    shop: Shop, conversion: MakeConversion
) -> None:
    outbox = Crowded(shop.file, shop.database)
    shop.run([conversion()], outbox)
    assert outbox.refusals == 1
    assert len(read(shop.file)) == 1


def test_a_run_that_does_not_get_the_lock_leaves_the_file_alone(
    shop: Shop, conversion: MakeConversion
) -> None:
    CsvOutbox(shop.file).send(row())
    with (
        destination_lock(shop.database, "td_old"),
        pytest.raises(DestinationBusyError),
    ):
        shop.run([conversion()], lock_timeout_s=0)
    assert not shop.file.exists()


def test_after_the_import_all_rows_of_a_file_are_closed_at_once(
    shop: Shop, conversion: MakeConversion
) -> None:
    orders = [conversion(order_id="O1"), conversion(order_id="O2")]
    shop.run(orders)
    assert shop.resolve() == ["O1", "O2"]
    assert shop.states() == {"O1": "accepted", "O2": "accepted"}
    assert [(one["decided_by"], one["detail"]) for one in shop.manual()] == [
        ("ada", "import 17")
    ] * 2
    assert shop.run(orders).requests == 0


def test_only_the_orders_that_a_person_names_are_closed(
    shop: Shop, conversion: MakeConversion
) -> None:
    orders = [conversion(order_id=f"O{n}") for n in range(3)]
    shop.run(orders)
    shop.resolve("O1")
    assert shop.states() == {"O0": "staged", "O1": "accepted", "O2": "staged"}
    shop.resolve("O2", is_delivered=False)
    shop.run(orders)
    assert shop.states() == {"O0": "staged", "O1": "accepted", "O2": "staged"}
    assert len(read(shop.file)) == 3


def test_one_order_that_is_not_staged_leaves_all_as_they_are(
    shop: Shop, conversion: MakeConversion
) -> None:
    shop.run([conversion(order_id="O1")])
    with pytest.raises(ResolveError, match=r"got 1 that are not \(O9\)"):
        shop.resolve("O1", "O9")
    assert shop.states() == {"O1": "staged"}
    shop.resolve()
    with pytest.raises(ResolveError, match="got none"):
        shop.resolve()
