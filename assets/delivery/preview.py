"""The dry run: what a run would do with the staged and quarantined orders.

It opens no socket and writes nothing. Extracting the partition before it does write
staged files and `quarantine_row`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from assets.delivery.chunk import Chunk
from assets.delivery.chunk_assessor import ChunkAssessor
from assets.delivery.decision import build_failure
from assets.delivery.destination_partition import DestinationPartition
from assets.delivery.exchange import BatchExchange
from assets.ledger.delivery_rows import rows_of_orders
from assets.ledger.states import REPLANNABLE, State
from assets.providers.base import Provider
from assets.providers.conversion import Conversion


@dataclass(slots=True)
class Preview:
    """What a run of one partition would do for one destination.

    Attributes:
        requests: First requests. An exchange of several steps sends more.
        conversions: How many conversions would be sent.
        amounts: Revenue that would be sent, by currency.
        not_sent: Orders that would be suppressed or quarantined, by (state, reason).
    """

    requests: int = 0
    conversions: int = 0
    amounts: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    not_sent: Counter[tuple[str, str]] = field(default_factory=Counter)


def preview(
    partition: DestinationPartition,
    chunks: Iterable[Chunk],
    quarantined: Iterable[Mapping[str, Any]] = (),
) -> Preview:
    """Assess every chunk, and build every first request without sending it.

    Args:
        partition: The partition and its destination.
        chunks: The staged conversions.
        quarantined: Rows of `quarantine_row`, one per quarantined order.
    """
    found = Preview()
    assessor = ChunkAssessor(partition)
    _count_quarantined(found, partition, quarantined)
    for chunk in chunks:
        assessment = assessor.assess(chunk, partition.ledger.clock())
        for _, decision in assessment.planned:
            if decision.state is not State.PENDING:
                found.not_sent[decision.state, decision.reason or "?"] += 1
        for batch in partition.provider.batches(assessment.due):
            _count_batch(found, partition.provider, batch)
    return found


def _count_quarantined(
    found: Preview,
    partition: DestinationPartition,
    quarantined: Iterable[Mapping[str, Any]],
) -> None:
    """Count the quarantined orders that were never sent."""
    by_order = {row["order_id"]: row for row in quarantined}
    rows = rows_of_orders(partition.ledger, list(by_order)).values()
    sent = {row.delivery_id for row in rows if row.state not in REPLANNABLE}
    for order_id, row in by_order.items():
        if partition.delivery_id(order_id) not in sent:
            found.not_sent[State.QUARANTINED, row["reasons"][0]] += 1


def _count_batch(
    found: Preview, provider: Provider, batch: Sequence[Conversion]
) -> None:
    """Build the first request as a run does: a bad order affects only itself."""
    try:
        BatchExchange(provider, batch).build_first_request()
    except (ValueError, ArithmeticError, LookupError, TypeError) as error:
        if len(batch) > 1:
            for one in batch:
                _count_batch(found, provider, [one])
        else:
            found.not_sent[State.QUARANTINED, build_failure(error)[0]] += 1
        return
    found.requests += 1
    found.conversions += len(batch)
    for conversion in batch:
        found.amounts[conversion.currency] += conversion.revenue
