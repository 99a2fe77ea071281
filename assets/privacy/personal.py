"""Recognises personal data in the final bytes of a request, and refuses it.

Attribution needs no e-mail address and no telephone number. So every request is checked
before it is sent, whatever the mapping says. Pure rules.
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
"""An e-mail address, from its first character to its last, to be masked."""

# An address needs a character before the `@`, and after it a host with a letter or a
# number in brackets. `home @ night` and `2@1` are none; `Tea@Home` may be one.
_ADDRESS = re.compile(r"[^\s@]@(?:\[|[\d.-]*[^\W\d_])")
_CARD = re.compile(r"(?<![\w-])[3-6]\d{3}(?:([ -])\d{4})(?:\1\d{4}){2}(?![\w-])")
# One telephone number alone: a field for it must not carry other text.
_IS_PHONE = re.compile(r"\+? ?[\d ().\-/]{7,30}")
# A cheap first test that excludes most texts.
_SEVEN_DIGITS = re.compile(r"\d(?:[ ().\-/]{0,3}\d){6}")
_AT_SIGN_ENTITY = re.compile("&(?:#0{0,5}64|#[xX]0{0,5}40|commat);")


class PersonalDataError(ValueError):
    """A request holds personal data. The message names the field only."""


def refuse_personal(
    body: bytes,
    allowed_values: Collection[str] = (),
    phone_fields: Collection[str] = (),
) -> None:
    """Raise an error if `body` holds an e-mail address, a telephone or a card number.

    Args:
        body: JSON or a form, exactly as it is sent.
        allowed_values: Ids of the shop (order, article). They may look like a telephone
            number, never like an e-mail address.
        phone_fields: Fields of a form that may hold a telephone number, and nothing
            else that is personal.

    Raises:
        PersonalDataError: Names the field.
    """
    for field, value in _strings_in(body):
        normalized = _normalized(value)
        if _contains_address(normalized) or (
            value not in allowed_values
            and _contains_number(normalized, is_phone_allowed=field in phone_fields)
        ):
            message = f"personal data in {field}"
            raise PersonalDataError(message)


def _normalized(text: str) -> str:
    """Return `text` with one spelling of each character."""
    if "%" in text:
        text = unquote(text)
    if "&" in text:
        text = _AT_SIGN_ENTITY.sub("@", text)
    return text if text.isascii() else "".join(map(_normalized_character, text))


@lru_cache(maxsize=4096)
def _normalized_character(character: str) -> str:
    """Return the usual form of full-width, no-break and similar characters."""
    match unicodedata.category(character):
        case "Cf":
            return ""
        case "Pd":
            return "-"
        case _:
            return unicodedata.normalize("NFKC", character)


def _contains_address(text: str) -> bool:
    return "@" in text and _ADDRESS.search(text) is not None


def _contains_number(text: str, *, is_phone_allowed: bool) -> bool:
    if not _SEVEN_DIGITS.search(text):
        return False
    if PHONE_IN_TEXT.search(text) is not None and not (
        is_phone_allowed and _IS_PHONE.fullmatch(text.strip())
    ):
        return True
    return any(
        _passes_luhn(re.sub(r"\D", "", card[0])) for card in _CARD.finditer(text)
    )


def _passes_luhn(digits: str) -> bool:
    """Tell whether the last digit is the check digit of a card number (Luhn)."""
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
