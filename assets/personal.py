"""What looks like personal data, and the guard that lets none of it leave.

Nobody needs a customer's e-mail address or telephone number to attribute an order, so
what is about to be sent is looked at once more, whatever the mapping says. Pure rules.
"""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import parse_qsl

EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+")

# Ids such as 112-1234567-1234567, 1234-5678-9012, 1234567890.1234567890 or 2026/000123
# are not telephone numbers, so hyphens and dots count only in the groups that people
# write, a slash only after a leading zero.
PHONE = (
    r"^\s*(?:\+[\d ().\-/]{6,}"
    r"|[\d(][\d().\-]*[ ()][\d ().\-/]{5,}"
    r"|0[\d().\-]*/[\d ().\-/]{5,}"
    r"|(?:\d{1,3}[.\-])?(?:\d{3}|0\d{3})[.\-]\d{3,4}[.\-]\d{4})\s*$"
)
# Order numbers are written in any groups, so only what cannot be one counts.
PHONE_AS_ORDER_ID = r"^\s*\+[\d ().\-/]{6,}\s*$"

_PHONE = re.compile(PHONE)
_OF_A_PERSON = re.compile(
    r"(?:.*_)?(?:first|last|full|given|family|middle|sur|maiden)_?name"
    r"|(?:customer|client|buyer|user|billing|shipping|recipient|contact)_name"
    r"|(?:.*_)?(?:e_?mail|phone|mobile|telephone|street|iban)(?:_?(?:address|number))?"
    r"|(?:.*_)?(?:address(?:_?line)?_?\d?|birth_?(?:day|date)|date_of_birth)"
)


def names_a_person(column: str) -> bool:
    """Tell whether a column, by its name, holds who a customer is or where he lives.

    A name cannot be told from a brand by its look, so such columns are never mapped. A
    column of hashes says so in its name (`email_sha1`) and may be.
    """
    return _OF_A_PERSON.fullmatch(column.lower()) is not None


def looks_personal(text: str) -> bool:
    """Tell whether a value is plainly personal, in whatever column it strayed into.

    Narrower than the guard below: an amount such as `1 234 567.89` is none.
    """
    return bool(EMAIL.search(text) or re.match(PHONE_AS_ORDER_ID, text))


class PersonalDataError(ValueError):
    """Something personal was about to be sent; the message names the field only."""


def refuse_personal(body: bytes, spared: Collection[str] = ()) -> None:
    """Raise where a value of `body` holds an e-mail address or is a telephone number.

    Args:
        body: JSON or a form, exactly as it would be sent.
        spared: Values that are ids of the shop (order, article): they may be written
            in groups like a telephone number, never like an address.

    Raises:
        PersonalDataError: Names the field.
    """
    for field, value in _values(body):
        if EMAIL.search(value) or (value not in spared and _PHONE.match(value)):
            message = f"personal data in {field}"
            raise PersonalDataError(message)


def _values(body: bytes) -> Iterator[tuple[str, str]]:
    text = body.decode("utf-8", "replace")
    try:
        yield from _texts("$", json.loads(text))
    except ValueError:
        for name, value in parse_qsl(text, keep_blank_values=True):
            yield name, value
            yield "a field's name", name


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield path, value
        case dict():
            for name, inner in value.items():
                yield f"a name below {path}", name
                yield from _texts(f"{path}.{name}", inner)
        case list():
            for position, inner in enumerate(value):
                yield from _texts(f"{path}[{position}]", inner)
