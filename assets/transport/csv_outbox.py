"""The outbox as a CSV file, for providers that take a file in their user interface."""

import csv
import json
import os
from pathlib import Path

from assets.providers.encode import is_formula
from assets.transport.outbox import Outbox


class CsvOutbox(Outbox):
    """One CSV file (RFC 4180, UTF-8) of the rows that were prepared for a partition.

    A request's body is `{header: cell}`. A column that any row has, all have.
    """

    def write(self, part: Path) -> None:
        """Write what the journal says to `part`, durable."""
        header: dict[str, None] = {}
        for prepared in self.journal.newest():
            header |= dict.fromkeys(json.loads(prepared))
        with part.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.writer(lines, lineterminator="\r\n")
            writer.writerow(map(without_formula, header))
            for prepared in self.journal.newest():
                row = json.loads(prepared)
                writer.writerow(without_formula(row.get(name, "")) for name in header)
            lines.flush()
            os.fsync(lines.fileno())


def without_formula(cell: str) -> str:
    """Return `cell` so that no spreadsheet computes it.

    Text that begins like a formula gets an apostrophe in front.
    """
    return f"'{cell}" if is_formula(cell) else cell
