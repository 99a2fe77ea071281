"""What a run would do, without a socket and without a write: the dry run."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from assets.delivery.planning import Chunk, Planner
from assets.delivery.states import State


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


def preview(planner: Planner, chunks: Iterable[Chunk]) -> Preview:
    """Assess every chunk and build, but do not send, every first request.

    Raises:
        ValueError: A request cannot be built.
    """
    found = Preview()
    for chunk in chunks:
        assessment = planner.assess(chunk, planner.ledger.clock())
        for _, decision in assessment.planned:
            if decision.state is not State.PENDING:
                found.withheld[decision.state, decision.reason or "?"] += 1
        for batch in planner.provider.batches(assessment.due):
            next(planner.provider.exchange(batch))
            found.requests += 1
            found.conversions += len(batch)
            for conversion in batch:
                found.amounts[conversion.currency] += conversion.revenue
    return found
