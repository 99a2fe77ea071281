"""How ids are spelled: what is left out around them, and what makes one unclear.

White space and invisible characters are what a cleaning of the warehouse removes, and
compatibility forms what it replaces. Afterwards the same id has another spelling.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from assets.providers.placeholders import (
    is_person_placeholder,
    is_placeholder,
    is_placeholder_hash,
)

TRIMMED_ID = "trimmed_id"
PLACEHOLDER_VALUE = "placeholder_value"
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
# Letters and marks that are shown as nothing: fillers, joiners, variation selectors.
_UNSEEN_LETTERS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
)


@dataclass(frozen=True, slots=True)
class Fold:
    """A change of a value that means the same without it.

    Attributes:
        code: Code of the data issue.
        expected: What was expected of the value.
        change: Returns the value that counts; None: there is no value.
    """

    code: str
    expected: str
    change: Callable[[str], str | None]


def trimmed(text: str) -> str:
    """Return `text` without white space and invisible characters around it."""
    if text.isascii() and text.isprintable() and text[:1] != " " != text[-1:]:
        return text
    first, last = 0, len(text)
    while first < last and _is_unseen(text[first]):
        first += 1
    while first < last and _is_unseen(text[last - 1]):
        last -= 1
    return text[first:last]


def plain(text: str) -> str:
    """Return `text` in the one spelling that no cleaning changes.

    Without white space and invisible characters, in the normal form NFKC. Capital and
    small letters stay: there are ids that differ in nothing else.
    """
    if text.isascii() and text.isprintable() and " " not in text:
        return text
    return _seen(unicodedata.normalize("NFKC", _seen(text)))


def is_clear(text: str) -> bool:
    """Tell whether an id has the spelling that no cleaning changes."""
    return text == plain(text)


def has_unseen_inside(text: str) -> bool:
    """Tell whether invisible characters stand inside `text`. White space is visible."""
    inner = trimmed(text)
    return not (inner.isascii() and inner.isprintable()) and any(
        _is_unseen(one) and not one.isspace() for one in inner
    )


def _seen(text: str) -> str:
    return "".join(one for one in text if not _is_unseen(one))


def _is_unseen(character: str) -> bool:
    return (
        unicodedata.category(character) in _UNSEEN_CATEGORIES
        or character.isspace()
        or character in _UNSEEN_LETTERS
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0100" <= character <= "\U000e01ef"
    )


def _without(is_nothing: Callable[[str], bool]) -> Callable[[str], str | None]:
    return lambda text: None if is_nothing(trimmed(text)) else text


TRIMMED = Fold(
    TRIMMED_ID,
    "no white space and no invisible character around it; they are left out",
    lambda text: trimmed(text) or None,
)
NO_VALUE = Fold(
    PLACEHOLDER_VALUE,
    "no placeholder such as `null`, `(not set)` or `0`; it counts as no value",
    _without(is_placeholder),
)
NOBODY = Fold(
    PLACEHOLDER_VALUE,
    "no placeholder such as `null`, `(not set)`, `0`, `-1` or `guest`; it counts as "
    "no value",
    _without(is_person_placeholder),
)
NO_EMAIL = Fold(
    PLACEHOLDER_VALUE,
    "no placeholder, and no hash of nothing or of one; it counts as no value",
    _without(lambda text: is_person_placeholder(text) or is_placeholder_hash(text)),
)
