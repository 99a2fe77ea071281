"""The stored copy of a refused row: its reasons, its order and its revenue.

`chunk.py` and `sql/transform/conversions.sql` decide the reasons. This module removes
personal data.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from assets.validation.coercion import is_null

SHOWN_CHARACTERS = 40
RedactedCell = dict[str, str | None]
"""`expected` and `actual` of one failing column."""

# The content of `extra` is unknown.
_PERSONAL_COLUMNS = frozenset({"visitor_id", "value", "extra"})

# Columns may be shifted by one, so the name of a column does not make a value safe to
# show. A longer number may be a telephone or card number, a date alone a birthday.
_NUMBER = r"-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,3})?"
_OF_LINE = rf"(?:line [0-9]+: )?{_NUMBER}"
_SHOWABLE = re.compile(
    rf"{_OF_LINE}(?:[,;] {_OF_LINE})*(?:; \.\.\.)?"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
    r"|(?i:true|false|yes|no|nan|-?inf(?:inity)?)"
    r"|[A-Z]{3}|[a-z]{3}"
)
"""Numbers, instants, flags and codes such as those of currencies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that is sent to no destination.

    Attributes:
        dataset: The statement; `conversions` or `orphan_items` for rows that the join
            refuses.
        row_no: Position of the row in the dataset of the partition, from 1.
        source_row_hash: sha256 of the row as the warehouse gave it, in hex.
        order_id: None if it could not be read, holds personal data, or is too long for
            the delivery tables.
        reasons: Reason codes, sorted.
        row_redacted: Failing column -> what was `expected`, and the `actual` value.
            Numbers, instants, flags and codes of three letters are shown. Of other
            values, only the length and the kinds of characters are shown.
        order_at: Aware instant of the order, if readable.
        currency: ISO 4217 code, if known.
        amount_minor: Revenue in minor units, if readable.
        currency_digits: Minor digits of `currency`.
    """

    partition_key: str
    dataset: str
    row_no: int
    source_row_hash: str
    order_id: str | None
    reasons: tuple[str, ...]
    row_redacted: Mapping[str, RedactedCell]
    order_at: datetime | None = None
    currency: str | None = None
    amount_minor: int | None = None
    currency_digits: int | None = None


_QUARANTINE_COLUMNS = tuple(
    name for name in Reject.__dataclass_fields__ if name != "partition_key"
)


def quarantine_rows(rejects: Iterable[Reject]) -> list[dict[str, Any]]:
    """Return rejects as rows of the quarantine of their partition."""
    return [
        {
            **{name: getattr(one, name) for name in _QUARANTINE_COLUMNS},
            "reasons": list(one.reasons),
            "row_redacted": dict(one.row_redacted),
        }
        for one in rejects
    ]


OnRejects = Callable[[list[Reject]], object]


def text_of(value: Any) -> str | None:
    """Return any value of a driver as text. Null and NaN are None."""
    if is_null(value) or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal) and abs(value.adjusted()) < SHOWN_CHARACTERS:
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=str, ensure_ascii=False, sort_keys=True)
    return str(value)


def hash_row(row: Mapping[str, Any]) -> str:
    """Return the sha256 of a row. It does not depend on the order of the columns."""
    texts = {name: text_of(value) for name, value in row.items()}
    return _sha256(json.dumps(texts, sort_keys=True))


def redact(
    row: Mapping[str, Any], expected: Mapping[str, str], personal: Iterable[str] = ()
) -> dict[str, RedactedCell]:
    """Return the failing columns as they may be stored.

    Args:
        row: The row as the warehouse gave it.
        expected: Failing column -> what was expected of it.
        personal: Columns whose values are not shown for this row. Those of
            `customer_*`, `visitor_id` and the value of an identifier are never shown.
    """
    hashed = _PERSONAL_COLUMNS.union(personal)
    return {
        name: {
            "expected": expected[name],
            "actual": _redact(
                text_of(row.get(name)),
                is_personal=name in hashed or name.startswith("customer_"),
            ),
        }
        for name in sorted(expected)
    }


def _redact(text: str | None, *, is_personal: bool) -> str | None:
    if text is None:
        return None
    if is_personal or not _SHOWABLE.fullmatch(text):
        return _describe(text)
    return text[:SHOWN_CHARACTERS]


def _describe(text: str) -> str:
    """Return enough to find the mistake, without the value.

    A hash is not safe: a telephone number can be found by trying all numbers.
    """
    counted = "1 character" if len(text) == 1 else f"{len(text)} characters"
    kinds = {_kind(character) for character in text}
    return f"{counted}: {', '.join(sorted(kinds))}" if kinds else counted


def _kind(character: str) -> str:
    if character.isalpha():
        return "letters"
    if character.isdigit():
        return "digits"
    if character.isspace():
        return "spaces"
    return "signs" if character.isprintable() else "unprintable"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
