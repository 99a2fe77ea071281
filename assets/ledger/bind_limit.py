"""So many values as one statement may name on every database, at a time."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

SLICE = 500
"""An index look-up each, whatever else is stored."""

Value = TypeVar("Value")


def slices(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Cut values into slices, in their order."""
    for start in range(0, len(values), SLICE):
        yield values[start : start + SLICE]
