"""Placeholders that stand for an unknown value: words, zeros, and hashes of them.

As an id, a placeholder would make one person of many.
"""

import hashlib
import re
from itertools import product

PLACEHOLDER = (
    r"[-0\s_.,:;/|#*?!~+=()\[\]{}<>'\"]*"
    r"|[\s(\[<'\"#\\]*(?:undefined|null|none|nil|nan|n/?a|not[ _-]?set|unknown"
    r"|anonymous|empty|blank|missing|object object"
    r"|not[ _-]?(?:available|applicable|provided))[\s)\]>'\"!]*"
    r"|\\n|[-f\s{}]{32,}"
)
"""Matches all of a placeholder in lower case. RE2 and Python read it alike."""

PERSON_PLACEHOLDER = rf"{PLACEHOLDER}|-1|[\s(\[<]*guest[\s)\]>]*"
"""The same, with words that stand for a customer without an account."""

_WORDS = (
    *("", " ", "0", "-", "-1", "?", "undefined", "null", "none", "nil", "nan", "n/a"),
    *("na", "#n/a", "not set", "not_set", "notset", "unknown", "anonymous", "empty"),
    *("blank", "guest", "missing", "not available", "[object object]", "\\n", "false"),
    "00000000-0000-0000-0000-000000000000",
)
_HOSTS = ("none.com", "na.com", "null.com", "unknown.com", "guest.com", "example.com")
_NAMES = ("none", "na", "null", "unknown", "guest", "noemail", "noreply", "no-reply")


def _hashes() -> frozenset[str]:
    bracketed = [f"({word})" for word in _WORDS if word.strip()]
    addresses = ["@".join(one) for one in product(_NAMES, _HOSTS)]
    spellings = {
        spelling
        for word in (*_WORDS, *bracketed, *addresses)
        for spelling in (word, word.upper(), word.capitalize(), f"{word}\n")
    }
    return frozenset(
        hashlib.new(name, one.encode(), usedforsecurity=False).hexdigest()
        for name in ("md5", "sha1", "sha256")
        for one in spellings
    )


_PLACEHOLDER_HASHES = _hashes()
_IS_PLACEHOLDER = re.compile(PLACEHOLDER).fullmatch
_IS_PERSON_PLACEHOLDER = re.compile(PERSON_PLACEHOLDER).fullmatch


def is_placeholder(text: str) -> bool:
    """Tell whether `text` stands for an unknown value."""
    return _IS_PLACEHOLDER(text.lower()) is not None


def is_person_placeholder(text: str) -> bool:
    """Tell whether `text` stands for an unknown customer or visitor."""
    return _IS_PERSON_PLACEHOLDER(text.lower()) is not None


def is_placeholder_hash(text: str) -> bool:
    """Tell whether `text` is the MD5, SHA-1 or SHA-256 of nothing or a placeholder."""
    return text.lower() in _PLACEHOLDER_HASHES
