"""Which columns, by their name, hold who a customer is or where he lives.

A person's name cannot be told from a brand by its look, so such columns are never
mapped, whatever stands in them.
"""

import re
from collections.abc import Iterable

_PERSON = (
    r"(?:customer|client|buyer|user|billing|shipping|delivery|recipient|contact|guest"
    r"|holder|sender|receiver|employee|owner|payer|member|person|kunden)"
)
# Looked at as words: `billing_FirstName2` is read "billing first name". The address of
# an IP may pass, as `ip` does: impact.com has a field for it.
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


def is_personal_column(column: str) -> bool:
    """Tell whether a column is named like something of a person.

    The last words decide: a hash says so in its name (`email_sha1`) and may be mapped.
    """
    separated = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])", " ", column)
    words = re.findall(r"[^\W\d_]+", separated.lower())
    return _PERSONAL_NAME.fullmatch(" ".join(words)) is not None


def refuse_personal_columns(columns: Iterable[str]) -> None:
    """Refuse mapped columns that are named like something of a person.

    Args:
        columns: Of an order or a line, or `extra.<column>`.

    Raises:
        ValueError: Names the first.
    """
    for column in columns:
        if is_personal_column(column.removeprefix("extra.")):
            message = (
                "expected a column without names, addresses or numbers of people, "
                f"got {column!r}; a hash of it may be sent: name it so"
            )
            raise ValueError(message)
