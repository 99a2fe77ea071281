"""Rows of `delivery_attempt`: the table is append-only.

Every function joins the transaction of its caller.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from assets.ledger.database import insert_if_new
from assets.ledger.rows import Result
from assets.ledger.tables import delivery_attempt


def append_attempts(
    connection: Connection, results: Sequence[Result], *, event: str
) -> None:
    """Append the attempts of results under one event, `outcome` or `fenced`."""
    rows = [{**row, "event": event} for one in results for row in one.attempts]
    if rows:
        # A fenced attempt may arrive twice. Any other event that does is a bug.
        may_exist = event == "fenced"
        plain = delivery_attempt.insert()
        insert = insert_if_new(connection, delivery_attempt) if may_exist else plain
        connection.execute(insert, rows)


def drop_recorded(connection: Connection, results: Sequence[Result]) -> list[Result]:
    """Return the results without those whose outcome is recorded already."""
    ids = [row["attempt_id"] for one in results for row in one.attempts]
    statement = select(delivery_attempt.c.attempt_id).where(
        delivery_attempt.c.attempt_id.in_(ids), delivery_attempt.c.event == "outcome"
    )
    recorded = set(connection.execute(statement).scalars()) if ids else set()
    return [
        one
        for one in results
        if recorded.isdisjoint(row["attempt_id"] for row in one.attempts)
    ]
