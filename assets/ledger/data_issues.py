"""Table `data_issue`: what is unclear about an order that is sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from assets.ledger.database import insert_or_update
from assets.ledger.tables import data_issue


def issue_row(
    partition_key: str,
    at: datetime,
    *,
    order_id: str,
    code: str,
    subject: str,
    detail: str | None = None,
    destination: str | None = None,
) -> dict[str, Any]:
    """Return a row of `data_issue`.

    Args:
        partition_key: The partition of the order.
        at: When the issue was seen, aware UTC.
        order_id: The order.
        code: A code of the closed list in `docs/delivery-tables.md`.
        subject: The part of the order: a column, an experience, a destination.
        detail: What was expected and what was found.
        destination: The destination that the issue concerns; None: all of them.
    """
    return {
        "partition_key": partition_key,
        "order_id": order_id,
        "code": code,
        "subject": subject,
        "detail": detail,
        "destination": destination,
        "first_seen": at,
        "last_seen": at,
    }


def write_issues(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write data issues in the caller's transaction; known ones keep `first_seen`."""
    if rows:
        columns = ("detail", "last_seen")
        statement = insert_or_update(connection, data_issue, columns)
        connection.execute(statement, list(rows))
