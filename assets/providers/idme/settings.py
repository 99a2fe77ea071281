"""Settings of a destination at ID.me, and their validation.

ID.me publishes a browser SDK only, so most settings cover something that its page
leaves open. Each default is the choice with the least risk (`idme.md`, section 9).
"""

import re
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from assets.providers.settings import DestinationSettings, validate_url

_PROPERTY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_OWN_NAMES = frozenset(
    {
        *("event", "eventid", "timestamp", "context", "conversiontrackingid"),
        *("properties", "orderid", "total", "revenue", "shipping", "tax", "discount"),
        *("currency", "coupon", "affiliation", "products"),
    }
)
"""Names of the page's table, in lower case: spellings may be confused."""

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


class IdMeSettings(DestinationSettings):
    """One application at ID.me.

    Attributes:
        app_id: The SDK's `data-app-id` (page, step 2). Its place in a server's request
            is unpublished, so it is not sent. It is only part of the event id.
        endpoint_url: An address obtained from ID.me. None: events are written to the
            outbox and are `staged`, never counted as delivered.
        endpoint_headers: Headers that ID.me named with the address. No header is
            invented.
        envelope: `nested` follows the page's table (`properties.orderId`); `flat` puts
            the properties beside `event`.
        context: Constants of the envelope's `context`, whose content is unpublished;
            empty: it is left out.
        resend_policy: `never` if ID.me does not drop repeats.
        require_consent: The SDK tracks only if the consent is exactly true (page,
            "Consent gating"), so this is on by default.
        fields: Additional property <- column. ID.me accepts any and forwards it (page,
            "Event shape"), so nothing is sent that is not named here.
        base_url: Must not be set: ID.me publishes no address for paths.
    """

    provider: Literal["idme"]
    base_url: str = ""
    app_id: str = Field(min_length=1)
    endpoint_url: str | None = Field(default=None, repr=False)
    endpoint_headers: dict[str, SecretStr] = Field(default_factory=dict)
    envelope: Literal["nested", "flat"] = "nested"
    context: dict[str, str] = Field(default_factory=dict)
    resend_policy: Literal["dedupe", "never"] = "dedupe"
    require_consent: bool = True

    @property
    def account(self) -> tuple[str, ...]:
        """The application."""
        return (self.app_id,)

    @field_validator("base_url")
    @classmethod
    def _must_not_be_set(cls, _: str) -> str:
        message = "ID.me publishes no address; set endpoint_url to the one it gave you"
        raise ValueError(message)

    @field_validator("endpoint_url")
    @classmethod
    def _must_be_https_too(cls, url: str | None) -> str | None:
        if url is not None:
            validate_url(url)
        return url

    @field_validator("endpoint_headers")
    @classmethod
    def _must_be_headers(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(name):
                message = f"expected the name of a header, got {name!r}"
                raise ValueError(message)
            if not _HEADER_VALUE.fullmatch(value.get_secret_value()):
                message = f"expected one line of ASCII text for {name}"
                raise ValueError(message)
        return headers

    @field_validator("fields")
    @classmethod
    def _must_be_additional(cls, fields: dict[str, str]) -> dict[str, str]:
        for name in fields:
            if not _PROPERTY.fullmatch(name):
                message = f"expected a name of letters, digits and _, got {name!r}"
                raise ValueError(message)
            if name.lower() in _OWN_NAMES:
                message = f"{name} cannot be mapped: the exporter sends it itself"
                raise ValueError(message)
        return fields

    @model_validator(mode="after")
    def _headers_need_an_endpoint(self) -> Self:
        if self.endpoint_headers and self.endpoint_url is None:
            message = "endpoint_headers needs endpoint_url"
            raise ValueError(message)
        return self
