"""Compares replies with the shapes that a provider's documents describe.

Each provider's `shapes.py` holds its documented replies as data. A difference changes
no outcome: it warns a person that the provider has changed its replies. A difference
never contains a value of the reply.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TypeAlias

from assets.providers.replies import read_json

Kinds = frozenset[str]
"""Known kinds of a value, for example `TEXT | NULL`."""

TEXT: Kinds = frozenset({"text"})
NUMBER: Kinds = frozenset({"a number"})
FLAG: Kinds = frozenset({"true or false"})
NULL: Kinds = frozenset({"null"})
EMPTY: Kinds = frozenset({"an empty body"})
ANYTHING: Kinds = frozenset(
    {
        *("text", "a number", "true or false", "null", "an object", "an array"),
        *("an empty body", "a body that is no JSON"),
    }
)


@dataclass(frozen=True)
class OneOf:
    """A text of a closed list, in upper or lower case."""

    values: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a text that `signature` would not keep."""
        if not all(_SHORT_WORD.fullmatch(word.encode()) for word in self.values):
            message = f"a word is letters, spaces and _: {self.values}"
            raise ValueError(message)


Shape: TypeAlias = (
    "Kinds | OneOf | Mapping[str, Shape] | list[Shape] | tuple[Shape, ...]"
)
"""A mapping is an object without other keys. Keys are compared without case, and each
may be missing. A list of one shape is an array of it. A tuple lists alternatives."""

ShapesByStatus = Mapping[tuple[int, ...], Shape]
"""Status codes -> the body of the reply."""

ShapesByRequest = Mapping[str, ShapesByStatus]
"""Method and path template of a request -> its replies."""

INTERMEDIARY_STATUSES = (408, 425, 429, 500, 502, 503, 504)
"""Statuses that an intermediary may send in place of the provider, with any body."""

_MAX_MEMBERS = 50
_MAX_DIFFERENCES = 20
_NAME = re.compile(r"[A-Za-z@_][A-Za-z_-]{0,39}[0-9]{0,2}")
_SHORT_WORD = re.compile(rb"[A-Za-z_ ]{1,40}")


def differences(shapes: ShapesByStatus, status: int, body: bytes) -> list[str]:
    """Return the differences of a reply, at most 20 paths: `$.Errors[0].Code: ...`.

    Args:
        shapes: The known replies of this request.
        status: Its status code.
        body: The whole body.
    """
    for codes, shape in shapes.items():
        if status in codes:
            found = islice(_compare(_value(body), shape), _MAX_DIFFERENCES)
            return [f"${tail}: {message}" for tail, message in found]
    known = ", ".join(map(str, sorted(chain.from_iterable(shapes))))
    return [f"status: expected one of {known}, got {status}"]


def signature(body: bytes) -> bytes:
    """Return a body without its values. Equal shapes have equal signatures.

    Keys, short plain words and the difference between texts and numbers stay. This is
    faster than parsing JSON, so every reply can be checked.
    """
    return _VALUE.sub(rb"\1\2#", body)


# Possessive quantifiers, and a text may end with the body: the time is linear.
_VALUE = re.compile(
    rb'("(?:[^"\\]++|\\.?)*+"\s*:|"[A-Za-z_ ]{1,40}")'
    rb'|(")(?:[^"\\]++|\\.?)*+"?'
    rb"|-?[0-9][0-9.eE+-]*",
    re.DOTALL,
)


class _NotJson:
    """Stands for a body that cannot be read."""


class _Empty:
    """Stands for a body without a byte."""


def _value(body: bytes) -> Any:
    if not body.strip():
        return _Empty()
    value = read_json(body)
    return _NotJson() if value is None and body.strip() != b"null" else value


_KINDS: Mapping[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
    dict: "an object",
    list: "an array",
    _Empty: "an empty body",
    _NotJson: "a body that is no JSON",
}


def _compare(value: Any, shape: Shape) -> Iterator[tuple[str, str]]:
    """Yield the rest of the path of each difference, and what was expected there."""
    kind = _KINDS[type(value)]
    options = shape if isinstance(shape, tuple) else (shape,)
    matching = next((one for one in options if kind in _kinds(one)), None)
    if matching is None:
        expected = ", ".join(sorted(frozenset().union(*map(_kinds, options))))
        yield "", f"expected {expected}, got {kind}"
    elif isinstance(matching, OneOf):
        if value.casefold() not in {word.casefold() for word in matching.values}:
            yield "", f"expected one of {', '.join(matching.values)}, got another word"
    elif isinstance(matching, Mapping):
        yield from _compare_object(value, matching)
    elif isinstance(matching, list):
        yield from _compare_array(value, matching[0])


def _compare_object(
    value: Mapping[str, Any], values: Mapping[str, Shape]
) -> Iterator[tuple[str, str]]:
    folded = {name.casefold(): shape for name, shape in values.items()}
    reported = set()
    for name, member in value.items():
        # A key may be the id of an order or a person.
        path = f".{name}" if _NAME.fullmatch(name) else ".<key>"
        shape = folded.get(name.casefold())
        found = (
            [("", "expected no such key")] if shape is None else _compare(member, shape)
        )
        for tail, message in found:
            if (path + tail, message) not in reported:
                reported.add((path + tail, message))
                yield path + tail, message


def _compare_array(value: list[Any], shape: Shape) -> Iterator[tuple[str, str]]:
    """Yield a difference of many members for the first of them only."""
    reported = set()
    for position, member in enumerate(value[:_MAX_MEMBERS]):
        for difference in _compare(member, shape):
            if difference not in reported:
                reported.add(difference)
                tail, message = difference
                yield f"[{position}]{tail}", message


def _kinds(shape: Shape) -> Kinds:
    if isinstance(shape, frozenset):
        return shape
    if isinstance(shape, OneOf):
        return TEXT
    if isinstance(shape, Mapping):
        return frozenset({"an object"})
    if isinstance(shape, list):
        return frozenset({"an array"})
    return frozenset().union(*map(_kinds, shape))
