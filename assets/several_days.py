"""Orders of which the source has rows on several days: nobody knows which one counts.

A day sees its own rows alone. Where the delivery tables know an order of it on another
day, the source is asked whether it still has it there; if not, the order has moved.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from assets.coercion import read_column, read_text
from assets.delivery.quarantine import ORDERS, REPEATED
from assets.failures import Failure
from assets.rejects import Reject, hash_row
from assets.schemas import TEXT
from assets.warehouse import Warehouse

SEVERAL_DAYS = Failure(
    "on_several_days", ("completed_at",), "rows of the order on one day only"
)


def refuse_repeated(
    warehouse: Warehouse,
    partition: str,
    known: Mapping[str, set[str]],
    zone: tzinfo,
) -> list[Reject]:
    """Return one reject per order that the source still has on another day.

    Args:
        warehouse: The source.
        partition: Key of the day in which the source has the orders, too.
        known: Other day -> orders that were found in it before.
        zone: Zone of the days.

    Raises:
        WarehouseError: As `Warehouse.frames`.
    """
    days: dict[str, list[str]] = defaultdict(list)
    for day in sorted(known):
        for order_id in known[day] & _orders_of(warehouse, day, zone):
            days[order_id].append(day)
    return [
        Reject(
            partition_key=partition,
            dataset=REPEATED,
            row_no=row_no,
            source_row_hash=hash_row({"order_id": order_id, "day": partition}),
            order_id=order_id,
            reasons=(SEVERAL_DAYS.reason,),
            row_redacted={
                "completed_at": {
                    "expected": SEVERAL_DAYS.expected,
                    "actual": f"also on {', '.join(days[order_id])}",
                }
            },
        )
        for row_no, order_id in enumerate(sorted(days), start=1)
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
