"""Checks for the fields of a request, and for objects and arrays built from them.

A check takes a value and the path of its field, and returns the problems that it found,
so that the document of a provider can be written as a table of fields. Checks that only
one provider needs belong in the package of that provider.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from math import isfinite
from typing import NamedTuple


class Problem(NamedTuple):
    """What is wrong with one field of a request."""

    field: str
    message: str


Check = Callable[[object, str], list[Problem]]

_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)


def expected(what: str, test: Callable[[object], bool]) -> Check:
    """Return a check that passes the values for which `test` is true."""

    def check(value: object, path: str) -> list[Problem]:
        if test(value):
            return []
        return [Problem(path, f"expected {what}, got {_describe(value)}")]

    return check


def text(limit: int = 255) -> Check:
    """A string that is not blank and has at most `limit` characters."""
    return expected(
        f"a string of 1 to {limit} characters",
        lambda value: (
            isinstance(value, str) and bool(value.strip()) and len(value) <= limit
        ),
    )


def opaque(limit: int) -> Check:
    """An identifier that is no e-mail address."""
    short = text(limit)
    return expected(
        f"an identifier of at most {limit} characters that identifies no person",
        lambda value: not short(value, "") and "@" not in str(value),
    )


def pattern(what: str, regex: str) -> Check:
    """A string that matches `regex` as a whole."""
    compiled = re.compile(regex)
    return expected(
        what,
        lambda value: isinstance(value, str) and bool(compiled.fullmatch(value)),
    )


def one_of(*values: str) -> Check:
    """One string of a closed list."""
    return expected("one of " + ", ".join(values), lambda value: value in values)


def either(what: str, *checks: Check) -> Check:
    """A value that passes at least one of `checks`."""
    return expected(what, lambda value: any(not check(value, "") for check in checks))


def each(check: Check) -> Check:
    """An array that is not empty, every member of which passes `check`."""

    def check_array(value: object, path: str) -> list[Problem]:
        if not isinstance(value, list) or not value:
            return [Problem(path, "expected an array that is not empty")]
        return [
            problem
            for position, member in enumerate(value)
            for problem in check(member, f"{path}[{position}]")
        ]

    return check_array


def record(fields: Mapping[str, Check], required: Collection[str] = ()) -> Check:
    """An object that is not empty and has no fields but those of `fields`."""

    def check(value: object, path: str) -> list[Problem]:
        if not isinstance(value, dict) or not value:
            return [Problem(path, "expected an object that is not empty")]
        problems = [
            Problem(_below(path, name), "required field is missing")
            for name in required
            if name not in value
        ]
        for name, member in value.items():
            problems += fields.get(name, _unknown)(member, _below(path, name))
        return problems

    return check


def mapping(check: Check) -> Check:
    """An object that is not empty, every value of which passes `check`."""

    def check_values(value: object, path: str) -> list[Problem]:
        names = value if isinstance(value, dict) else ()
        return record(dict.fromkeys(names, check))(value, path)

    return check_values


def parse_instant(value: object) -> datetime | None:
    """The instant that an ISO 8601 text with an offset stands for, else None."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


boolean = expected("true or false", lambda value: isinstance(value, bool))
number = expected(
    "a JSON number",
    lambda value: (
        (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, float) and isfinite(value))
    ),
)
instant = expected(
    "an ISO 8601 date and time with an offset, such as 2026-01-31T23:55:24-08:00",
    lambda value: parse_instant(value) is not None,
)
currency = pattern("an ISO 4217 code of three upper-case letters", "[A-Z]{3}")
uuid = pattern(
    "a UUID",
    "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
)


def _unknown(_value: object, path: str) -> list[Problem]:
    return [Problem(path, "unknown field")]


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _describe(value: object) -> str:
    # Clients store the replies, and the terminal shows them, so that no value may be
    # in them.
    if isinstance(value, str):
        return f"a string of {len(value)} characters"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    return "a number"
