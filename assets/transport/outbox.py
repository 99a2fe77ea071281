"""The outbox: writes requests to a file, for providers without an API address.

There is one file per partition. Nobody receives it automatically, so its orders never
count as delivered. A prepared request first goes to a journal beside the file. The file
itself is written from the journal when the run ends, always as a whole.
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

    Each order is in the file once, as it was prepared last.

    Args:
        file: The file for people. It is created with its folders when a run with
            requests ends.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.journal = Journal(file.with_name(f".{file.name}.journal"))

    def send(self, request: Request) -> Reply:
        """Store the body of `request`; return a reply with phase DONE and no status.

        Raises:
            ValueError: The request does not name its order.
        """
        if request.order_id is None:
            message = (
                f"Preparing {self.file.name} failed: expected each request to name its "
                "order, got none. The provider module must set `order_id`."
            )
            raise ValueError(message)
        self.journal.append(request.order_id, request.body)
        return Reply(phase=Phase.DONE, at=datetime.now(UTC))

    def close(self) -> None:
        """Replace the file where the content of the journal differs from it."""
        if not self.journal.file.exists():
            return
        part = self.file.with_name(f".{self.file.name}.part")
        self.write(part)
        if self.file.exists() and cmp(part, self.file, shallow=False):
            part.unlink()
        else:
            part.replace(self.file)

    def write(self, part: Path) -> None:
        """Write the content of the journal to `part` and flush it to disk."""
        with part.open("wb") as file:
            file.writelines(one + b"\n" for one in self.journal.latest())
            file.flush()
            os.fsync(file.fileno())
