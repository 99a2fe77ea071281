"""Records of runs, source totals per partition, and guard overrides."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from assets.ledger.database import Database, insert_or_update
from assets.ledger.ledger import Ledger
from assets.ledger.tables import export_run, guard_override, source_total


def start_run(ledger: Ledger, partition_key: str, account: str | None = None) -> None:
    """Record the start of a run; mark earlier runs without an end as crashed.

    The caller holds the lock of the destination, so that no other run can be active. A
    retried step replaces its own record.

    Args:
        ledger: The ledger of the destination.
        partition_key: The partition.
        account: `Destination.account`.
    """
    now = ledger.clock()
    row = {
        **_key(ledger, partition_key),
        "provider": ledger.provider,
        "account": account,
        "started_at": now,
        "ended_at": None,
        "outcome": None,
        "stop_reason": None,
    }
    with ledger.database.write() as connection:
        connection.execute(
            update(export_run)
            .where(
                export_run.c.destination == ledger.destination,
                export_run.c.ended_at.is_(None),
            )
            .values(ended_at=now, outcome="crashed")
        )
        columns = ("started_at", "ended_at", "outcome", "stop_reason")
        connection.execute(insert_or_update(connection, export_run, columns), row)


def end_run(ledger: Ledger, partition_key: str, changes: Mapping[str, Any]) -> None:
    """Record how a run ended.

    Args:
        ledger: The ledger of the destination.
        partition_key: The partition.
        changes: outcome, stop_reason, requests, conversions_sent, eligible, counts,
            amounts_minor.
    """
    key = _key(ledger, partition_key)
    with ledger.database.write() as connection:
        connection.execute(
            update(export_run)
            .where(*(export_run.c[name] == value for name, value in key.items()))
            .values(ended_at=ledger.clock(), **changes)
        )


def last_stop_reasons(
    database: Database, destination: str, partition_keys: Sequence[str]
) -> dict[str, str]:
    """Return the stop reason of the last run of each partition that stopped early."""
    statement = (
        select(export_run.c.partition_key, export_run.c.stop_reason)
        .where(
            export_run.c.destination == destination,
            export_run.c.partition_key.in_(partition_keys),
        )
        .order_by(export_run.c.started_at)
    )
    with database.read() as connection:
        last = {
            row.partition_key: row.stop_reason for row in connection.execute(statement)
        }
    return {partition: reason for partition, reason in last.items() if reason}


def _key(ledger: Ledger, partition_key: str) -> dict[str, str]:
    return {
        "run_id": ledger.run_id,
        "destination": ledger.destination,
        "partition_key": partition_key,
    }


def replace_source_totals(
    database: Database,
    partition_key: str,
    totals: Sequence[Mapping[str, Any]],
    *,
    run_id: str,
    at: datetime,
) -> None:
    """Replace the source totals of a partition.

    Args:
        database: The delivery tables.
        partition_key: The partition.
        totals: currency ('' where unreadable), currency_digits, orders, amount_minor.
        run_id: The run that counted.
        at: When it counted, aware UTC.
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


def previous_source_totals(
    database: Database, partition_key: str, days: int
) -> dict[str, dict[str, tuple[int, int]]]:
    """Return the source totals of the partitions before this one.

    Args:
        database: The delivery tables.
        partition_key: The partition; it is not included.
        days: Maximum number of partitions, the latest ones.

    Returns:
        Partition -> currency ('' where unreadable) -> (orders, revenue in minor units).
    """
    earlier = (
        select(source_total.c.partition_key)
        .where(source_total.c.partition_key < partition_key)
        .distinct()
        .order_by(source_total.c.partition_key.desc())
        .limit(days)
    )
    statement = select(source_total).where(source_total.c.partition_key.in_(earlier))
    found: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    with database.read() as connection:
        for row in connection.execute(statement):
            totals = (int(row.orders), int(row.amount_minor))
            found[row.partition_key][row.currency] = totals
    return found


def overridden_objections(database: Database, partition_key: str) -> set[str]:
    """Return the objections that a person has overridden for a partition."""
    statement = select(guard_override.c.objections).where(
        guard_override.c.partition_key == partition_key
    )
    with database.read() as connection:
        found = connection.execute(statement).scalars().all()
    return {objection for objections in found for objection in objections}


def record_guard_override(
    database: Database,
    partition_key: str,
    *,
    run_id: str,
    objections: Sequence[str],
    reason: str,
    at: datetime,
) -> None:
    """Record that a person overrode the guards for a partition, and why.

    The objections of several steps of one run are kept together.
    """
    row = {
        "run_id": run_id,
        "partition_key": partition_key,
        "reason": reason[:512],
        "overridden_at": at,
    }
    known = select(guard_override.c.objections).where(
        guard_override.c.run_id == run_id,
        guard_override.c.partition_key == partition_key,
    )
    with database.write() as connection:
        earlier = connection.execute(known).scalar() or []
        merged = {"objections": list(dict.fromkeys([*earlier, *objections]))}
        connection.execute(
            insert_or_update(connection, guard_override, ["objections"]), row | merged
        )
