"""Placeholders that stand for an unknown value: words, zeros, and hashes of them.

As an id, a placeholder would make one person of many.
"""

import hashlib
import re
from itertools import product

from assets.providers.spelling import plain

_WORD = (
    r"[-0_.,:;/|#*?!~+=()\[\]{}<>'\"]*"
    r"|[(\[{<'\"#\\]*(?:undefined|null|none|nil|nan|n[/.]?a\.?|not[_.-]?set|unknown"
    r"|anonymous|empty|blank|missing|objectobject"
    r"|not[_.-]?(?:available|applicable|provided))[)\]}>'\"!]*"
    r"|\\n|[-f{}]{32,}"
)
_ID = rf"{_WORD}|-1|[(\[{{<'\"]*(?:guest|false)[)\]}}>'\"]*"

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
_IS_WORD = re.compile(_WORD).fullmatch
_IS_ID = re.compile(_ID).fullmatch


def is_placeholder(text: str) -> bool:
    """Tell whether `text` stands for an unknown value, whatever blanks are in it."""
    return _IS_WORD(plain(text).lower()) is not None


def is_placeholder_id(text: str) -> bool:
    """Tell whether `text` stands for an unknown order, customer or visitor.

    Besides the words of `is_placeholder`, these are `-1`, `guest`, `false`, and the
    hash of nothing or of a placeholder.
    """
    spelling = plain(text).lower()
    return _IS_ID(spelling) is not None or spelling in _PLACEHOLDER_HASHES


def is_placeholder_hash(text: str) -> bool:
    """Tell whether `text` is the MD5, SHA-1 or SHA-256 of nothing or a placeholder."""
    return plain(text).lower() in _PLACEHOLDER_HASHES
