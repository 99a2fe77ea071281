"""The protocol for a group of staged conversions."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from assets.providers.conversion import Conversion


class Chunk(Protocol):
    """Some staged conversions. Each one is built when it is needed.

    Attributes:
        order_ids: The order id of each conversion.
        source_hashes: The hash of the source row of each conversion.
    """

    order_ids: Sequence[str]
    source_hashes: Sequence[str]

    def conversion(self, index: int) -> Conversion:
        """Build the conversion at `index`."""


ReadChunks = Callable[[], Iterable[Chunk]]
"""Reads the staged conversions of a partition from the start."""
