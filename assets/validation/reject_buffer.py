"""Buffers refused rows and data issues of a day until the day passes the guards."""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import cast

from assets.validation.folded_values import Issue
from assets.validation.rejects import Reject

MEMORY_BYTES = 8 * 2**20
Batch = tuple[list[Reject], Sequence[Issue]]


class RejectBuffer:
    """Batches of refused rows and issues, in the order in which they were appended."""

    def __init__(self, file: "SpooledTemporaryFile[bytes]") -> None:
        self._file = file
        self._batches = 0

    def append(self, rejects: list[Reject], issues: Sequence[Issue] = ()) -> None:
        """Add a batch."""
        pickle.dump((rejects, issues), self._file)
        self._batches += 1

    def read_back(self) -> Iterator[Batch]:
        """Return all batches. Nothing can be appended afterwards."""
        self._file.seek(0)
        for _ in range(self._batches):
            # The file has no name, so no other process can have written it.
            yield cast("Batch", pickle.load(self._file))  # noqa: S301


@contextmanager
def reject_buffer() -> Iterator[RejectBuffer]:
    """Yield an empty buffer. It spills to disk beyond `MEMORY_BYTES`."""
    with SpooledTemporaryFile(MEMORY_BYTES) as file:
        yield RejectBuffer(file)
