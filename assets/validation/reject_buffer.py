"""Refused rows of a day, kept aside until it is known whether the day counts."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import cast

from assets.validation.rejects import Reject

MEMORY_BYTES = 8 * 2**20


class RejectBuffer:
    """Batches of refused rows, in their order."""

    def __init__(self, file: "SpooledTemporaryFile[bytes]") -> None:
        self._file = file
        self._batches = 0

    def append(self, rejects: list[Reject]) -> None:
        """Keep a batch aside."""
        pickle.dump(rejects, self._file)
        self._batches += 1

    def read_back(self) -> Iterator[list[Reject]]:
        """Read all batches back; nothing can be put any more."""
        self._file.seek(0)
        for _ in range(self._batches):
            # It has no name: nobody else can have written it.
            yield cast("list[Reject]", pickle.load(self._file))  # noqa: S301


@contextmanager
def reject_buffer() -> Iterator[RejectBuffer]:
    """Lend a place for batches; on disk beyond `MEMORY_BYTES`."""
    with SpooledTemporaryFile(MEMORY_BYTES) as file:
        yield RejectBuffer(file)
