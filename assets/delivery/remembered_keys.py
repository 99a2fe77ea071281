"""Attaches the remembered keys of a destination to its conversions.

Keys are looked up once per chunk, not once per order. Keys that one window records are
known to the next window.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from assets.delivery.assessment import Assessment
from assets.delivery.chunk import Chunk
from assets.ledger import remembered_keys
from assets.ledger.ledger import Ledger
from assets.providers.base import Provider
from assets.providers.conversion import Conversion
from assets.providers.remembered_keys import Key, RememberingProvider


class RememberedKeys:
    """The remembered keys of one destination that matter to the current chunk.

    Args:
        provider: Only a `RememberingProvider` gets keys.
        ledger: The delivery tables, where the keys are stored.
    """

    def __init__(self, provider: Provider, ledger: Ledger) -> None:
        self._keys_of: Callable[[Conversion], Sequence[Key]] | None = None
        if isinstance(provider, RememberingProvider):
            self._keys_of = provider.relevant_keys
        self._ledger = ledger
        self._known: dict[str, str] = {}
        self._reserved: dict[str, str] = {}

    def attach(self, conversions: Sequence[Conversion]) -> list[Conversion]:
        """Return the conversions with a live view of their remembered keys."""
        keys = [key for one in conversions for key in self._keys(one)]
        self._known, self._reserved = self._valid(keys) if keys else {}, {}
        if not keys:
            return list(conversions)
        view = MappingProxyType(self._known)
        return [replace(one, remembered=view) for one in conversions]

    def attach_to_chunk(self, chunk: Chunk) -> Chunk:
        """Return `chunk` so that its conversions have their remembered keys."""
        return _ChunkWithKeys(chunk, self) if self._keys_of else chunk

    def update_reservations(self, found: Assessment, chunk: Chunk, index: int) -> None:
        """Reserve or release the exclusive keys of an order that was just assessed.

        An order that is due gets those that no other order has. An order that is
        planned but not due has none.

        Args:
            found: The assessment, whose last entry is of this order.
            chunk: The chunk of the order.
            index: The position of the order in the chunk.
        """
        if self._keys_of is None:
            return
        order_id = chunk.order_ids[index]
        if found.due and found.due[-1].order_id == order_id:
            for digest in self._exclusive(chunk.conversion(index)):
                if digest not in self._known:
                    self._known[digest] = self._reserved[digest] = order_id
        elif found.planned and found.planned[-1][1].order_id == order_id:
            for digest in self._exclusive(chunk.conversion(index)):
                if self._known.get(digest) == order_id:
                    del self._known[digest]

    def save_reservations(self) -> None:
        """Write the reserved keys, so that every other run sees them."""
        if self._reserved:
            ledger = self._ledger
            with ledger.database.write() as connection:
                remembered_keys.assign(
                    connection, ledger.destination, self._reserved, ledger.clock()
                )
            self._reserved = {}

    def add(self, recorded: Mapping[str, str]) -> None:
        """Add keys that were just recorded, without a look-up.

        Args:
            recorded: Order id by digest.
        """
        self._known.update(recorded)

    def unknown(self, batch: Sequence[Conversion]) -> set[str]:
        """Return the keys that sending `batch` may record for the first time."""
        keys = (key for one in batch for key in self._keys(one))
        return {key.digest for key in keys if not key.is_exclusive} - self._known.keys()

    def _keys(self, conversion: Conversion) -> Sequence[Key]:
        return () if self._keys_of is None else self._keys_of(conversion)

    def _exclusive(self, conversion: Conversion) -> list[str]:
        return [one.digest for one in self._keys(conversion) if one.is_exclusive]

    def _valid(self, keys: Sequence[Key]) -> dict[str, str]:
        exclusive = {key.digest for key in keys if key.is_exclusive}
        with self._ledger.database.read() as connection:
            found = remembered_keys.look_up(
                connection, self._ledger.destination, {key.digest for key in keys}
            )
        return {
            digest: order_id
            for digest, (order_id, is_reported) in found.items()
            if is_reported or digest not in exclusive
        }


class _ChunkWithKeys:
    """A chunk whose conversions have their keys. All are built with the first one."""

    def __init__(self, chunk: Chunk, keys: RememberedKeys) -> None:
        self._chunk = chunk
        self._keys = keys
        self._built: list[Conversion] | None = None
        self.order_ids = chunk.order_ids
        self.source_hashes = chunk.source_hashes

    def conversion(self, index: int) -> Conversion:
        if self._built is None:
            every = range(len(self.order_ids))
            self._built = self._keys.attach([*map(self._chunk.conversion, every)])
        return self._built[index]
