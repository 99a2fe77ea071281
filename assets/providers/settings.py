"""Settings that every destination has, and the columns that can be mapped.

Further settings of a provider belong in its own package.
"""

from collections.abc import Collection, Mapping
from itertools import chain
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from assets.privacy.personal_columns import is_phone_column, refuse_personal_columns
from assets.providers.conversion import NON_COLUMN_FIELDS, Conversion

MAPPABLE = frozenset(
    name
    for name in Conversion.__dataclass_fields__
    if name not in NON_COLUMN_FIELDS | {"source_hash"}
)
"""Columns of an order that can be mapped to a provider field."""
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class DestinationSettings(BaseModel):
    """Settings of every destination; each provider adds its own.

    Attributes:
        fields: Provider field <- column of the order, or `extra.<column>`.
        in_flight: Concurrency window; None: the default of the provider.
        max_age_days: Older orders are suppressed `too_old`; None: no limit.
        time_budget_minutes: A run stops after this time; None: never.
        zero_amount: Whether an order whose `reported_amount` is 0 is sent.
    """

    # A message about a whole table would otherwise quote it, including its secrets.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    provider: str
    base_url: str
    enabled: bool = True
    require_consent: bool = False
    fields: dict[str, str] = {}
    in_flight: int | None = Field(default=None, ge=1, le=256)
    requests_per_second: float | None = Field(default=None, gt=0)
    requests_per_hour: int | None = Field(default=None, gt=0)
    max_age_days: int | None = Field(default=None, ge=1)
    time_budget_minutes: int | None = Field(default=None, ge=1)
    zero_amount: Literal["send", "suppress"] = "send"

    @property
    def reported_amount(self) -> str:
        """The column of an order that `zero_amount` looks at."""
        return "revenue"

    @property
    def mapped_columns(self) -> Mapping[str, Collection[str]]:
        """The mapped columns, by the statement that gives them."""
        return {"completed_orders": self.fields.values()}

    @property
    def phone_fields(self) -> Collection[str]:
        """Provider fields that may be sent a telephone number."""
        return ()

    @property
    def account(self) -> tuple[str, ...]:
        """The identity of the account at the provider. It may be secret.

        Two destinations of one account would report each order twice.
        """
        raise NotImplementedError

    @field_validator("fields")
    @classmethod
    def _must_name_columns(cls, fields: dict[str, str]) -> dict[str, str]:
        for column in fields.values():
            if column not in MAPPABLE and not column.startswith("extra."):
                known = ", ".join(sorted(MAPPABLE))
                message = f"expected extra.<column> or one of {known}, got {column!r}"
                raise ValueError(message)
        return fields

    @model_validator(mode="after")
    def _must_map_nothing_personal(self) -> Self:
        columns = list(chain.from_iterable(self.mapped_columns.values()))
        for name in self.phone_fields:
            if is_phone_column(column := self.fields.get(name, "")):
                columns.remove(column)
        refuse_personal_columns(columns)
        return self

    @field_validator("base_url")
    @classmethod
    def _must_be_https(cls, url: str) -> str:
        return validate_url(url)


def validate_url(url: str) -> str:
    """Return `url` without a trailing slash.

    Raises:
        ValueError: It is neither an https URL nor an http URL of this machine.
    """
    parts = urlsplit(url)
    loopback = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if not parts.hostname or not (parts.scheme == "https" or loopback):
        message = "expected an https URL, or http on 127.0.0.1 for the sandbox"
        raise ValueError(message)
    return url.rstrip("/")
