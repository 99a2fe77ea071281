"""Purges the bodies of old requests and replies.

Their hashes, sizes and outcomes stay, so that every attempt remains accounted for.
"""

from datetime import datetime

from sqlalchemy import (
    Engine,
    column,
    inspect,
    or_,
    select,
    table,
    tuple_,
    update,
)

from assets.ledger.database import Database
from assets.ledger.publishing import SCHEMA
from assets.ledger.tables import delivery_attempt

BATCH = 5_000
_PURGED = {"request_json": None, "response_text": None}


def purge_bodies(database: Database, before: datetime) -> int:
    """Set the bodies of attempts that happened before an instant to null.

    The work is split into short transactions, so that a run that sends at the same
    time waits only briefly.

    Args:
        database: The delivery tables.
        before: Aware UTC.

    Returns:
        Number of attempts whose bodies were purged.
    """
    attempt = delivery_attempt.c
    key = (attempt.attempt_id, attempt.event)
    has_body = or_(
        attempt.request_json.is_not(None), attempt.response_text.is_not(None)
    )
    old = select(*key).where(attempt.happened_at < before, has_body).limit(BATCH)
    total = 0
    while True:
        with database.write() as connection:
            found = [tuple(row) for row in connection.execute(old)]
            if found:
                is_found = tuple_(*key).in_(found)
                connection.execute(
                    update(delivery_attempt).where(is_found).values(_PURGED)
                )
        total += len(found)
        if len(found) < BATCH:
            return total


def purge_published_bodies(warehouse: Engine, before: datetime) -> None:
    """Do the same in the published copy in the warehouse, if there is one."""
    name = delivery_attempt.name
    if not inspect(warehouse).has_table(name, schema=SCHEMA):
        return
    names = ("happened_at", *_PURGED)
    copy = table(name, *(column(one) for one in names), schema=SCHEMA)
    with warehouse.begin() as connection:
        connection.execute(
            update(copy).where(copy.c.happened_at < before).values(_PURGED)
        )
