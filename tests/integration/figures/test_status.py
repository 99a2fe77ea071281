"""The status of a destination, read from delivery tables written by hand."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from assets.figures.status import DestinationStatus, destination_status
from assets.ledger.database import Database
from assets.ledger.runs import replace_source_totals
from assets.ledger.tables import data_issue, export_run
from support.delivery_rows import DeliveryRows
from support.engine import DAY, DEDUPE, NEVER, NOW

OTHER = "2026-11-19"


class Tables(DeliveryRows):
    """Delivery tables written by hand, and the status read from them."""

    def source(self, **orders: int) -> None:
        rows = [
            {
                "currency": currency,
                "currency_digits": 2,
                "orders": count,
                "amount_minor": 1000 * count,
            }
            for currency, count in orders.items()
        ]
        replace_source_totals(self.database, DAY, rows, run_id="run", at=NOW)

    def add_run(
        self, partition: str, outcome: str | None, *, hours_ago: int = 0
    ) -> None:
        self._count += 1
        row = {
            "run_id": f"run-{self._count}",
            "destination": "shop",
            "partition_key": partition,
            "provider": "fake",
            "started_at": NOW - timedelta(hours=hours_ago),
            "ended_at": NOW,
            "outcome": outcome,
        }
        with self.database.write() as connection:
            connection.execute(insert(export_run), row)

    def status(self, **options: Any) -> DestinationStatus:
        plain = {"destination": "shop", "partition_key": DAY, "policy": NEVER}
        return destination_status(self.database, **(plain | {"now": NOW} | options))

    def never_seen(self) -> dict[str, int]:
        """Return the same figure from the view."""
        statement = "select currency, never_seen from v_reconcile where never_seen <> 0"
        with self.database.read() as connection:
            return {row[0]: row[1] for row in connection.exec_driver_sql(statement)}


@pytest.fixture
def tables(database: Database) -> Tables:
    return Tables(database)


def test_every_order_of_the_source_has_a_delivery_in_some_state(tables: Tables) -> None:
    tables.source(USD=3, EUR=1)
    for state in ("accepted", "quarantined", "suppressed"):
        tables.add(state)
    tables.add("rejected", currency="EUR")
    tables.add("accepted", destination="other")
    tables.add_run(DAY, "complete")
    assert tables.status().without_delivery == tables.never_seen() == {}
    assert sum(tables.status().orders.values()) == 4


def test_a_missing_and_a_surplus_delivery_do_not_cancel_out(
    tables: Tables,
) -> None:
    tables.source(USD=2)
    tables.add("accepted")
    tables.add("accepted", currency="EUR")
    tables.add_run(DAY, "complete")
    assert tables.status().without_delivery == {"USD": 1, "EUR": -1}
    assert tables.never_seen() == {"USD": 1}


def test_an_order_missing_from_the_source_needs_no_delivery(tables: Tables) -> None:
    tables.source(USD=1)
    tables.add("accepted")
    tables.add("suppressed", state_reason="order_gone")
    tables.add("accepted")
    gone = {
        "partition_key": DAY,
        "order_id": "O3",
        "code": "order_gone",
        "subject": "shop",
        "destination": "shop",
        "first_seen": NOW,
        "last_seen": NOW,
    }
    with tables.database.write() as connection:
        connection.execute(insert(data_issue), gone)
    tables.add_run(DAY, "complete")
    assert tables.status().without_delivery == tables.never_seen() == {}


def test_uncertain_deliveries_are_counted_by_partition(tables: Tables) -> None:
    tables.add("uncertain")
    tables.add("uncertain", partition_key=OTHER)
    tables.add("uncertain", partition_key=OTHER, accepted_at=NOW, next_attempt_at=NOW)
    tables.add("uncertain", next_attempt_at=NOW)  # sent again by the next run
    tables.add("uncertain", destination="other")
    tables.add("accepted")
    assert tables.status().uncertain == {OTHER: 2, DAY: 1}


@pytest.mark.parametrize("state", ["pending", "sending", "retryable"])
def test_a_partition_with_unfinished_deliveries_is_left(
    tables: Tables, state: str
) -> None:
    tables.add(state, partition_key=OTHER)
    tables.add("accepted")
    tables.add_run(OTHER, "complete")
    tables.add_run(DAY, "complete")
    assert tables.status().partitions_left == [OTHER]


def test_uncertain_deliveries_leave_a_partition_only_if_a_repeat_is_harmless(
    tables: Tables,
) -> None:
    tables.add("uncertain", next_attempt_at=NOW)
    assert tables.status(policy=DEDUPE).partitions_left == [DAY]
    assert tables.status(policy=NEVER).partitions_left == []


@pytest.mark.parametrize("outcome", ["stopped_configuration", "crashed"])
def test_a_partition_is_left_until_a_later_run_is_complete(
    tables: Tables, outcome: str
) -> None:
    tables.add_run(OTHER, "complete", hours_ago=9)
    tables.add_run(OTHER, outcome, hours_ago=5)
    assert tables.status().partitions_left == [OTHER]
    tables.add_run(OTHER, "complete", hours_ago=1)
    assert tables.status().partitions_left == []


def test_the_oldest_queued_delivery_of_any_partition_is_found(tables: Tables) -> None:
    assert tables.status().unsettled_since is None
    tables.add("queued", accepted_at=NOW - timedelta(hours=3))
    tables.add("queued", accepted_at=NOW - timedelta(hours=80), partition_key=OTHER)
    tables.add("settled", accepted_at=NOW - timedelta(hours=99))
    status = tables.status()
    assert status.unsettled == 2
    assert status.unsettled_since == NOW - timedelta(hours=80)


def test_the_usual_suppressed_share_covers_the_seven_partitions_before(
    tables: Tables,
) -> None:
    assert tables.status().usual_suppressed_share is None
    for day in range(10, 20):
        partition = f"2026-11-{day}"
        tables.add_run(partition, "complete")
        tables.add("suppressed" if day < 14 else "accepted", partition_key=partition)
    tables.add("suppressed")
    tables.add_run(DAY, "complete")
    tables.add("suppressed", destination="other", partition_key="2026-11-19")
    assert tables.status().usual_suppressed_share == 1 / 7
