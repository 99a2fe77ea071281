"""How an id is spelled: what nobody sees around it and inside it, and its plain form.

White space and invisible characters are what a cleaning of the warehouse removes, and
compatibility forms what it replaces. Afterwards the same id has another spelling.
"""

import unicodedata

_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
# Letters and marks that are shown as nothing: fillers, joiners, variation selectors.
_UNSEEN_LETTERS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
)


_LOST = "\ufffd"
"""What a decoder writes for bytes that it cannot read."""
_UNASSIGNED = frozenset({"Cn", "Co"})


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
    """Tell whether an id has the spelling that no cleaning and no repair changes."""
    return text == plain(text) and not is_damaged(text)


def is_damaged(text: str) -> bool:
    """Tell whether `text` holds a character that stands for a lost one, or for none."""
    return not text.isascii() and any(
        one == _LOST or unicodedata.category(one) in _UNASSIGNED for one in text
    )


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
