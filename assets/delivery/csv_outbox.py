"""The outbox as a CSV file, for providers that take a file in their user interface.

Rows are kept in a journal beside it, each durable before it counts as staged; the file
for people is written whole from the journal when the run ends, never a part of it.
"""

import csv
import json
import os
from collections.abc import Iterator
from filecmp import cmp
from pathlib import Path
from typing import Any

from assets.delivery.outbox import Outbox
from assets.providers.base import Request
from assets.providers.replies import Reply

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")
"""The last four are the first four in full width: some spreadsheets take them too."""


class CsvOutbox:
    """One CSV file (RFC 4180, UTF-8) of the rows that were prepared for a partition.

    A request's body is `{"order_id": .., "row": {header: cell}}`. An order stands in
    the file once, as it was prepared last; a column that any row has, all have.

    Args:
        file: The file for people; made with its folders when a run ends with rows.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._journal = Outbox(file.with_name(f".{file.stem}.jsonl"))

    def send(self, request: Request) -> Reply:
        """Keep a row; phase DONE, no status: nobody answered."""
        return self._journal.send(request)

    def close(self) -> None:
        """Write the file anew where the journal says more than it."""
        if not self._journal.file.exists():
            return
        part = self.file.with_name(f".{self.file.name}.part")
        self._write(part)
        if self.file.exists() and cmp(part, self.file, shallow=False):
            part.unlink()
        else:
            part.replace(self.file)

    def _write(self, part: Path) -> None:
        newest: dict[str, int] = {}
        header: dict[str, None] = {}
        for number, row in self._rows():
            newest[row["order_id"]] = number
            header |= dict.fromkeys(row["row"])
        with part.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.writer(lines, lineterminator="\r\n")
            writer.writerow(map(without_formula, header))
            for number, row in self._rows():
                if number == newest[row["order_id"]]:
                    cells = (row["row"].get(name, "") for name in header)
                    writer.writerow(map(without_formula, cells))
            lines.flush()
            os.fsync(lines.fileno())

    def _rows(self) -> Iterator[tuple[int, Any]]:
        with self._journal.file.open("rb") as lines:
            for number, line in enumerate(lines):
                if line.endswith(b"\n"):
                    yield number, json.loads(line)


def without_formula(cell: str) -> str:
    """Return `cell` so that no spreadsheet computes it.

    Text that begins like a formula gets an apostrophe in front.
    """
    return f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) else cell
