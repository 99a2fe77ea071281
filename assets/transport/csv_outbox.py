"""The outbox as a CSV file, for providers that import files in their web interface."""

import csv
import json
import os
from pathlib import Path

from assets.providers.encode import is_formula
from assets.transport.outbox import Outbox


class CsvOutbox(Outbox):
    """One CSV file (RFC 4180, UTF-8) of the rows that were prepared for a partition.

    The body of a request is `{header: cell}`. Every row gets the columns of all rows.
    """

    def write(self, part: Path) -> None:
        """Write the content of the journal to `part` and flush it to disk."""
        header: dict[str, None] = {}
        for prepared in self.journal.latest():
            header |= dict.fromkeys(json.loads(prepared))
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\r\n")
            writer.writerow(map(escape_formula, header))
            for prepared in self.journal.latest():
                row = json.loads(prepared)
                writer.writerow(escape_formula(row.get(name, "")) for name in header)
            file.flush()
            os.fsync(file.fileno())


def escape_formula(cell: str) -> str:
    """Return `cell` so that no spreadsheet evaluates it.

    A text that starts like a formula is prefixed with an apostrophe.
    """
    return f"'{cell}" if is_formula(cell) else cell
