"""The request and the reply as the sandbox's providers see them.

Free of HTTP libraries: a provider gets a `Request` whose body is parsed already and
gives back a `Reply`. What a provider has to offer is the protocol at the end.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Request:
    """One request to one provider.

    Attributes:
        account: The account, tenant or SDK key that the path names; "" for ID.me.
        parts: What else the path names.
        headers: Names in lower case.
        body: The parsed body, or the text as it came where it could not be parsed.
        settle_code: The reason with which impact.com is to end the submission.
    """

    provider: str
    account: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: object
    at: datetime
    settle_code: str = ""

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def basic_credentials(self) -> tuple[str, str]:
        """User and password of HTTP Basic; two empty texts where there are none."""
        scheme, _, encoded = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return "", ""
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return user, password


@dataclass(frozen=True)
class Reply:
    """What a provider answers.

    Attributes:
        body: A JSON value, or the text of an HTML page.
        applied: Whether the request took effect.
    """

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)
    applied: bool = False


@dataclass(frozen=True)
class Operation:
    """One thing that a provider does at one address.

    Attributes:
        path: Regular expression of the path below the provider's prefix; the group
            `account` names the account.
        refuse: The reply to a request that does not stand up to the checks.
        apply: Takes a checked request into the books; called again, in the same
            order, when a journal is loaded.
    """

    method: str
    path: re.Pattern[str]
    refuse: Callable[[Request], Reply | None]
    apply: Callable[[Request], Reply]

    @property
    def template(self) -> str:
        """The path without what it names: `/Advertisers/{account}/Conversions`."""
        return re.sub(r"\(\?P<(\w+)>[^()]*\)", r"{\1}", self.path.pattern)


class Provider(Protocol):
    """One of the providers that the sandbox stands in for."""

    @property
    def name(self) -> str:
        """The first part of its addresses, and its name in faults."""

    @property
    def operations(self) -> Sequence[Operation]:
        """What it offers."""

    def parse(self, body: bytes) -> object:
        """Reads a body, or returns its text where it cannot be read."""

    def order_ids(self, body: object) -> list[str]:
        """The orders in a body, one entry per event; bad bodies have none."""

    def failure(self, status: int, message: str) -> object:
        """The body with which this provider reports a failure."""


def parse_json(body: bytes) -> object:
    """Reads JSON; NaN, infinities and doubled names make it unreadable."""
    try:
        return json.loads(
            body.decode(), object_pairs_hook=_unique_names, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def parse_form(body: bytes) -> object:
    """Reads a form; a name that is given twice has the list of its values."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
        )
    except ValueError:
        return body.decode(errors="replace")
    form: dict[str, object] = {}
    for name, value in pairs:
        earlier = form.get(name)
        if earlier is None:
            form[name] = value
        else:
            form[name] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
    return form


def _unique_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = dict(pairs)
    if len(names) < len(pairs):
        message = "a name is given twice in one object"
        raise ValueError(message)
    return names


def _no_constant(name: str) -> object:
    message = f"{name} is not JSON"
    raise ValueError(message)
