"""Groups orders into Convert requests: by visitor, by number and by bytes.

The content of a request belongs in `visitors.py` and `provider.py`. `bisection.py`
splits a refused request.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from assets.providers.conversion import Conversion
from assets.providers.convert.visitors import visitor_id_of

Orders = Sequence[int]
"""Positions of the orders of one visitor, in order of time."""


@dataclass(frozen=True, slots=True)
class RequestCapacity:
    """The limits of one request.

    Attributes:
        visitors: Most entries.
        bytes: Most bytes of all entries, commas included.
    """

    visitors: int
    bytes: int


def by_visitor(
    conversions: Sequence[Conversion], positions: Sequence[int] | None = None
) -> list[Orders]:
    """Group positions in `conversions` by visitor, both in order of time.

    The result does not depend on the order of the input, so the same conversions give
    the same bytes.

    Args:
        conversions: All orders of a batch.
        positions: The orders to group; None: all.
    """
    groups: dict[str | None, list[int]] = {}
    for position in sorted(
        range(len(conversions)) if positions is None else positions,
        key=lambda at: (conversions[at].completed_at, conversions[at].order_id),
    ):
        groups.setdefault(visitor_id_of(conversions[position]), []).append(position)
    return list(groups.values())


def pack(
    visitors: Sequence[Orders],
    capacity: RequestCapacity,
    size_of: Callable[[Orders], int],
) -> Iterator[list[int]]:
    """Yield the positions of each request.

    All orders of a visitor share a request if they fit. An order that does not fit is
    sent alone: no limit is documented, so Convert decides.

    Args:
        visitors: The orders of each visitor.
        capacity: The limits of one request.
        size_of: Returns the bytes of an entry with these orders.
    """
    packed: list[Orders] = []
    used = 0
    for orders in visitors:
        for piece in _pieces(orders, capacity, size_of):
            size = size_of(piece) + len(",")
            if packed and (
                len(packed) == capacity.visitors or used + size > capacity.bytes
            ):
                yield _flat(packed)
                packed, used = [], 0
            packed.append(piece)
            used += size
    if packed:
        yield _flat(packed)


def _pieces(
    orders: Orders, capacity: RequestCapacity, size_of: Callable[[Orders], int]
) -> Iterator[Orders]:
    if len(orders) == 1 or size_of(orders) + len(",") <= capacity.bytes:
        yield orders
        return
    middle = (len(orders) + 1) // 2
    for half in (orders[:middle], orders[middle:]):
        yield from _pieces(half, capacity, size_of)


def _flat(packed: Sequence[Orders]) -> list[int]:
    return [position for orders in packed for position in orders]
