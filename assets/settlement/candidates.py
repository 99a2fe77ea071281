"""Selects the deliveries to look up in the provider's list, and groups them."""

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
MAX_CANDIDATES = 10_000
"""How many deliveries one run looks up."""

_MAX_GAP = timedelta(days=1)

Row = Mapping[str, Any]


def lookup_candidates(
    database: Database, destination: str, provider: QueueingProvider, now: datetime
) -> Sequence[Row]:
    """Return the deliveries with unknown outcome that are not sent again.

    Args:
        database: The delivery tables.
        destination: The configured name.
        provider: The provider with the list.
        now: The time of the look-up.
    """
    statement = (
        select(delivery)
        .where(
            delivery.c.destination == destination,
            # Under an earlier event, an order with the same id is another conversion.
            delivery.c.conversion_key.startswith(f"{provider.event}:", autoescape=True),
            delivery.c.order_at > now - provider.lookup_max_age,
            delivery.c.state_reason.is_distinct_from(REPORTED_ELSEWHERE),
            or_(_has_unknown_outcome(provider, now), _is_queued_without_reference(now)),
        )
        .order_by(delivery.c.order_at, delivery.c.delivery_id)
        .limit(MAX_CANDIDATES)
    )
    with database.read() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def _has_unknown_outcome(
    provider: QueueingProvider, now: datetime
) -> ColumnElement[bool]:
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


def _is_queued_without_reference(now: datetime) -> ColumnElement[bool]:
    return and_(
        delivery.c.state == State.QUEUED,
        delivery.c.provider_ref.is_(None),
        delivery.c.next_attempt_at <= now,
    )


def group_by_order_time(
    rows: Sequence[Row], span: timedelta
) -> Iterator[Sequence[Row]]:
    """Group rows into time ranges that one look-up covers.

    Days without such an order are not asked for, because the list of a day may be long.

    Args:
        rows: Sorted by order time.
        span: The longest range of one group.
    """
    start = 0
    for position, (row, following) in enumerate(pairwise(rows), start=1):
        gap = following["order_at"] - row["order_at"]
        is_too_long = following["order_at"] - rows[start]["order_at"] > span
        if gap > _MAX_GAP or is_too_long:
            yield rows[start:position]
            start = position
    if rows:
        yield rows[start:]
