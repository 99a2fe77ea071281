"""The data issues that a delivery run reports."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from assets.delivery.destination_partition import DestinationPartition
from assets.ledger.data_issues import issue_row, write_issues
from assets.ledger.ledger import Ledger
from assets.ledger.states import State
from assets.providers.base import ReportsDataIssues
from assets.providers.conversion import Conversion


def drift_issue(
    partition: DestinationPartition, order_id: str, state: State, now: datetime
) -> dict[str, Any]:
    """Return the data issue of an order that changed after it was reported.

    Args:
        partition: The partition of the order.
        order_id: The order.
        state: The state of its delivery.
        now: When the change was found.
    """
    name = partition.destination.name
    return issue_row(
        partition.partition_key,
        now,
        order_id=order_id,
        code="drift",
        subject=name,
        destination=name,
        detail=f"changed after it was {state}; nothing was sent",
    )


def altered_value_issues(
    partition: DestinationPartition, conversions: Sequence[Conversion], now: datetime
) -> list[dict[str, Any]]:
    """Return an issue for each value that is sent otherwise than it is stored.

    Args:
        partition: The partition of the conversions.
        conversions: The conversions that are due.
        now: When they were planned.
    """
    provider = partition.provider
    if not isinstance(provider, ReportsDataIssues):
        return []
    name = partition.destination.name
    return [
        issue_row(
            partition.partition_key,
            now,
            order_id=conversion.order_id,
            code=found.code,
            subject=f"{name} {found.subject}",
            destination=name,
            detail=found.detail,
        )
        for conversion in conversions
        for found in provider.data_issues(conversion)
    ]


def save_issues(ledger: Ledger, issues: Sequence[Mapping[str, Any]]) -> None:
    """Write data issues in one transaction."""
    if issues:
        with ledger.database.write() as connection:
            write_issues(connection, issues)
