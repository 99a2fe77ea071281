"""Which deliveries are looked for in the provider's own list, and which together."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from assets.ledger.database import Database
from assets.ledger.retry import REPORTED_ELSEWHERE
from assets.ledger.states import State
from assets.ledger.tables import delivery
from assets.providers.base import QueueingProvider

NOT_FOUND = "not_found_at_provider"
ONCE = 10_000
"""Deliveries looked up in one run."""

_GAP = timedelta(days=1)

Row = Mapping[str, Any]


def sought(
    database: Database, destination: str, provider: QueueingProvider, now: datetime
) -> Sequence[Row]:
    """Return the deliveries that nobody answered for and that are not sent again.

    Args:
        database: The delivery tables.
        destination: Configured name.
        provider: Whose memory and whose list it is.
        now: The time of the look.
    """
    statement = (
        select(delivery)
        .where(
            delivery.c.destination == destination,
            # Under an earlier event an order of the same id is another conversion.
            delivery.c.conversion_key.startswith(f"{provider.event}:", autoescape=True),
            delivery.c.order_at > now - provider.lookup_max_age,
            delivery.c.state_reason.is_distinct_from(REPORTED_ELSEWHERE),
            or_(_is_unanswered(provider, now), _is_queued_blindly(now)),
        )
        .order_by(delivery.c.order_at, delivery.c.delivery_id)
        .limit(ONCE)
    )
    with database.read() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def _is_unanswered(provider: QueueingProvider, now: datetime) -> ColumnElement[bool]:
    window = provider.resend.window
    handled = [NOT_FOUND, *provider.alarms]
    not_resent: list[ColumnElement[bool]] = [delivery.c.accepted_at.is_not(None)]
    if window is not None:
        not_resent.append(delivery.c.first_sent_at < now - window)
    return and_(
        delivery.c.state == State.UNCERTAIN,
        func.coalesce(delivery.c.state_reason, "").not_in(handled),
        or_(*not_resent),
    )


def _is_queued_blindly(now: datetime) -> ColumnElement[bool]:
    return and_(
        delivery.c.state == State.QUEUED,
        delivery.c.provider_ref.is_(None),
        delivery.c.next_attempt_at <= now,
    )


def together(rows: Sequence[Row], span: timedelta) -> Iterator[Sequence[Row]]:
    """Cut rows, sorted by order time, into ranges that one look covers.

    Days without such an order are not asked for: the list of a day may be long.
    """
    start = 0
    for position, (row, following) in enumerate(pairwise(rows), start=1):
        gap = following["order_at"] - row["order_at"]
        if gap > _GAP or following["order_at"] - rows[start]["order_at"] > span:
            yield rows[start:position]
            start = position
    if rows:
        yield rows[start:]
