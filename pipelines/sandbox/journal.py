"""The journal: every request the sandbox received and what came of it.

One JSON object a line, appended and flushed as requests come. The same entries are
kept in memory for tests and for `GET /journal`. No meaning of a provider belongs here.
"""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO


@dataclass(frozen=True)
class Entry:
    """One request.

    Attributes:
        at: When it came, ISO 8601 in UTC.
        path: With prefix and query, as it was sent.
        status: What was answered; None where the connection was cut instead.
        headers: Names in lower case; credentials replaced by `present`.
        body: The parsed body, or its text where it could not be parsed.
        order_ids: The orders in it, one entry per event.
        accepted: Whether it passed the checks and no fault kept it from the provider.
        applied: Whether it took effect; an accepted repeat does not.
        fault: The fault that met it, such as `status=503`, or None.
        reply: The body of the reply, also where it never went out.
        path_template: The path without account, ids and query.
    """

    at: str
    provider: str
    account: str
    method: str
    path: str
    status: int | None
    headers: dict[str, str]
    body: object
    order_ids: list[str]
    accepted: bool
    applied: bool
    fault: str | None
    reply: object
    path_template: str = ""

    def to_line(self) -> str:
        """The entry as a line of JSON."""
        return json.dumps(vars(self)) + "\n"


class Journal:
    """Appends entries to a file, if there is one, and keeps them in memory."""

    def __init__(self, path: Path | None = None, *, keep: int | None = None) -> None:
        """Opens the file.

        Args:
            path: File to append to; None keeps entries in memory only.
            keep: How many of the latest entries stay in memory; None keeps all.
        """
        self._kept: deque[Entry] = deque(maxlen=keep)
        self._path = path
        self._file: TextIO | None = None

    @property
    def entries(self) -> list[Entry]:
        """The entries in memory, oldest first."""
        return list(self._kept)

    def load(self) -> Iterator[Entry]:
        """Yields what the file holds from earlier runs, and keeps it in memory."""
        if self._path is None or not self._path.exists():
            return
        for entry in read(self._path):
            self._kept.append(entry)
            yield entry

    def append(self, entry: Entry) -> None:
        """Adds one entry; it is in the file when this returns."""
        self._kept.append(entry)
        if self._path is None:
            return
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8")
        self._file.write(entry.to_line())
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def read(path: Path) -> Iterator[Entry]:
    """Reads a journal file.

    Raises:
        ValueError: A line is not an entry; the message names file and line.
    """
    with path.open(encoding="utf-8") as lines:
        for position, line in enumerate(lines, start=1):
            try:
                yield Entry(**json.loads(line))
            except (ValueError, TypeError) as error:
                message = (
                    f"{path} line {position}: expected an entry of a sandbox journal "
                    f"({error}). Move the file away or give another one."
                )
                raise ValueError(message) from error
