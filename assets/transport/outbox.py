"""The outbox: requests for which there is no address, written to a file instead.

One file per partition; it is handed to nobody, so it never counts as delivered. What
is prepared goes to a journal beside the file first; the file for people is written
whole from it when the run ends, never a part of it.
"""

import os
from datetime import UTC, datetime
from filecmp import cmp
from pathlib import Path

from assets.providers.base import Request
from assets.providers.replies import Phase, Reply
from assets.transport.outbox_journal import Journal


class Outbox:
    """One JSON Lines file of the request bodies that were prepared for a partition.

    An order stands in the file once, as it was prepared last.

    Args:
        file: The file for people; made with its folders when a run ends with requests.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.journal = Journal(file.with_name(f".{file.name}.journal"))

    def send(self, request: Request) -> Reply:
        """Keep the body of `request`; phase DONE, no status: nobody answered.

        Raises:
            ValueError: It does not say whose it is.
        """
        if request.order_id is None:
            message = "expected a request for a file to name its order, got none"
            raise ValueError(message)
        self.journal.keep(request.order_id, request.body)
        return Reply(phase=Phase.DONE, at=datetime.now(UTC))

    def close(self) -> None:
        """Write the file anew where the journal says more than it."""
        if not self.journal.file.exists():
            return
        part = self.file.with_name(f".{self.file.name}.part")
        self.write(part)
        if self.file.exists() and cmp(part, self.file, shallow=False):
            part.unlink()
        else:
            part.replace(self.file)

    def write(self, part: Path) -> None:
        """Write what the journal says to `part`, durable."""
        with part.open("wb") as lines:
            lines.writelines(one + b"\n" for one in self.journal.newest())
            lines.flush()
            os.fsync(lines.fileno())
