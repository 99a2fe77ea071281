"""The outbox: requests for which there is no address, written to a file instead.

One JSON Lines file per partition; a line is one prepared event. It is handed to nobody,
so it never counts as delivered.
"""

import os
import threading
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from assets.providers.base import Request
from assets.providers.replies import Phase, Reply


class Outbox:
    """Appends each request's body as one line, durable before it answers.

    A line that is there already, left by a run that died before it could say so, is
    not written again.

    Args:
        file: Where the lines go; made with its folders on the first request.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._known: set[bytes] | None = None

    def send(self, request: Request) -> Reply:
        """Write the body of `request`; phase DONE, no status: nobody answered."""
        line = request.body
        digest = sha256(line).digest()
        with self._lock:
            known = self._open()
            if digest not in known:
                self._append(line)
                known.add(digest)
        return Reply(phase=Phase.DONE, at=datetime.now(UTC))

    def close(self) -> None:
        """Nothing is held between requests."""

    def _open(self) -> set[bytes]:
        if self._known is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._known = self._whole_lines() if self.file.exists() else set()
        return self._known

    def _whole_lines(self) -> set[bytes]:
        known: set[bytes] = set()
        whole = 0
        with self.file.open("rb+") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    known.add(sha256(line[:-1]).digest())
                    whole += len(line)
            lines.truncate(whole)
        return known

    def _append(self, line: bytes) -> None:
        try:
            with self.file.open("ab") as lines:
                lines.write(line + b"\n")
                lines.flush()
                os.fsync(lines.fileno())
        except OSError:
            # It may have left half a line: the next one must not be glued to it.
            self._known = None
            raise
