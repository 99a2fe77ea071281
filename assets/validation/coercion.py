"""Converts values of database drivers to the types of `schemas.py`.

Nothing is repaired: a value with two possible meanings is refused with a reason code.
Rules about readable values (signs, sums, known codes) are checks of `schemas.py`.
"""

import json
import math
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from assets.validation.schemas import DIGITS, FLAG, INSTANT, MONEY, TEXT, WHOLE

Reader = Callable[[Any], Any]

UNREADABLE = "unreadable"
AMOUNT_PRECISION = "amount_precision"
NAIVE_TIME = "naive_time"
AMBIGUOUS_TIME = "ambiguous_time"
AMOUNT_TOO_LARGE = "amount_too_large"

REFUSALS: dict[pa.DataType, dict[str, str]] = {
    INSTANT: {
        NAIVE_TIME: "a time with an offset, or the setting `source_timezone`",
        AMBIGUOUS_TIME: "a local time that exists exactly once, despite clock changes",
    },
    MONEY: {
        AMOUNT_PRECISION: "at most 6 decimals",
        AMOUNT_TOO_LARGE: "an amount below 10^14",
    },
}
"""Type of a column -> reason code -> what was expected."""

_FLAGS = {"true": True, "false": False, "1": True, "0": False}
# The minor units of less fit 64 bits in every currency: none has more than 4 decimals.
_MONEY_LIMIT = Decimal(10) ** 14
_WHOLE_LIMIT = 2**63


class RefusedValueError(Exception):
    """A value was refused.

    Attributes:
        code: Reason code. The name of the column is appended to `unreadable`.
    """

    def __init__(self, code: str = UNREADABLE) -> None:
        super().__init__(code)
        self.code = code


def read_column(
    values: Iterable[Any], reader: Reader, kind: pa.DataType
) -> "tuple[pa.Array[Any], dict[str, list[int]]]":
    """Read the values of one column.

    Args:
        values: Objects as the driver gave them.
        reader: Converts one value that is not null to a value of `kind`.
        kind: Arrow type of the result.

    Returns:
        The column, with null for missing and refused values, and the positions of
        refused values by reason code.
    """
    read: list[Any] = []
    refused: dict[str, list[int]] = defaultdict(list)
    for position, value in enumerate(values):
        try:
            read.append(None if is_null(value) else reader(value))
        except RefusedValueError as refusal:
            read.append(None)
            refused[refusal.code].append(position)
    return pa.array(read, type=kind), refused


def is_null(value: Any) -> bool:
    """Tell whether a driver gave null. NaN is a value here."""
    return value is None or value is pd.NA or value is pd.NaT


def read_text(value: Any) -> str | None:
    """Return text exactly as stored. Blank text is null.

    Integers become text. A fractional number is refused: it may be a damaged integer
    id.
    """
    if isinstance(value, str):
        return _checked(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, uuid.UUID) or _is_integer(value):
        return str(value)
    if (
        isinstance(value, Decimal)
        and value.is_finite()
        and value.as_tuple().exponent == 0
    ):
        return str(value)
    raise RefusedValueError


def whole_number_text(value: Any) -> str | None:
    """Return the digits of a whole number that came with a fraction of zero, or None.

    It shows which id may be meant. It is not proof: a number this size may be rounded.
    """
    is_number = isinstance(value, float | np.floating | Decimal)
    if not is_number or not math.isfinite(value) or value != int(value):
        return None
    return str(int(value))


def _checked(text: str) -> str | None:
    if not is_storable(text):
        raise RefusedValueError
    return text if text and not text.isspace() else None


def is_storable(text: str) -> bool:
    """Tell whether a database accepts `text`: no NUL, no half of a surrogate pair."""
    return "\0" not in text and (text.isascii() or _is_unicode(text))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def read_money(value: Any) -> Decimal | None:
    """Return an exact amount with at most 14 digits before and 6 after the point.

    A binary float is converted through its shortest decimal text.
    """
    amount = _decimal(value)
    if amount is None:
        return None
    if not amount.is_finite():
        raise RefusedValueError
    if not -_MONEY_LIMIT < amount < _MONEY_LIMIT:
        raise RefusedValueError(AMOUNT_TOO_LARGE)
    exact = round(amount, 6)
    if exact != amount:
        raise RefusedValueError(AMOUNT_PRECISION)
    return exact


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, Decimal):
        return value
    if _is_integer(value):
        return Decimal(int(value))
    if isinstance(value, float | np.floating):
        return Decimal(str(value))
    if not isinstance(value, str):
        raise RefusedValueError
    if not value.strip():
        return None
    # Decimal would also accept 1_000 and full-width digits.
    if "_" in value or not value.isascii():
        raise RefusedValueError
    try:
        return Decimal(value.strip())
    except InvalidOperation:
        raise RefusedValueError from None


