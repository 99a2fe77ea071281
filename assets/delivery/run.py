"""One run of one partition for one destination, from its lock to its closing entry.

It makes sure that nobody else sends, that a stop request ends the run in order, and
that the end of the run is recorded. Nothing here depends on Dagster.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import Any, Unpack

from sqlalchemy.exc import SQLAlchemyError

from assets.delivery.chunk import ReadChunks
from assets.delivery.destination import Destination
from assets.delivery.destination_partition import DestinationPartition
from assets.delivery.dispatch import Dispatch, RunOptions, Summary
from assets.delivery.signals import StopFlag, deferred_stop
from assets.ledger.database import Database, LedgerError, pooler_explained
from assets.ledger.ledger import Ledger
from assets.ledger.lock import LOCK_WAIT_SECONDS, destination_lock
from assets.ledger.rows import Clock
from assets.ledger.runs import end_run, start_run
from assets.ledger.spool import Spool
from assets.ledger.states import INELIGIBLE
from assets.transport.http import Transport
from assets.transport.reply_shapes import ReplyShapeRecorder


def deliver(
    destination: Destination,
    database: Database,
    transport: Transport,
    chunks: ReadChunks,
    *,
    partition_key: str,
    run_id: str,
    zone: tzinfo,
    quarantined: Iterable[Mapping[str, Any]] = (),
    spool_folder: Path | None = None,
    lock_timeout_s: float = LOCK_WAIT_SECONDS,
    clock: Clock | None = None,
    **options: Unpack[RunOptions],
) -> Summary:
    """Deliver what is due of a partition, as the only run of its destination.

    On SIGTERM or SIGINT it first finishes and records the requests in flight.

    Args:
        destination: The destination.
        database: The delivery tables.
        transport: Sends the requests. It is closed before another run may begin. It
            must hold nothing until it is used.
        chunks: Reads the staged conversions from the start, once per pass.
        partition_key: The day, `YYYY-MM-DD`.
        run_id: Stored with every change.
        zone: The time zone of `order_date`.
        quarantined: Rows of `quarantine_row` whose order is known.
        spool_folder: Stores outcomes while the delivery tables cannot.
        lock_timeout_s: Seconds to wait for another run of this destination.
        clock: Returns the time; None: the clock of the database.
        **options: As in `RunOptions`.

    Raises:
        DestinationBusyError: Another run did not end in time.
        LeaseLostError: Another run took over some of the deliveries.
        LedgerError: The delivery tables cannot be used.
    """
    shapes = ReplyShapeRecorder(transport, destination.replies)
    with (
        _database_errors_explained(destination.name, partition_key),
        pooler_explained(),
        _exclusive(database, destination, shapes, lock_timeout_s) as (lock, stop),
    ):
        ledger = _ledger(destination, database, run_id, clock)
        start_run(ledger, partition_key, destination.account)
        summary = Dispatch(
            DestinationPartition(
                destination, ledger, partition_key=partition_key, zone=zone
            ),
            shapes,
            spool=_spool(destination, spool_folder),
            holds_lock=lock,
            stop_requested=lambda: bool(stop),
            **options,
        ).run(chunks, quarantined)
        end_run(ledger, partition_key, _closing_entry(summary))
    return replace(summary, unexpected_shapes=shapes.unexpected())


@contextmanager
def _exclusive(
    database: Database,
    destination: Destination,
    shapes: ReplyShapeRecorder,
    lock_timeout_s: float,
) -> Iterator[tuple[Callable[[], bool], StopFlag]]:
    """Hold the lock of the destination and defer stop signals.

    Yields:
        Whether the lock is still held, and whether a stop was requested.
    """
    with (
        destination_lock(database, destination.name, max_wait=lock_timeout_s) as lock,
        deferred_stop() as stop,
        # Innermost: closing may write a file that the next run writes too.
        closing(shapes),
    ):
        yield lock, stop


def _ledger(
    destination: Destination, database: Database, run_id: str, clock: Clock | None
) -> Ledger:
    return Ledger(
        database,
        destination=destination.name,
        provider=destination.provider_name,
        run_id=run_id,
        clock=clock or database.clock(),
    )


def _spool(destination: Destination, folder: Path | None) -> Spool | None:
    return None if folder is None else Spool(folder / f"{destination.name}.jsonl")


@contextmanager
def _database_errors_explained(name: str, partition_key: str) -> Iterator[None]:
    """Say what to do where the delivery tables fail. Their texts may hold values."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = type(getattr(error, "orig", None) or error).__name__
        message = (
            f"Delivering failed for {name} {partition_key}: expected the delivery "
            f"tables to answer, got {cause}. What was not recorded was not sent, or is "
            "kept as sending. Repair the database, then run this partition again."
        )
        raise LedgerError(message) from None


def _closing_entry(summary: Summary) -> dict[str, Any]:
    stopped = summary.stop_reason
    return {
        "outcome": f"stopped_{stopped.partition(':')[0]}" if stopped else "complete",
        "stop_reason": stopped,
        "requests": summary.requests,
        "conversions_sent": summary.conversions_sent,
        "eligible": sum(
            one.orders for one in summary.totals if one.state not in INELIGIBLE
        ),
        "counts": _counts(summary),
        "amounts_minor": _amounts(summary),
    }


def _counts(summary: Summary) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for total in summary.totals:
        counts[total.state] += total.orders
    return dict(counts)


def _amounts(summary: Summary) -> dict[str, dict[str, int]]:
    """Return money in minor units, by state and currency."""
    amounts: dict[str, dict[str, int]] = {}
    for total in summary.totals:
        if total.currency is not None:
            amounts.setdefault(total.state, {})[total.currency] = total.amount_minor
    return amounts
