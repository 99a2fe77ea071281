"""Remembered keys: facts that earlier orders leave for later ones.

A provider names keys. The engine stores them (`assets/ledger/remembered_keys.py`) and
passes the order that holds each key in `Conversion.remembered`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from assets.providers.conversion import Conversion
from assets.providers.encode import json_bytes


@dataclass(frozen=True, slots=True)
class Key:
    """A fact that is remembered across runs.

    Attributes:
        digest: Sha256 in hex. Nothing personal can be read from it.
        is_exclusive: One order holds the key at a time, from planning on and as long as
            the order is or may be reported. Other keys are remembered when an outcome
            names them in `remember`, whatever happens to the order.
    """

    digest: str
    is_exclusive: bool = False


def remembered_key(*parts: str, is_exclusive: bool = False) -> Key:
    """Return the key of a fact.

    Args:
        parts: The kind of fact, then its values: `"linked"`, then the pair.
        is_exclusive: One order holds the key at a time.
    """
    digest = hashlib.sha256(json_bytes(parts)).hexdigest()
    return Key(digest, is_exclusive)


@runtime_checkable
class RememberingProvider(Protocol):
    """A provider that depends on earlier orders.

    `conversion.remembered` gives eligibility and exchange the order id of each
    remembered key. The payload must not depend on it: the same order gives the same
    bytes.
    """

    def relevant_keys(self, conversion: Conversion) -> Sequence[Key]:
        """Return the keys that are relevant to `conversion`."""
