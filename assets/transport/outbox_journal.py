"""The journal of an outbox, line by line, so that a run that dies loses nothing.

A line is an order id and what was prepared of the order. The outbox file is made of the
latest line of each order.
"""

import json
import os
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

_TAB = b"\t"
"""Separates order id and content. No JSON text contains it inside a value."""


class Journal:
    """Appends lines and flushes each to disk.

    A line that repeats the latest line of its order is not written. A run that died
    before it could record the line prepares it again.

    Args:
        file: The file of the lines. It is created with its folders for the first line.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._digests: dict[str, bytes] | None = None

    def append(self, order_id: str, prepared: bytes) -> None:
        """Store what was prepared of an order."""
        digest = sha256(prepared).digest()
        with self._lock:
            digests = self._open()
            if digests.get(order_id) != digest:
                self._write(json.dumps(order_id).encode() + _TAB + prepared)
                digests[order_id] = digest

    def latest(self) -> Iterator[bytes]:
        """Yield what was prepared last of each order, in the order of the lines."""
        latest = {order_id: number for number, order_id, _ in self._lines()}
        for number, order_id, prepared in self._lines():
            if latest[order_id] == number:
                yield prepared

    def _open(self) -> dict[str, bytes]:
        if self._digests is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._truncate_partial_line()
            self._digests = {
                order_id: sha256(prepared).digest()
                for _, order_id, prepared in self._lines()
            }
        return self._digests

    def _truncate_partial_line(self) -> None:
        if self.file.exists():
            with self.file.open("rb+") as lines:
                lines.truncate(sum(len(one) for one in lines if one.endswith(b"\n")))

    def _lines(self) -> Iterator[tuple[int, str, bytes]]:
        """Yield number, order id and content of each whole line."""
        if not self.file.exists():
            return
        with self.file.open("rb") as lines:
            for number, line in enumerate(lines):
                if line.endswith(b"\n"):
                    order_id, _, prepared = line[:-1].partition(_TAB)
                    yield number, json.loads(order_id), prepared

    def _write(self, line: bytes) -> None:
        try:
            with self.file.open("ab") as lines:
                lines.write(line + b"\n")
                lines.flush()
                os.fsync(lines.fileno())
        except OSError:
            # It may have written a part of the line, which the next one must not
            # continue. Opening the journal again truncates it.
            self._digests = None
            raise
