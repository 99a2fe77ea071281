"""The interface of a simulated provider: its operations, and how it reads a body."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipelines.sandbox.messages import Reply, Request


@dataclass(frozen=True)
class Operation:
    """One operation of a provider: an HTTP method at an address.

    Attributes:
        method: The HTTP method.
        path: Regular expression of the path below the prefix of the provider; the group
            `account` names the account.
        refuse: Returns the reply to a request that fails the checks, else None.
        apply: Records a checked request and returns the reply. It is called again, in
            the same order, when a journal is loaded.
    """

    method: str
    path: re.Pattern[str]
    refuse: Callable[[Request], Reply | None]
    apply: Callable[[Request], Reply]

    @property
    def template(self) -> str:
        """The path with placeholders: `/Advertisers/{account}/Conversions`."""
        return re.sub(r"\(\?P<(\w+)>[^()]*\)", r"{\1}", self.path.pattern)


class Provider(Protocol):
    """A simulated provider."""

    @property
    def name(self) -> str:
        """The first part of its paths, and its name in faults."""

    @property
    def operations(self) -> Sequence[Operation]:
        """Its operations."""

    def parse(self, body: bytes) -> object:
        """Parse a body; return its text if it cannot be parsed."""

    def order_ids(self, body: object) -> list[str]:
        """Return the order ids in a body, one per event; none for an invalid body."""

    def failure(self, status: int, message: str) -> object:
        """Return the body with which this provider reports a failure."""
