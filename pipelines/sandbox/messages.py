"""Requests and replies, free of HTTP libraries.

A provider gets a `Request` with a parsed body and returns a `Reply`.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Request:
    """One request to one provider.

    Attributes:
        provider: Name of the provider.
        account: The account, tenant or SDK key in the path; "" for ID.me.
        parts: All named groups of the path.
        query: The query parameters.
        headers: The headers, with names in lower case.
        body: The parsed body, or its text if it could not be parsed.
        at: Time of the request.
        settle_code: The error reason of the impact.com submission; "" for none.
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
        """User and password of HTTP Basic; two empty strings if there are none."""
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
    """The reply of a provider.

    Attributes:
        status: The HTTP status.
        body: A JSON value, or the text of an HTML page.
        headers: The headers.
        applied: Whether the request took effect.
    """

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)
    applied: bool = False
