"""Sends one window of batches: build, claim, send, record.

The intent of each request is committed before its first byte leaves, and every reply is
recorded before the next window is sent. When a window is sent, and how large it is, is
decided in `flow_control.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import Any

from sqlalchemy import Connection

from assets.delivery import lease
from assets.delivery.batch_queue import Batch
from assets.delivery.claimed_batch import ClaimedBatch
from assets.delivery.destination_partition import DestinationPartition
from assets.delivery.exchange import BatchExchange, Step
from assets.delivery.lease import LeaseLostError
from assets.delivery.planner import Planner
from assets.delivery.rate_limit import RateLimit
from assets.delivery.recorder import OutcomeRecorder
from assets.ledger import retry
from assets.ledger.previous_sends import attach_previous_sends
from assets.ledger.rows import Claimed
from assets.providers.conversion import Conversion
from assets.providers.replies import Outcome, Reply
from assets.transport.http import Transport


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The result of one window.

    Attributes:
        exchanges: The last reply and the outcomes of each exchange.
        requests: How many requests were sent.
    """

    exchanges: Sequence[tuple[Reply, Sequence[Outcome]]]
    requests: int

    @property
    def replies(self) -> list[Reply]:
        """The last reply of each exchange."""
        return [reply for reply, _ in self.exchanges]

    @property
    def outcomes(self) -> list[Outcome]:
        """One outcome per conversion."""
        return list(chain.from_iterable(own for _, own in self.exchanges))


class Sender:
    """Sends windows of batches.

    Args:
        partition: The partition and its destination.
        planner: Quarantines conversions whose request cannot be built.
        recorder: Records the outcomes.
        transport: Sends the requests.
        rate_limit: Tells when the next request may be sent.
        holds_lock: Returns whether this run still holds the lock of its destination.
    """

    def __init__(
        self,
        partition: DestinationPartition,
        planner: Planner,
        recorder: OutcomeRecorder,
        transport: Transport,
        rate_limit: RateLimit,
        *,
        holds_lock: Callable[[], bool] | None = None,
    ) -> None:
        self._partition = partition
        self._provider = partition.provider
        self._ledger = partition.ledger
        self._planner = planner
        self._recorder = recorder
        self._transport = transport
        self._rate_limit = rate_limit
        self._holds_lock = holds_lock or (lambda: True)
        self._lease = lease.LEASE + timedelta(seconds=2 * rate_limit.interval)
        self._claims_of_window: list[Claimed] = []

    def send(self, pool: ThreadPoolExecutor, window: Sequence[Batch]) -> WindowResult:
        """Send the batches of a window at once and record their outcomes.

        Args:
            pool: Its threads send the batches.
            window: The batches.

        Raises:
            LeaseLostError: Another run took over some of the deliveries.
            LedgerError: The outcomes could not be recorded; they are in the spool.
        """
        batches = self._claim(self._build(window))
        list(pool.map(self._run, batches))
        self._recorder.record(batches)
        exchanges = [batch.exchange for batch in batches]
        return WindowResult(
            [(one.last_reply, one.outcomes) for one in exchanges],
            sum(one.requests for one in exchanges),
        )

    def _build(self, window: Sequence[Batch]) -> list[BatchExchange]:
        """Build first requests before the claim, so that a bad row uses no attempt."""
        built = []
        for batch in window:
            exchange = BatchExchange(self._provider, batch)
            try:
                exchange.build_first_request()
            except (ValueError, ArithmeticError, LookupError, TypeError) as error:
                if len(batch) > 1:
                    built += self._build([[one] for one in batch])
                else:
                    self._planner.quarantine_conversion(batch[0], error)
            else:
                built.append(exchange)
        return built

    def _claim(self, exchanges: Sequence[BatchExchange]) -> list[ClaimedBatch]:
        """Claim the deliveries of a window and write their intents in one commit."""
        wanted = [self._id(one) for exchange in exchanges for one in exchange.batch]
        if not wanted:
            return []
        self._claims_of_window = []
        if not self._holds_lock():
            message = (
                f"Sending failed for {self._ledger.destination} "
                f"{self._partition.partition_key}: expected this run to hold the lock "
                "of the destination, got a lost lock. Another run may have taken it. "
                "Run this partition again."
            )
            raise LeaseLostError(message)
        now = self._ledger.clock()
        states = retry.sendable_states(self._provider.resend)
        with self._ledger.database.write() as connection:
            claims = self._ledger.claim(
                connection,
                wanted,
                states,
                now + self._lease,
                retry.resendable_since(self._provider.resend, now),
            )
            claims |= attach_previous_sends(connection, claims.values())
            claimed = [self._claimed(exchange, claims) for exchange in exchanges]
            batches = [batch for batch in claimed if batch is not None]
            for batch in batches:
                first = batch.exchange.steps[0]
                self._write_intents(connection, batch.intents(first, now))
        self._claims_of_window = [one for batch in batches for one in batch.claims]
        return batches

    def _claimed(
        self, exchange: BatchExchange, claims: Mapping[str, Claimed]
    ) -> ClaimedBatch | None:
        """Keep the conversions that were claimed; rebuild where some were not."""
        ids = [self._id(one) for one in exchange.batch]
        if not all(one in claims for one in ids):
            pairs = zip(ids, exchange.batch, strict=True)
            batch = [one for key, one in pairs if key in claims]
            if not batch:
                return None
            exchange = BatchExchange(self._provider, batch)
            exchange.build_first_request()
        return ClaimedBatch(exchange, [claims[one] for one in ids if one in claims])

    def _run(self, batch: ClaimedBatch) -> None:
        commit_intent = partial(self._commit_intent, batch)
        batch.exchange.run(self._transport, commit_intent, self._rate_limit.wait)

    def _commit_intent(self, batch: ClaimedBatch, step: Step) -> None:
        now = self._ledger.clock()
        # Renew the whole window: its finished batches wait for this one to be recorded.
        claims, until = self._claims_of_window, now + self._lease
        with self._ledger.database.write() as connection:
            if not self._ledger.renew(connection, claims, until):
                message = (
                    f"Sending failed for {self._ledger.destination} "
                    f"{self._partition.partition_key}: expected to renew the lease "
                    "before a further request, got a lease that another run took "
                    "over. The request was not sent. Run this partition again."
                )
                raise LeaseLostError(message)
            self._write_intents(connection, batch.intents(step, now))

    def _write_intents(
        self, connection: Connection, rows: Sequence[dict[str, Any]]
    ) -> None:
        columns = self._partition.attempt_columns
        self._ledger.write_intents(connection, [row | columns for row in rows])

    def _id(self, conversion: Conversion) -> str:
        return self._partition.delivery_id(conversion.order_id)
