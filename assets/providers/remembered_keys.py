"""What earlier orders taught, as far as a provider module may see it.

A module names keys; the engine keeps them, and hands back who holds them in
`Conversion.remembered`. Where they are kept is in `assets/ledger/remembered_keys.py`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from assets.providers.base import Provider
from assets.providers.conversion import Conversion
from assets.providers.encode import json_bytes


@dataclass(frozen=True, slots=True)
class Key:
    """A fact that outlives the run in which it was learnt.

    Attributes:
        digest: Sha256 in hex: nothing personal can be read from it.
        is_exclusive: One order holds it at a time, from the moment it is planned to be
            sent and as long as it is or may be reported. Other keys stand once an
            outcome names them in `remember`, whatever becomes of the order.
    """

    digest: str
    is_exclusive: bool = False


def remembered_key(*parts: str, is_exclusive: bool = False) -> Key:
    """Return the key of a fact.

    Args:
        parts: What it is about, the kind of fact first: `"linked"`, then the pair.
        is_exclusive: One order holds it at a time.
    """
    digest = hashlib.sha256(json_bytes(parts)).hexdigest()
    return Key(digest, is_exclusive)


class RememberingProvider(Provider, Protocol):
    """A provider to which it matters what other orders did.

    Eligibility and exchange find in `conversion.remembered` the order id behind each
    key that stands. The payload must not depend on it: the same order gives the same
    bytes.
    """

    def relevant_keys(self, conversion: Conversion) -> Sequence[Key]:
        """Return the keys that matter to `conversion`."""
