"""What looks like personal data, and the guard that lets none of it leave.

Nobody needs a customer's e-mail address or telephone number to attribute an order, so
what is about to be sent is looked at once more, whatever the mapping says. Pure rules.
"""

import json
import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from assets.privacy.phone_numbers import PHONE_IN_TEXT

EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+")
"""An address that is to be masked, from its first character to its last."""

# Enough to recognise one: something before, a host with a letter in it or a number in
# brackets behind. `home @ night` and `2@1` are none; `Tea@Home` could be one.
_ADDRESS = re.compile(r"[^\s@]@(?:\[|[\d.-]*[^\W\d_])")
_CARD = re.compile(r"(?<![\w-])[3-6]\d{3}(?:([ -])\d{4})(?:\1\d{4}){2}(?![\w-])")
# Few texts get past this, and it is quick to tell.
_SEVEN_DIGITS = re.compile(r"\d(?:[ ().\-/]{0,3}\d){6}")
_AT_SIGN_ENTITY = re.compile("&(?:#0{0,5}64|#[xX]0{0,5}40|commat);")


class PersonalDataError(ValueError):
    """Something personal was about to be sent; the message names the field only."""


def refuse_personal(body: bytes, allowed_values: Collection[str] = ()) -> None:
    """Raise where `body` holds an e-mail address, a telephone or a card number.

    Args:
        body: JSON or a form, exactly as it would be sent.
        allowed_values: Ids of the shop (order, article). They may look like a telephone
            number, never like an e-mail address.

    Raises:
        PersonalDataError: Names the field.
    """
    for field, value in _strings_in(body):
        normalized = _normalized(value)
        if _contains_address(normalized) or (
            value not in allowed_values and _contains_number(normalized)
        ):
            message = f"personal data in {field}"
            raise PersonalDataError(message)


def _normalized(text: str) -> str:
    """Return `text` with one spelling of each character that addresses are made of."""
    if "%" in text:
        text = unquote(text)
    if "&" in text:
        text = _AT_SIGN_ENTITY.sub("@", text)
    return text if text.isascii() else "".join(map(_normalized_character, text))


@lru_cache(maxsize=4096)
def _normalized_character(character: str) -> str:
    """Full-width, no-break and other kinds of a character become the usual one."""
    match unicodedata.category(character):
        case "Cf":
            return ""
        case "Pd":
            return "-"
        case _:
            return unicodedata.normalize("NFKC", character)


def _contains_address(text: str) -> bool:
    return "@" in text and _ADDRESS.search(text) is not None


def _contains_number(text: str) -> bool:
    if not _SEVEN_DIGITS.search(text):
        return False
    return PHONE_IN_TEXT.search(text) is not None or any(
        _passes_luhn(re.sub(r"\D", "", card[0])) for card in _CARD.finditer(text)
    )


def _passes_luhn(digits: str) -> bool:
    """Tell whether the last digit is that of a card: the check of Luhn."""
    doubled = (divmod(2 * int(digit), 10) for digit in digits[-2::-2])
    return (sum(map(sum, doubled)) + sum(map(int, digits[::-2]))) % 10 == 0


def _strings_in(body: bytes) -> Iterator[tuple[str, str]]:
    text = body.decode("utf-8", "replace")
    try:
        yield from _strings_in_json("$", json.loads(text))
    except ValueError:
        for name, value in parse_qsl(text, keep_blank_values=True):
            yield name, value
            yield "a field's name", name


def _strings_in_json(path: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield path, value
        case dict():
            for name, inner in value.items():
                yield f"a name below {path}", name
                yield from _strings_in_json(f"{path}.{name}", inner)
        case list():
            for position, inner in enumerate(value):
                yield from _strings_in_json(f"{path}[{position}]", inner)
