"""Checks that a day of orders lies in its window.

A statement that does not bound `completed_at` returns the orders of other days. They
would be sent once more, under this day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from assets.source.extract import Window
from assets.source.guards import GuardError
from assets.validation.rejects import Reject


@dataclass(slots=True)
class WindowGuard:
    """Counts the orders of a day that were completed outside its window.

    Attributes:
        partition_key: The day, `YYYY-MM-DD`.
        window: The bounds of the day.
    """

    partition_key: str
    window: Window
    _rows: int = 0
    _outside: int = 0
    _first: datetime | None = None
    _last: datetime | None = None

    def add_good(self, rows: pa.Table) -> None:
        """Compare validated rows of `completed_orders` with the window."""
        self._rows += len(rows)
        instants = rows["completed_at"]
        start, end = (pa.scalar(at, instants.type) for at in self.window)
        outside = pc.or_(pc.less(instants, start), pc.greater_equal(instants, end))
        self._note([at for at in instants.filter(outside).to_pylist() if at])

    def add_rejects(self, rejects: Sequence[Reject]) -> None:
        """Compare refused rows, where their time is readable."""
        self._rows += len(rejects)
        start, end = self.window
        instants = (one.order_at for one in rejects)
        self._note([at for at in instants if at and not start <= at < end])

    def check(self) -> None:
        """Refuse the day if a row lies outside the window. Nobody can override this.

        Raises:
            GuardError: At least one row does.
        """
        if self._first is None or self._last is None:
            return
        start, end = (at.isoformat() for at in self.window)
        message = (
            f"Extracting was refused for {self.partition_key}: expected orders whose "
            f"completed_at is in [{start}, {end}), got {self._outside} of "
            f"{self._rows} outside, from {self._first.isoformat()} to "
            f"{self._last.isoformat()}. Nothing was staged or sent. Bound "
            "`completed_at` by `:window_start` and `:window_end` in "
            "completed_orders.sql, then run the day again. --override does not apply."
        )
        raise GuardError(message)

    def _note(self, outside: list[datetime]) -> None:
        if outside:
            self._outside += len(outside)
            self._first = min(outside + ([self._first] if self._first else []))
            self._last = max(outside + ([self._last] if self._last else []))
