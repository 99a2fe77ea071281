"""Orders that have deliveries under another event of the same destination.

A destination reports one event. Where that setting changed, an order may have one
delivery per event. The order is reported once, and its other deliveries are ended.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from assets.delivery.assessment import (
    EVENT_CHANGED,
    SUPERSEDED,
    Assessment,
    may_be_reported,
)
from assets.delivery.decision import suppressed
from assets.ledger import retry
from assets.ledger.rows import Decision, Row
from assets.ledger.states import REPLANNABLE
from assets.providers.base import Provider


def other_event_deliveries(
    rows: Iterable[Row], event: str
) -> Mapping[str, Sequence[Row]]:
    """Return the deliveries of other events than `event`, by order id."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.conversion_key != f"{event}:{row.order_id}":
            found[row.order_id].append(row)
    return found


def end_earlier(found: Assessment, earlier: Iterable[Row], provider: Provider) -> None:
    """End the deliveries of an order under other events, which no run would send."""
    detail = f"the destination reports event {provider.event} now"
    open_states = retry.sendable_states(provider.resend)
    for row in earlier:
        if not may_be_reported(row):
            if row.state_reason not in SUPERSEDED:
                decision = suppressed(row, EVENT_CHANGED, detail)
                found.revised.append((row, decision))
        elif row.accepted_at is None and row.state in open_states:
            found.exhausted.append((row, EVENT_CHANGED, detail))


def suppress_repeat(found: Assessment, row: Row | None, decision: Decision) -> None:
    """Suppress an order that was reported under another event."""
    if row is None or row.state in REPLANNABLE:
        found.planned.append((row, decision))
    else:
        found.revised.append((row, decision))
