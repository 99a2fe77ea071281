"""Splits long lists of bound values: databases limit how many a statement may have."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

MAX_BIND_VALUES = 500
"""Values in one statement; each is one index look-up."""

Value = TypeVar("Value")


def bind_batches(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Yield the values in batches of at most `MAX_BIND_VALUES`, in their order."""
    for start in range(0, len(values), MAX_BIND_VALUES):
        yield values[start : start + MAX_BIND_VALUES]
