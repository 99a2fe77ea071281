"""One run of one partition for one destination, from its lock to its closing entry.

What surrounds the sending belongs here: that nobody else sends, that a run told to stop
ends well, that how it ended is written down. No Dagster.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from assets.delivery.dispatch import Dispatch, Summary
from assets.delivery.planner import Chunk, Destination
from assets.delivery.signals import deferred_stop
from assets.ledger.database import Database, LedgerError
from assets.ledger.ledger import Ledger
from assets.ledger.lock import PATIENCE_SECONDS, destination_lock
from assets.ledger.rows import Clock
from assets.ledger.runs import end_run, start_run
from assets.ledger.spool import Spool
from assets.ledger.states import NOT_SENT
from assets.transport.http import Transport
from assets.transport.reply_shapes import Watch


def deliver(
    destination: Destination,
    database: Database,
    transport: Transport,
    chunks: Callable[[], Iterable[Chunk]],
    *,
    partition_key: str,
    run_id: str,
    zone: tzinfo,
    quarantined: Iterable[Mapping[str, Any]] = (),
    limit: int | None = None,
    spool_folder: Path | None = None,
    patience: float = PATIENCE_SECONDS,
    clock: Clock | None = None,
    sleep: Callable[[float], None] = time.sleep,
    on_progress: Callable[[int, int], None] = lambda _sent, _due: None,
    on_warning: Callable[[str], None] = lambda _text: None,
) -> Summary:
    """Deliver what is due of a partition; alone for its destination.

    Told to stop (SIGTERM, SIGINT), it finishes and records what is on the wire first.

    Args:
        destination: Where to.
        database: The delivery tables.
        transport: Where requests go; closed at the end, before another run may begin.
            It holds nothing until it is used.
        chunks: Reads the staged conversions from the start, once per pass.
        partition_key: The day, `YYYY-MM-DD`.
        run_id: Recorded with every change.
        zone: In which `order_date` is read.
        quarantined: Rows of `quarantine_row` whose order is known.
        limit: Send at most so many conversions; None: all.
        spool_folder: Takes outcomes while the delivery tables cannot.
        patience: Seconds to wait for another run of this destination.
        clock: Tells the time; None: the database's.
        sleep: Waits for seconds.
        on_progress: Told how many conversions were sent so far, and of how many.
        on_warning: Told what a person should know before anything is sent.

    Raises:
        DestinationBusyError: Another run did not end in time.
        LeaseLostError: Another run took deliveries of ours over.
        LedgerError: The delivery tables cannot be used.
    """
    watch = Watch(transport, destination.replies)
    with (
        _explained(destination.name, partition_key),
        destination_lock(database, destination.name, patience=patience) as still_held,
        deferred_stop() as told_to_stop,
        # Innermost: closing may write a file that the next run writes too.
        closing(watch),
    ):
        ledger = Ledger(
            database,
            destination=destination.name,
            provider=destination.provider_name,
            run_id=run_id,
            clock=clock or database.clock(),
        )
        spool = None
        if spool_folder is not None:
            spool = Spool(spool_folder / f"{destination.name}.jsonl")
        start_run(ledger, partition_key, destination.account)
        summary = Dispatch(
            destination,
            ledger,
            watch,
            partition_key=partition_key,
            zone=zone,
            limit=limit,
            spool=spool,
            still_alone=still_held,
            told_to_stop=lambda: bool(told_to_stop),
            sleep=sleep,
            on_progress=on_progress,
            on_warning=on_warning,
        ).run(chunks, quarantined)
        end_run(ledger, partition_key, _closing_entry(summary))
    return replace(summary, surprises=watch.found())


@contextmanager
def _explained(name: str, partition_key: str) -> Iterator[None]:
    """Say what to do where the delivery tables fail; their words may hold values."""
    try:
        yield
    except SQLAlchemyError as broken:
        cause = type(getattr(broken, "orig", None) or broken).__name__
        message = (
            f"Delivering failed for {name} {partition_key}: expected the delivery "
            f"tables to answer, got {cause}. What was not recorded was not sent, or is "
            "kept as sending. Mend the database, then run this partition again."
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
            one.orders for one in summary.totals if one.state not in NOT_SENT
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
    """Money in minor units, by state and currency."""
    amounts: dict[str, dict[str, int]] = {}
    for total in summary.totals:
        if total.currency is not None:
            amounts.setdefault(total.state, {})[total.currency] = total.amount_minor
    return amounts
