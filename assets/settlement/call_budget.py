"""Limits how often a provider is asked in an hour, counted over all runs.

Calls are recorded before they are made, so that a run that dies has used them too.
"""

from datetime import timedelta
from hashlib import sha256
from typing import Literal

from sqlalchemy import Connection, delete, func, select, text

from assets.ledger.ledger import Ledger
from assets.ledger.rows import new_attempt_id
from assets.ledger.tables import question

HOUR = timedelta(hours=1)


class CallBudget:
    """The calls of one kind that a destination has left in the current hour.

    Args:
        ledger: The ledger of the destination and the run.
        kind: `settle`: about submissions. `lookup`: pages of the provider's list.
    """

    def __init__(self, ledger: Ledger, kind: Literal["settle", "lookup"]) -> None:
        self._ledger = ledger
        self._kind = kind

    def take(self, wanted: int, per_hour: int) -> int:
        """Return how many calls may be made now. They count as made.

        Args:
            wanted: How many calls are wanted.
            per_hour: How many calls are allowed in an hour.
        """
        now = self._ledger.clock()
        own = (
            question.c.destination == self._ledger.destination,
            question.c.kind == self._kind,
        )
        made = select(func.coalesce(func.sum(question.c.calls), 0)).where(*own)
        with self._ledger.database.write() as connection:
            self._serialize(connection)
            connection.execute(
                delete(question).where(*own, question.c.asked_at <= now - HOUR)
            )
            left = per_hour - int(connection.execute(made).scalar_one())
            allowed = max(0, min(wanted, left))
            if allowed:
                connection.execute(
                    question.insert().values(
                        question_id=new_attempt_id(),
                        destination=self._ledger.destination,
                        kind=self._kind,
                        asked_at=now,
                        calls=allowed,
                        run_id=self._ledger.run_id,
                    )
                )
        return allowed

    def _serialize(self, connection: Connection) -> None:
        """Take a lock, so that no two runs count before either has written."""
        if connection.dialect.name == "postgresql":
            name = f"question:{self._ledger.destination}:{self._kind}"
            digest = sha256(name.encode()).digest()
            connection.execute(
                text("select pg_advisory_xact_lock(:key)"),
                {"key": int.from_bytes(digest[:8], "big", signed=True)},
            )
