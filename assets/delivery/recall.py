"""Brings what a destination remembers to the conversions at hand.

One look-up per chunk, never one per order; what a window teaches, the next one knows.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

from assets.delivery.assessment import Assessment
from assets.ledger import remembered_keys
from assets.ledger.register import Register
from assets.providers.base import Provider
from assets.providers.conversion import Conversion
from assets.providers.remembered_keys import Key

Batch = Sequence[Conversion]
Recalls = Callable[[Conversion], Sequence[Key]]


class Conversions(Protocol):
    """Some orders, built one by one when they are needed."""

    order_ids: Sequence[str]
    source_hashes: Sequence[str]

    def conversion(self, index: int) -> Conversion:
        """Build one of them."""


class Memory:
    """What one destination remembers about one chunk.

    Args:
        provider: Only a `RememberingProvider` (it has `relevant_keys`) is told
            anything.
        ledger: Where it is kept.
    """

    def __init__(self, provider: Provider, ledger: Register) -> None:
        self._recalls: Recalls | None = getattr(provider, "recalls", None)
        self._ledger = ledger
        self._known: dict[str, str] = {}
        self._taken: dict[str, str] = {}

    def attach(self, conversions: Sequence[Conversion]) -> list[Conversion]:
        """Return conversions that know what is remembered, and go on learning."""
        keys = [key for one in conversions for key in self._keys(one)]
        self._known, self._taken = self._standing(keys) if keys else {}, {}
        if not keys:
            return list(conversions)
        view = MappingProxyType(self._known)
        return [replace(one, remembered=view) for one in conversions]

    def recalled(self, chunk: Conversions) -> Conversions:
        """Return `chunk` with conversions that know what is remembered."""
        return Recalled(chunk, self) if self._recalls else chunk

    def follow(self, found: Assessment, chunk: Conversions, index: int) -> None:
        """Give an order that was just assessed its exclusive keys, or take them back.

        To be sent, it has those that nobody holds; held back, it holds none.
        """
        if self._recalls is None:
            return
        order_id = chunk.order_ids[index]
        if found.due and found.due[-1].order_id == order_id:
            for digest in self._exclusive(chunk.conversion(index)):
                if digest not in self._known:
                    self._known[digest] = self._taken[digest] = order_id
        elif found.planned and found.planned[-1][1].order_id == order_id:
            for digest in self._exclusive(chunk.conversion(index)):
                if self._known.get(digest) == order_id:
                    del self._known[digest]

    def hold(self) -> None:
        """Write down what was taken, so that every other run sees it."""
        if self._taken:
            ledger = self._ledger
            with ledger.database.write() as connection:
                remembered_keys.hold(
                    connection, ledger.destination, self._taken, ledger.clock()
                )
            self._taken = {}

    def learn(self, learnt: Mapping[str, str]) -> None:
        """Know what was recorded, order id by digest, without looking it up."""
        self._known.update(learnt)

    def unknown(self, batch: Batch) -> set[str]:
        """Return what talking about `batch` may teach."""
        keys = (key for one in batch for key in self._keys(one))
        return {key.digest for key in keys if not key.is_exclusive} - self._known.keys()

    def _keys(self, conversion: Conversion) -> Sequence[Key]:
        return () if self._recalls is None else self._recalls(conversion)

    def _exclusive(self, conversion: Conversion) -> list[str]:
        return [one.digest for one in self._keys(conversion) if one.is_exclusive]

    def _standing(self, keys: Sequence[Key]) -> dict[str, str]:
        exclusive = {key.digest for key in keys if key.is_exclusive}
        with self._ledger.database.read() as connection:
            found = remembered_keys.recall(
                connection, self._ledger.destination, {key.digest for key in keys}
            )
        return {
            digest: order_id
            for digest, (order_id, is_reported) in found.items()
            if is_reported or digest not in exclusive
        }


class Recalled:
    """A chunk whose conversions know what is remembered; built at the first one."""

    def __init__(self, chunk: Conversions, remembered_keys: Memory) -> None:
        self._chunk = chunk
        self._memory = remembered_keys
        self._built: list[Conversion] | None = None
        self.order_ids = chunk.order_ids
        self.source_hashes = chunk.source_hashes

    def conversion(self, index: int) -> Conversion:
        """Return one of them."""
        if self._built is None:
            every = range(len(self.order_ids))
            self._built = self._memory.attach([*map(self._chunk.conversion, every)])
        return self._built[index]


class Queue:
    """Batches in their order; of two that would learn the same, one waits a window."""

    def __init__(self, batches: Iterable[Batch], remembered_keys: Memory) -> None:
        self._batches = iter(batches)
        self._memory = remembered_keys
        self._waiting: deque[Batch] = deque()

    def take(self, size: int) -> list[Batch]:
        """Return at most `size` batches to be talked about at once; none: the end."""
        window: list[Batch] = []
        learning: set[str] = set()
        for _ in range(len(self._waiting)):
            self._admit(self._waiting.popleft(), window, learning, size)
        while len(window) < size and (batch := next(self._batches, None)) is not None:
            self._admit(batch, window, learning, size)
        return window

    def _admit(
        self, batch: Batch, window: list[Batch], learning: set[str], size: int
    ) -> None:
        unknown = self._memory.unknown(batch)
        if len(window) < size and learning.isdisjoint(unknown):
            window.append(batch)
            learning |= unknown
        else:
            self._waiting.append(batch)
