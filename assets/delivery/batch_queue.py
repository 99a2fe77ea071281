"""The queue of batches that a run still has to send."""

from collections import deque
from collections.abc import Iterable, Sequence

from assets.delivery.remembered_keys import RememberedKeys
from assets.providers.conversion import Conversion

Batch = Sequence[Conversion]


class BatchQueue:
    """Returns batches in their order, window by window.

    Of two batches that may record the same key, the second waits for a later window:
    it must see what the first one recorded.

    Args:
        batches: The batches, read one by one.
        keys: The remembered keys of the destination.
    """

    def __init__(self, batches: Iterable[Batch], keys: RememberedKeys) -> None:
        self._batches = iter(batches)
        self._keys = keys
        self._deferred: deque[Batch] = deque()

    def take(self, size: int) -> list[Batch]:
        """Return at most `size` batches to send at once; an empty list at the end."""
        window: list[Batch] = []
        recording: set[str] = set()
        for _ in range(len(self._deferred)):
            self._add(self._deferred.popleft(), window, recording, size)
        while len(window) < size and (batch := next(self._batches, None)) is not None:
            self._add(batch, window, recording, size)
        return window

    def _add(
        self, batch: Batch, window: list[Batch], recording: set[str], size: int
    ) -> None:
        unknown = self._keys.unknown(batch)
        if len(window) < size and recording.isdisjoint(unknown):
            window.append(batch)
            recording |= unknown
        else:
            self._deferred.append(batch)
