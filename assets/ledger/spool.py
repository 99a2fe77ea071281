"""Outcomes that the ledger could not take: kept on disk until the next run.

If the delivery tables cannot be reached after a reply came, what it said must not be
lost: without it a delivered order would look unanswered.
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
    """The outcomes of one destination that still have to be recorded.

    Args:
        file: JSON Lines; made with its folders on the first outcome.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def append(self, owner: str, results: Sequence[Result]) -> None:
        """Write outcomes, durable when this returns.

        Args:
            owner: Who had claimed the deliveries: the fence.
            results: What the attempts came to.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as lines:
            for result in results:
                line = {"owner": owner, **asdict(result)}
                lines.write(json.dumps(line, default=_written) + "\n")
            lines.flush()
            os.fsync(lines.fileno())

    def read(self) -> list[tuple[str, Result]]:
        """Return what is kept, each outcome with its owner; a torn last line is not."""
        if not self.file.exists():
            return []
        with self.file.open(encoding="utf-8") as lines:
            return [_read(json.loads(one)) for one in lines if one.endswith("\n")]

    def clear(self) -> None:
        """Forget what was recorded."""
        self.file.unlink(missing_ok=True)


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"instant": value.isoformat()}
    message = f"an outcome holds a {type(value).__name__}"
    raise TypeError(message)


def _read(line: dict[str, Any]) -> tuple[str, Result]:
    owner = line.pop("owner")
    line["changes"] = {key: _value(one) for key, one in line["changes"].items()}
    for kind in ("attempts", "issues"):
        line[kind] = [
            {key: _value(one) for key, one in row.items()} for row in line[kind]
        ]
    return owner, Result(**{**line, "state": State(line["state"])})


def _value(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"instant"}:
        return datetime.fromisoformat(value["instant"])
    return value
