"""Refuses orders that the source has on several days: it is unknown which day counts.

If an order of this day is counted on another day, or was refused there, the source is
queried for that day. If the order is missing from it, the order has moved to this day.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from assets.ledger.order_days import OrderDays
from assets.ledger.quarantine import ORDERS, REPEATED, quarantined_on_other_days
from assets.source.warehouse import Warehouse
from assets.validation.coercion import read_column, read_text
from assets.validation.failures import Failure
from assets.validation.rejects import Reject, hash_row
from assets.validation.schemas import TEXT

OrderIds = Iterable[Sequence[str]]

SEVERAL_DAYS = Failure(
    "on_several_days", ("completed_at",), "rows of the order on one day only"
)


def refuse_repeated(
    days: OrderDays,
    order_ids: Callable[[], OrderIds],
    warehouse: Warehouse,
    zone: tzinfo,
) -> list[Reject]:
    """Return one reject per order of a day that the source also has on another day.

    Orders that moved are counted on this day afterwards.

    Args:
        days: The days on which orders are counted.
        order_ids: Reads all order ids of the day, batch by batch.
        warehouse: The source.
        zone: Time zone of the days.

    Raises:
        WarehouseError: As `Warehouse.frames`.
    """
    counted = days.claim(order_ids())
    refused = quarantined_on_other_days(days.database, days.partition_key, order_ids())
    others: dict[str, list[str]] = defaultdict(list)
    for day in sorted(counted.keys() | refused.keys()):
        there = _orders_of(warehouse, day, zone)
        days.move_here(counted.get(day, set()) - there)
        for order_id in there & (counted.get(day, set()) | refused.get(day, set())):
            others[order_id].append(day)
    return [
        Reject(
            partition_key=days.partition_key,
            dataset=REPEATED,
            row_no=row_no,
            source_row_hash=hash_row({"order_id": order_id, "day": days.partition_key}),
            order_id=order_id,
            reasons=(SEVERAL_DAYS.reason,),
            row_redacted={
                "completed_at": {
                    "expected": SEVERAL_DAYS.expected,
                    "actual": f"also on {', '.join(others[order_id])}",
                }
            },
        )
        for row_no, order_id in enumerate(sorted(others), start=1)
    ]


def _orders_of(warehouse: Warehouse, day: str, zone: tzinfo) -> set[str]:
    found: set[str] = set()
    for frame in warehouse.frames(ORDERS, *_window(day, zone)):
        values, _ = read_column(frame["order_id"].tolist(), read_text, TEXT)
        found.update(value for value in values.to_pylist() if value is not None)
    return found


def _window(day: str, zone: tzinfo) -> tuple[datetime, datetime]:
    first = date.fromisoformat(day)
    midnights = (
        datetime.combine(one, time(), zone).astimezone(UTC)
        for one in (first, first + timedelta(days=1))
    )
    return next(midnights), next(midnights)
