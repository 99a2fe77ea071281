"""What a run of one destination and partition did, and what the source held for it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, update

from assets.delivery.database import Database, insert_or_update
from assets.delivery.tables import export_run, source_total


def start_run(
    database: Database,
    *,
    run_id: str,
    destination: str,
    provider: str,
    partition_key: str,
    at: datetime,
) -> None:
    """Say that a run began; a step that is tried again begins anew."""
    row = {
        "run_id": run_id,
        "destination": destination,
        "partition_key": partition_key,
        "provider": provider,
        "started_at": at,
        "ended_at": None,
        "outcome": None,
        "stop_reason": None,
    }
    with database.write() as connection:
        again = ("started_at", "ended_at", "outcome", "stop_reason")
        connection.execute(insert_or_update(connection, export_run, again), row)


def end_run(
    database: Database,
    *,
    run_id: str,
    destination: str,
    partition_key: str,
    changes: Mapping[str, Any],
) -> None:
    """Say how a run ended.

    Args:
        database: Where the delivery tables are.
        run_id: The run.
        destination: Configured name.
        partition_key: The partition.
        changes: ended_at, outcome, stop_reason, requests, conversions_sent, counts.
    """
    with database.write() as connection:
        connection.execute(
            update(export_run)
            .where(
                export_run.c.run_id == run_id,
                export_run.c.destination == destination,
                export_run.c.partition_key == partition_key,
            )
            .values(**changes)
        )


def keep_source_totals(
    database: Database,
    partition_key: str,
    totals: Sequence[Mapping[str, Any]],
    *,
    run_id: str,
    at: datetime,
) -> None:
    """Replace what the source held for a partition.

    Args:
        database: Where the delivery tables are.
        partition_key: The partition.
        totals: currency ('' where unreadable), currency_digits, orders, amount_minor.
        run_id: Who counted.
        at: When, aware UTC.
    """
    common = {"partition_key": partition_key, "run_id": run_id, "counted_at": at}
    with database.write() as connection:
        connection.execute(
            delete(source_total).where(source_total.c.partition_key == partition_key)
        )
        if totals:
            connection.execute(
                source_total.insert(), [{**one, **common} for one in totals]
            )
