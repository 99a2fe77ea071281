"""What a run would do: the dry run of what is staged and quarantined.

No socket is opened and nothing is written here; extracting the partition beforehand did
write staged files and `quarantine_row`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from assets.delivery.decision import fault_of
from assets.delivery.exchange import Conversation
from assets.delivery.planner import Chunk, Planner
from assets.ledger.delivery_rows import rows_of_orders
from assets.ledger.states import REPLANNABLE, State
from assets.providers.base import Provider
from assets.providers.conversion import Conversion


@dataclass(slots=True)
class Preview:
    """What a run of one partition would do for one destination.

    Attributes:
        requests: First requests; an exchange of several steps makes more.
        conversions: That would be sent.
        amounts: Revenue that would be sent, by currency.
        withheld: Orders that would be held back, by (state, reason).
    """

    requests: int = 0
    conversions: int = 0
    amounts: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    withheld: Counter[tuple[str, str]] = field(default_factory=Counter)


def preview(
    planner: Planner,
    chunks: Iterable[Chunk],
    quarantined: Iterable[Mapping[str, Any]] = (),
) -> Preview:
    """Assess every chunk and build, but do not send, every first request.

    Args:
        planner: Of the destination.
        chunks: The staged conversions.
        quarantined: Rows of `quarantine_row`, one per order that is held back.
    """
    found = Preview()
    _hold(found, planner, quarantined)
    for chunk in chunks:
        assessment = planner.assess(chunk, planner.ledger.clock())
        for _, decision in assessment.planned:
            if decision.state is not State.PENDING:
                found.withheld[decision.state, decision.reason or "?"] += 1
        for batch in planner.provider.batches(assessment.due):
            _build(found, planner.provider, batch)
    return found


def _hold(
    found: Preview, planner: Planner, quarantined: Iterable[Mapping[str, Any]]
) -> None:
    """Count the quarantined orders of which nothing was ever sent."""
    by_order = {row["order_id"]: row for row in quarantined}
    rows = rows_of_orders(planner.ledger, list(by_order)).values()
    sent = {row.delivery_id for row in rows if row.state not in REPLANNABLE}
    for order_id, row in by_order.items():
        if planner.delivery_id(order_id) not in sent:
            found.withheld[State.QUARANTINED, row["reasons"][0]] += 1


def _build(found: Preview, provider: Provider, batch: Sequence[Conversion]) -> None:
    """Build the first request as a run does: a bad order costs only itself."""
    try:
        Conversation(provider, batch).open()
    except (ValueError, ArithmeticError, LookupError, TypeError) as broken:
        if len(batch) > 1:
            for one in batch:
                _build(found, provider, [one])
        else:
            found.withheld[State.QUARANTINED, fault_of(broken)[0]] += 1
        return
    found.requests += 1
    found.conversions += len(batch)
    for conversion in batch:
        found.amounts[conversion.currency] += conversion.revenue
