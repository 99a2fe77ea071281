"""Orders that were reported under an id that is spelled in an unclear way.

Validation refuses such ids, so these are orders of earlier versions. After their ids
were corrected in the warehouse they look like orders that were never reported.
"""

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection, select

from assets.ledger.bind_limit import bind_batches
from assets.ledger.database import Database
from assets.ledger.tables import delivery, order_day

_NOT_PLAIN_ASCII = {"postgresql": ("~", "[^!-\\~]"), "sqlite": ("GLOB", "*[^!-~]*")}
"""Database -> operator and pattern for a text with more than visible ASCII."""


def reported_spellings(
    database: Database, clear_spelling: Callable[[str], str]
) -> dict[str, str]:
    """Return the reported orders whose ids are unclear: clear spelling -> order id.

    Args:
        database: The delivery tables.
        clear_spelling: Returns the clear spelling of an id.
    """
    with database.read() as connection:
        operator, pattern = _NOT_PLAIN_ASCII[connection.dialect.name]
        statement = select(order_day.c.order_id).where(
            order_day.c.order_id.op(operator, is_comparison=True)(pattern)
        )
        unclear = [
            order_id
            for order_id in connection.execute(statement).scalars()
            if clear_spelling(order_id) != order_id
        ]
        reported = sent_orders(connection, unclear)
    return {clear_spelling(one): one for one in sorted(reported)}


def sent_orders(connection: Connection, order_ids: Iterable[str]) -> set[str]:
    """Return those of `order_ids` of which something was sent to any destination."""
    found: set[str] = set()
    known: Sequence[str] = sorted(set(order_ids))
    for some in bind_batches(known):
        statement = select(delivery.c.order_id).where(
            delivery.c.order_id.in_(some), delivery.c.attempts > 0
        )
        found.update(connection.execute(statement).scalars())
    return found
