"""Encoding of values for impact.com: text, numbers, amounts, dates, flags, hashes.

A kind encodes a value from text, or raises an error. `fields.py` assigns kinds to
parameters.

Source: `shared/providers/impact.md`, sections 3.5 to 3.7 and 3.9 (sizes and formats).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from assets.money import fits, to_text

Kind = Callable[[str, int], str]
"""Encodes a value (text, never blank). The number is the currency's minor digits."""

MAX_DECIMALS = 2
"""Numbers have at most two decimals (impact.md 3.9)."""

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class InvalidValueError(ValueError):
    """A value that impact.com does not accept. The message never quotes the value.

    Attributes:
        reason: A code of the closed list in `docs/delivery-tables.md`.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def identifier(limit: int) -> Kind:
    """A key or id. It must fit, because a cut one would be another one."""

    def write(text: str, _digits: int) -> str:
        if len(text) > limit:
            message = f"is longer than {limit} characters"
            raise InvalidValueError(message, reason="too_long")
        return text

    return write


def pseudonym(limit: int) -> Kind:
    """An id of a person that must not identify the person (reference, "CustomerId")."""
    fitting = identifier(limit)

    def write(text: str, digits: int) -> str:
        if "@" in text:
            message = "looks like an e-mail address"
            raise InvalidValueError(message, reason="pii_as_id")
        return fitting(text, digits)

    return write


@dataclass(frozen=True)
class DescriptiveText:
    """Descriptive text, cut to `limit` characters."""

    limit: int

    def __call__(self, text: str, _digits: int) -> str:
        """Return the text as it is sent; empty if only white space would be left."""
        return text[: self.limit] if text[: self.limit].strip() else ""


def whole(size: int) -> Kind:
    """A whole number of at most `size` digits."""

    def write(text: str, _digits: int) -> str:
        number = _number(text, size)
        if number < 0 or not fits(number, 0):
            message = "is no whole number"
            raise InvalidValueError(message, reason="unfit_field")
        return f"{number:.0f}"

    return write


def decimal(size: int) -> Kind:
    """A number with at most `size` digits before the point and two after it."""

    def write(text: str, _digits: int) -> str:
        number = _number(text, size)
        return to_text(number, 0 if fits(number, 0) else MAX_DECIMALS)

    return write


def money(size: int, *, signed: bool = False) -> Kind:
    """An amount with the currency's own digits, two at most (impact.md 3.5)."""

    def write(text: str, digits: int) -> str:
        amount = _number(text, size, min(digits, MAX_DECIMALS))
        if amount < 0 and not signed:
            message = "is below zero"
            raise InvalidValueError(message, reason="negative_amount")
        return to_text(amount, min(digits, MAX_DECIMALS))

    return write


def _number(text: str, size: int, decimals: int = MAX_DECIMALS) -> Decimal:
    if not _NUMBER.fullmatch(text.strip()):
        message = "is no number such as 12.50"
        raise InvalidValueError(message, reason="unfit_field")
    number = Decimal(text.strip())
    if abs(number) >= 10**size:
        message = f"has more than {size} digits before the point"
        raise InvalidValueError(message, reason="amount_too_large")
    if not fits(number, decimals):
        message = f"has more than {decimals} decimals"
        raise InvalidValueError(message, reason="amount_precision")
    return number if number else Decimal(0)


def date_or_time(text: str, _digits: int) -> str:
    """A date, or an instant as `instant_text` writes it (reference, "Date1-10").

    A time without a zone is never sent: its meaning is unpublished (impact.md 3.6).
    """
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text).isoformat()
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return instant_text(found)
    except (ValueError, OverflowError):
        pass
    message = "is neither a date nor a time with its offset"
    raise InvalidValueError(message, reason="unfit_field")


def instant_text(instant: datetime) -> str:
    """ISO 8601 in UTC with Z, because a form may lose a plus sign (impact.md 3.6)."""
    utc = instant.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="seconds") + "Z"


def flag(text: str, _digits: int) -> str:
    """`true` or `false`; the column may have any case (impact.md 3.7)."""
    if text.lower() not in {"true", "false"}:
        message = "is neither true nor false"
        raise InvalidValueError(message, reason="unfit_field")
    return text.lower()


def email_hash(text: str, _digits: int) -> str:
    """SHA-1 or SHA-256 of the address in lower-case hex (impact.md 3.7)."""
    if not _HASH.fullmatch(text):
        message = "is no SHA-1 or SHA-256 in lower-case hex"
        raise InvalidValueError(message, reason="unfit_field")
    return text
