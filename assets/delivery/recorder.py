"""Records the outcomes of a window, in the delivery tables or in the spool."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from assets import money
from assets.delivery import outcomes
from assets.delivery.claimed_batch import ClaimedBatch
from assets.delivery.data_issues import drift_issue
from assets.delivery.destination_partition import DestinationPartition
from assets.delivery.lease import LeaseLostError
from assets.delivery.remembered_keys import RememberedKeys
from assets.ledger.database import LedgerError
from assets.ledger.rows import Result
from assets.ledger.spool import Spool
from assets.providers.conversion import Conversion

RECORD_TIMEOUT_SECONDS = 60.0
RECORD_RETRY_SECONDS = 2.0


class OutcomeRecorder:
    """Records what became of the claimed batches of a run.

    Args:
        partition: The partition and its destination.
        remembered_keys: Gets the keys that were recorded.
        spool: Stores outcomes that the ledger cannot store. None: the error is raised.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        partition: DestinationPartition,
        remembered_keys: RememberedKeys,
        *,
        spool: Spool | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._partition = partition
        self._remembered_keys = remembered_keys
        self._ledger = partition.ledger
        self._spool = spool
        self._sleep = sleep

    def replay(self) -> int:
        """Record the outcomes that an earlier run spooled; return how many."""
        if self._spool is None:
            return 0
        kept = self._spool.read()
        for owner, result in kept:
            self._ledger.record([result], owner=owner)
        # Even an empty spool: the next outcome must not follow half a line.
        self._spool.clear()
        return len(kept)

    def record(self, batches: Sequence[ClaimedBatch]) -> None:
        """Record the outcomes of a window.

        Raises:
            LeaseLostError: Another run took over some of the deliveries.
            LedgerError: The outcomes could not be recorded; they are in the spool.
            Exception: The error of an exchange, after all outcomes are recorded.
        """
        now = self._ledger.clock()
        results = [
            self._result(batch, position, now)
            for batch in batches
            for position in range(len(batch.conversions))
        ]
        fenced = self._commit(results) if results else 0
        for result in results:
            self._remembered_keys.add(result.learnt)
        for batch in batches:
            if batch.exchange.error is not None:
                raise batch.exchange.error
        if fenced:
            message = (
                f"Recording failed for {self._ledger.destination} "
                f"{self._partition.partition_key}: expected this run to hold "
                f"{len(results)} deliveries, got {fenced} that another run took over. "
                "Wait for that run to end, then run this partition again."
            )
            raise LeaseLostError(message)

    def _commit(self, results: Sequence[Result]) -> int:
        """Record the results; retry for a minute, then spool them."""
        waited = 0.0
        while True:
            try:
                return self._ledger.record(results)
            except SQLAlchemyError as error:
                if waited >= RECORD_TIMEOUT_SECONDS:
                    self._save_to_spool(results, error)
            self._sleep(RECORD_RETRY_SECONDS)
            waited += RECORD_RETRY_SECONDS

    def _save_to_spool(self, results: Sequence[Result], error: SQLAlchemyError) -> None:
        if self._spool is None:
            raise error
        self._spool.append(self._ledger.owner, results)
        message = (
            f"Recording failed for {self._ledger.destination} "
            f"{self._partition.partition_key}: expected the delivery tables to take "
            f"{len(results)} outcomes, got {type(error).__name__} for a minute. The "
            "outcomes are kept on disk. Repair the database, then run this partition "
            "again."
        )
        raise LedgerError(message) from None

    def _result(self, batch: ClaimedBatch, position: int, now: datetime) -> Result:
        exchange, claim = batch.exchange, batch.claims[position]
        outcome = exchange.outcomes[position]
        conversion = batch.conversions[position]
        content = self._content(conversion, exchange.payload_hashes[position])
        state, changes = outcomes.apply(
            outcome,
            claim,
            self._partition.provider,
            now=now,
            may_have_left=exchange.may_have_left(position),
            content=content,
        )
        has_drifted = outcomes.is_older_version_counted(outcome, claim, content)
        return Result(
            delivery_id=claim.delivery_id,
            attempt_no=claim.attempt_no,
            state=state,
            changes=changes,
            attempts=[
                row | self._partition.attempt_columns
                for row in batch.attempts(position, state)
            ],
            issues=[drift_issue(self._partition, conversion.order_id, state, now)]
            if has_drifted
            else (),
            learnt=dict.fromkeys(outcome.remember, conversion.order_id),
        )

    def _content(self, conversion: Conversion, payload_hash: str) -> dict[str, Any]:
        """Return the columns that describe what is reported of a conversion."""
        digits = conversion.currency_digits
        return {
            "amount_minor": money.to_minor(conversion.revenue, digits),
            "currency": conversion.currency,
            "currency_digits": digits,
            "source_hash": conversion.source_hash,
            "mapping_version": self._partition.destination.mapping_version,
            "payload_hash": payload_hash,
        }
