"""So many values as one statement may name on every database, at a time."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

MAX_BIND_VALUES = 500
"""An index look-up each, whatever else is stored."""

Value = TypeVar("Value")


def bind_batches(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Cut values into slices, in their order."""
    for start in range(0, len(values), MAX_BIND_VALUES):
        yield values[start : start + MAX_BIND_VALUES]
