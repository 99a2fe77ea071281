"""Stores results on disk that the ledger could not record, until the next run.

If the delivery tables cannot be reached after a reply, the reply must not be lost:
without it a delivered order would be uncertain.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from assets.ledger.rows import Result
from assets.ledger.states import State


class Spool:
    """The results of one destination that are not recorded yet.

    Args:
        file: JSON Lines; created with its folders on the first result.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def append(self, owner: str, results: Sequence[Result]) -> None:
        """Append results; they are durable when this returns.

        Args:
            owner: The owner of the claims, the fence when they are recorded.
            results: The results of attempts.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as lines:
            for result in results:
                line = {"owner": owner, **asdict(result)}
                lines.write(json.dumps(line, default=_encode) + "\n")
            lines.flush()
            os.fsync(lines.fileno())

    def read(self) -> list[tuple[str, Result]]:
        """Return the stored results with their owners, without a torn last line."""
        if not self.file.exists():
            return []
        with self.file.open(encoding="utf-8") as lines:
            return [_read(json.loads(one)) for one in lines if one.endswith("\n")]

    def clear(self) -> None:
        """Delete the file once its results are recorded."""
        self.file.unlink(missing_ok=True)


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"instant": value.isoformat()}
    message = f"Spooling failed: expected JSON values, got {type(value).__name__}."
    raise TypeError(message)


def _read(line: dict[str, Any]) -> tuple[str, Result]:
    owner = line.pop("owner")
    line["changes"] = {key: _decode(one) for key, one in line["changes"].items()}
    for kind in ("attempts", "issues"):
        line[kind] = [
            {key: _decode(one) for key, one in row.items()} for row in line[kind]
        ]
    return owner, Result(**{**line, "state": State(line["state"])})


def _decode(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"instant"}:
        return datetime.fromisoformat(value["instant"])
    return value
