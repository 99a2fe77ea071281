"""Encoding of values: exact JSON, CSV cells, fingerprints of personal identifiers.

What a provider needs belongs in its own package.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")
"""The last four are the first four in full width. Some spreadsheets accept them too."""


def json_bytes(value: object) -> bytes:
    """Return `value` as UTF-8 JSON without white space, keys in the given order.

    A Decimal becomes a number with exactly its own digits (`12.50`, never `1.25E+1`).
    The standard library would convert it to a float, and money is never a float.

    Raises:
        TypeError: A float, or anything else that is not a JSON value.
        ValueError: A Decimal that is not a number, or text that is not Unicode.
    """
    return _text(value).encode("utf-8")


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, Mapping):
        pairs = (f"{_key(key)}:{_text(inner)}" for key, inner in value.items())
        return "{" + ",".join(pairs) + "}"
    if value is None or isinstance(value, str | int):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return "[" + ",".join(map(_text, value)) + "]"
    message = f"{type(value).__name__} is not written as JSON; money is a Decimal"
    raise TypeError(message)


def _number(value: Decimal) -> str:
    if not value.is_finite():
        message = f"{value} is not a JSON number"
        raise ValueError(message)
    return format(value, "f")


def _key(key: object) -> str:
    if not isinstance(key, str):
        message = f"a key must be text, got {type(key).__name__}"
        raise TypeError(message)
    return json.dumps(key, ensure_ascii=False)


def is_formula(cell: str) -> bool:
    """Tell whether a spreadsheet would compute `cell` instead of showing it."""
    return cell.startswith(_STARTS_A_FORMULA)


def fingerprint(text: str) -> str:
    """Return the stored form of a personal identifier: the start of its sha256."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


def allow_listed_copy(
    members: Mapping[str, object], allowed: Collection[str]
) -> dict[str, object]:
    """Return a JSON object in which only the named members stay readable.

    Any other member becomes a fingerprint, so that a new member of a request is not
    stored by accident.

    Args:
        members: A parsed JSON object.
        allowed: Names of members, at every level.
    """
    return {
        name: _allow_listed(value, allowed)
        if name in allowed
        else fingerprint(value if isinstance(value, str) else _text(value))
        for name, value in members.items()
    }


def _allow_listed(value: object, allowed: Collection[str]) -> object:
    if isinstance(value, Mapping):
        return allow_listed_copy(value, allowed)
    if isinstance(value, list):
        return [_allow_listed(one, allowed) for one in value]
    return value
