"""What an outbox was given, line by line, so that a run that dies loses nothing.

A line is an order id and what was prepared of the order. The file for people is made
of the newest line of each order.
"""

import json
import os
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path


class Journal:
    """Appends lines, each durable before it counts as kept.

    What the newest line of an order says already, left by a run that died before it
    could say so, is not written again.

    Args:
        file: Where the lines go; made with its folders with the first one.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._known: dict[str, bytes] | None = None

    def keep(self, order_id: str, prepared: bytes) -> None:
        """Keep what was prepared of an order."""
        digest = sha256(prepared).digest()
        with self._lock:
            known = self._open()
            if known.get(order_id) != digest:
                self._append(json.dumps(order_id).encode() + _TAB + prepared)
                known[order_id] = digest

    def newest(self) -> Iterator[bytes]:
        """Return what was prepared last of each order, as it was kept."""
        newest = {order_id: number for number, order_id, _ in self._lines()}
        for number, order_id, prepared in self._lines():
            if newest[order_id] == number:
                yield prepared

    def _open(self) -> dict[str, bytes]:
        if self._known is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._drop_half_a_line()
            self._known = {
                order_id: sha256(prepared).digest()
                for _, order_id, prepared in self._lines()
            }
        return self._known

    def _drop_half_a_line(self) -> None:
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


_TAB = b"\t"
"""Stands in no JSON text but between two of its words."""
