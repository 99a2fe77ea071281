"""Assesses the orders of a chunk. Used by a run and by a dry run."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from assets.delivery import event_change
from assets.delivery.assessment import Assessment, Assessor, may_be_reported
from assets.delivery.chunk import Chunk
from assets.delivery.destination_partition import DestinationPartition
from assets.delivery.remembered_keys import RememberedKeys
from assets.ledger import retry
from assets.ledger.delivery_rows import rows_of_orders
from assets.ledger.rows import Decision, Row
from assets.ledger.states import REPLANNABLE, State
from assets.providers.conversion import Conversion


class ChunkAssessor:
    """Decides what to do about the orders of a partition. It writes nothing.

    Attributes:
        remembered_keys: The keys of the chunk that was assessed or read last.

    Args:
        partition: The partition and its destination.
    """

    def __init__(self, partition: DestinationPartition) -> None:
        self.partition = partition
        self.remembered_keys = RememberedKeys(partition.provider, partition.ledger)
        self._provider = partition.provider
        self._ledger = partition.ledger
        self._decider = partition.decider

    def assess(self, chunk: Chunk, now: datetime) -> Assessment:
        """Return what to do about the orders of a chunk."""
        known = rows_of_orders(self._ledger, chunk.order_ids)
        chunk = self.remembered_keys.attach_to_chunk(chunk)
        found = Assessment()
        by_order = event_change.other_event_deliveries(
            known.values(), self._provider.event
        )
        for index, order_id in enumerate(chunk.order_ids):
            row = known.get(self._decider.conversion_key(order_id))
            earlier = by_order.get(order_id, [])
            event_change.end_earlier(found, earlier, self._provider)
            reported = [one for one in earlier if may_be_reported(one)]
            if reported and (row is None or not may_be_reported(row)):
                conversion = chunk.conversion(index)
                decision = self._decider.reported_before(conversion, reported[0])
                event_change.suppress_repeat(found, row, decision)
                # Their money belongs to the partition of the order.
                rows = [*reported, *([row] if row else [])]
                self._add_moved(found, rows, decision)
            else:
                self._assess_order(found, row, chunk, index, now)
                self.remembered_keys.update_reservations(found, chunk, index)
        return found

    def due(self, chunk: Chunk, now: datetime) -> list[Conversion]:
        """Return the planned conversions of a chunk that are to be sent now."""
        known = rows_of_orders(self._ledger, chunk.order_ids)
        keys = map(self._decider.conversion_key, chunk.order_ids)
        rows = [known.get(key) for key in keys]
        policy = self._provider.resend
        conversions = self.remembered_keys.attach(
            [
                chunk.conversion(index)
                for index, row in enumerate(rows)
                if row is not None and retry.is_due(row, policy, now)
            ]
        )
        # A conversion may have changed since it was planned: by a new extraction, or
        # while its delivery waited for its next attempt.
        return [
            one for one in conversions if self._provider.eligibility(one, now) is None
        ]

    def _assess_order(
        self,
        found: Assessment,
        row: Row | None,
        chunk: Chunk,
        index: int,
        now: datetime,
    ) -> None:
        source_hash = chunk.source_hashes[index]
        build = partial(chunk.conversion, index)
        decide = partial(self._decider.decide, source_hash=source_hash, now=now)
        if row is not None and row.partition_key != self.partition.partition_key:
            self._add_moved(found, [row], decide(build()))
        if row is None or row.state in REPLANNABLE:
            conversion = build()
            decision = decide(conversion)
            found.planned.append((row, decision))
            found.due += [conversion] if decision.state is State.PENDING else []
            return
        version = self.partition.destination.mapping_version
        is_changed = (row.source_hash, row.mapping_version) != (source_hash, version)
        assessor = Assessor(self._provider, decide, now)
        assessor.assess(found, row, build, is_changed=is_changed)

    def _add_moved(
        self, found: Assessment, rows: Iterable[Row], decision: Decision
    ) -> None:
        key = self.partition.partition_key
        found.moved += [(row, decision) for row in rows if row.partition_key != key]