def read_whole(value: Any) -> int | None:
    """Return a whole number. 2, 2.0 and "2" are the same."""
    number = _decimal(value)
    if number is None:
        return None
    if not number.is_finite() or not -_WHOLE_LIMIT < number < _WHOLE_LIMIT:
        raise RefusedValueError
    if number % 1:
        raise RefusedValueError
    return int(number)


def read_flag(value: Any) -> bool | None:
    """Return a truth value: true, false, 0, 1 or one of these as text."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    text = value.strip().lower() if isinstance(value, str) else str(read_whole(value))
    if text and text not in _FLAGS:
        raise RefusedValueError
    return _FLAGS.get(text)


def read_instant(value: Any, *, zone: tzinfo | None = None) -> datetime | None:
    """Return an aware instant in UTC.

    Args:
        value: A datetime, or ISO 8601 text with a time of day. A date alone is refused.
        zone: Time zone of naive values. None refuses naive values.
    """
    if isinstance(value, str):
        if not value.strip():
            return None
        value = _parse_instant(value.strip())
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime(warn=False)
    if not isinstance(value, datetime):
        raise RefusedValueError
    if value.utcoffset() is None:
        value = _localise(value, zone)
    instant: datetime = value
    # Arrow cannot do this: after pandera is imported, it stores the local time.
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise RefusedValueError from None


def _parse_instant(text: str) -> datetime:
    if len(text) <= len("2026-01-01"):
        raise RefusedValueError
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise RefusedValueError from None


def _localise(value: datetime, zone: tzinfo | None) -> datetime:
    if zone is None:
        raise RefusedValueError(NAIVE_TIME)
    early = value.replace(tzinfo=zone, fold=0)
    late = value.replace(tzinfo=zone, fold=1)
    # Different offsets: the clock showed this time twice, or never.
    if early.utcoffset() != late.utcoffset():
        raise RefusedValueError(AMBIGUOUS_TIME)
    return early


def read_texts(value: Any) -> list[str] | None:
    """Return a list of texts from a list or from the JSON text of one."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise RefusedValueError from None
        if value is None:
            return None
    if not isinstance(value, list | tuple | np.ndarray):
        raise RefusedValueError
    texts = [None if is_null(one) else read_text(one) for one in value]
    return [text for text in texts if text is not None]


def read_one_or_more_texts(value: Any) -> list[str] | None:
    """Return a list of texts from one text, a list, or the JSON text of either."""
    if isinstance(value, str):
        text = value.strip()
        if text[:1] == '"':
            value = f"[{text}]"
        elif text[:1] != "[" and text != "null":
            found = read_text(value)
            return None if found is None else [found]
    return read_texts(value)


def reader_of(column: str, kind: pa.DataType, zone: tzinfo | None) -> Reader:
    """Return the reader of a column by its name and Arrow type."""
    if column == "currency":
        return _with_case(str.upper)
    if column in {"customer_email_sha1", "customer_email_sha256"}:
        return _with_case(str.lower)
    if column == "device":
        return read_one_or_more_texts
    if kind == INSTANT:
        return partial(read_instant, zone=zone)
    return _READERS[kind]


def _with_case(change: Callable[[str], str]) -> Reader:
    def read(value: Any) -> str | None:
        text = read_text(value)
        # Other letters may become these: the long s is an S in capitals.
        return change(text) if text and text.isascii() else text

    return read


READABLE: dict[pa.DataType, str] = {
    TEXT: "text or a whole number, without NUL or invalid characters",
    MONEY: "a decimal number",
    WHOLE: "a whole number that fits 64 bits",
    FLAG: "true, false, 1 or 0",
    INSTANT: "an instant: date, time of day and offset",
    pa.list_(TEXT): "a list of texts, or the JSON text of one",
}
"""Type of a column -> what can be read into it; else `unreadable_<column>`."""


def expected_by(code: str, kind: pa.DataType) -> str:
    """Return what was expected of a value that was refused with `code`."""
    return READABLE[kind] if code == UNREADABLE else REFUSALS[kind][code]


_READERS: dict[pa.DataType, Reader] = {
    TEXT: read_text,
    MONEY: read_money,
    WHOLE: read_whole,
    DIGITS: read_whole,
    FLAG: read_flag,
    pa.list_(TEXT): read_texts,
}
