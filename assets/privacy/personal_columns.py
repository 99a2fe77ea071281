"""Recognises columns of personal data by their names.

The value of a person's name looks like that of a brand. So columns with such names can
never be mapped, whatever their values are.
"""

import re
from collections.abc import Iterable

_PERSON = (
    r"(?:customer|client|buyer|user|billing|shipping|delivery|recipient|contact|guest"
    r"|holder|sender|receiver|employee|owner|payer|member|person|kunden)"
)
# Matched against words: `billing_FirstName2` becomes "billing first name". An IP
# address may be mapped: impact.com has a field for it.
_PERSONAL_NAME = re.compile(
    r"(?:.* )?(?:"
    rf"(?:first|last|full|given|family|middle|sur|maiden|{_PERSON}) ?name"
    r"|[fl] ?name|vorname|nachname|prénom|prenom|apellidos?"
    r"|(?:e ?mail|(?:tele|mobile |cell )?phone|mobile|tel|telefon|handy|fax|iban"
    r"|street|stra(?:ss|ß)e|(?<!\bip )address|adresse)"
    r"(?: (?:address|line|number|no|nr))*"
    r"|birth ?(?:day|date)|date of birth|dob|geburtsdatum|ssn|passport"
    r"|recipient|card ?holder|(?:ship|bill) to"
    r")"
    rf"|(?:{_PERSON} )?(?:cell|mail)(?: (?:number|no|nr))?"
)
_PHONE_NAME = re.compile(
    r"(?:.* )?(?:(?:tele|mobile |cell )?phone|mobile|tel|telefon|handy)"
    r"(?: (?:line|number|no|nr))*"
)


def is_personal_column(column: str) -> bool:
    """Tell whether the name of a column names personal data.

    The last words decide: a hash (`email_sha1`) may be mapped.
    """
    return _PERSONAL_NAME.fullmatch(_words(column)) is not None


def is_phone_column(column: str) -> bool:
    """Tell whether the name of a column, or `extra.<column>`, names telephones."""
    return _PHONE_NAME.fullmatch(_words(column.removeprefix("extra."))) is not None


def _words(column: str) -> str:
    separated = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])", " ", column)
    return " ".join(re.findall(r"[^\W\d_]+", separated.lower()))


def refuse_personal_columns(columns: Iterable[str]) -> None:
    """Refuse mapped columns whose names name personal data.

    Args:
        columns: Columns of an order or a line, or `extra.<column>`.

    Raises:
        ValueError: A column is personal. The message names the first one.
    """
    for column in columns:
        if is_personal_column(column.removeprefix("extra.")):
            message = (
                "expected a column without names, addresses or numbers of people, "
                f"got {column!r}; a hash of it may be sent: name it so"
            )
            raise ValueError(message)
