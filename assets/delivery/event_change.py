"""Orders that a destination was or was to be told of under another event.

A destination reports one event; where the setting changed, an order may have a delivery
of each. It is reported once, and what is left of the earlier ones comes to an end.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from assets.delivery.assessment import (
    EVENT_CHANGED,
    SUPERSEDED,
    Assessment,
    may_be_reported,
)
from assets.delivery.decision import ended
from assets.ledger import retry
from assets.ledger.rows import Decision, Row
from assets.ledger.states import SOFT
from assets.providers.base import Provider


def by_order(rows: Iterable[Row], event: str) -> Mapping[str, Sequence[Row]]:
    """Return the deliveries of other events than `event`, by order id."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.conversion_key != f"{event}:{row.order_id}":
            found[row.order_id].append(row)
    return found


def end(found: Assessment, before: Iterable[Row], provider: Provider) -> None:
    """End the deliveries of an order under other events: no run comes to them."""
    detail = f"the destination reports event {provider.event} now"
    open_states = retry.sendable_states(provider.resend)
    for row in before:
        if not may_be_reported(row):
            if row.state_reason not in SUPERSEDED:
                found.revised.append((row, ended(row, EVENT_CHANGED, detail)))
        elif row.accepted_at is None and row.state in open_states:
            found.given_up.append((row, EVENT_CHANGED, detail))


def leave(found: Assessment, row: Row | None, decision: Decision) -> None:
    """Do not report an order again that was reported under another event."""
    if row is None or row.state in SOFT:
        found.planned.append((row, decision))
    else:
        found.revised.append((row, decision))
