"""Settings of a destination at Convert.com, and their validation.

Facts that Convert's documents leave open are settings with a safe default. Sources are
"guide" (Convert's "Creating Custom Integrations") and `convert.md` (what else is known,
with its confidence).
"""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from assets.money import is_tender, minor_digits
from assets.providers.settings import DestinationSettings

CUSTOM_DIMENSIONS = tuple(f"customDimension{number}" for number in range(1, 6))
"""Keys of goalData for the project's own use (guide, section 4)."""

NumericId = Annotated[str, Field(coerce_numbers_to_str=True, pattern=r"^[0-9]+$")]
GoalId = Annotated[str, Field(coerce_numbers_to_str=True, min_length=1)]


class ConvertSettings(DestinationSettings):
    """One Convert project, and the goal of the orders.

    Attributes:
        account_id: A whole number. It is part of the path (`convert.md`, section 2).
        project_id: The same.
        goal_id: A goal of the project that is attached to the experiences.
        currency: The currency of the project. The API has no field for it.
        base_url: The address before `/v1/track`.
        sdk_key: Replaces account and project in the path.
        sdk_key_secret: The secret of a key that has one (`convert.md`, section 2).
        debug_token: Header `convert-debug-token`, with which draft and paused
            experiences are served, too. It expires, by default after 24 hours
            (specification 1.1.0, "Debug Token"). Documented for SDK keys only.
        source: Name of the sender. Every SDK has its own; the guide has none. It is not
            verified whether Convert has a list of allowed names.
        enrich_data: Convert adds the bucketing that it has stored for the visitor.
        visitors_per_request: No maximum is documented.
        bytes_per_request: The same. An order that exceeds it is sent alone.
        exposure_max_age_days: Exposures that are older at the time of the order do not
            count; None: any age. Convert may still add older ones itself, with
            `enrich_data`.
        first_order_only: Report only the first order of each visitor. Orders reported
            before this was set are not known.
        send_without_bucketing: Rely on `enrich_data` if no bucketing is stored.
        resend_uncertain: Risk counting an order twice rather than not at all.
    """

    provider: Literal["convert"]
    base_url: str = "https://metrics.convertexperiments.com"
    require_consent: bool = True
    account_id: NumericId
    project_id: NumericId
    goal_id: GoalId
    currency: str
    sdk_key: SecretStr | None = Field(default=None, min_length=1)
    sdk_key_secret: SecretStr | None = Field(default=None, min_length=1)
    debug_token: SecretStr | None = Field(default=None, min_length=1)
    source: str | None = Field(default=None, min_length=1)
    enrich_data: bool = True
    visitors_per_request: int = Field(default=50, ge=1)
    bytes_per_request: int = Field(default=65_536, ge=1_024)
    exposure_max_age_days: int | None = Field(default=None, ge=1, le=36_500)
    first_order_only: bool = False
    send_without_bucketing: bool = False
    resend_uncertain: bool = False

    @property
    def account(self) -> tuple[str, ...]:
        """The project, because goals belong to it, whatever key is in the path."""
        return (self.account_id, self.project_id)

    @field_validator("base_url")
    @classmethod
    def _must_end_before_the_path(cls, url: str) -> str:
        if url.rstrip("/").endswith(("/v1", "/v1/track")):
            message = "expected an address that ends before /v1/track"
            raise ValueError(message)
        return url

    @field_validator("currency")
    @classmethod
    def _must_be_iso_4217(cls, code: str) -> str:
        if not is_tender(code.upper(), date.max):
            message = f"{code} is a retired currency"
            raise ValueError(message)
        minor_digits(code.upper())
        return code.upper()

    @field_validator("fields")
    @classmethod
    def _must_map_custom_dimensions(cls, fields: dict[str, str]) -> dict[str, str]:
        for name in fields:
            if name not in CUSTOM_DIMENSIONS:
                choices = ", ".join(CUSTOM_DIMENSIONS)
                message = f"{name} cannot be mapped: choose from {choices}"
                raise ValueError(message)
        return fields

    @model_validator(mode="after")
    def _must_fit_together(self) -> Self:
        """Refuse settings that together lose or double orders.

        Without enrichment, an order without bucketing belongs to no experience, and the
        caller must avoid duplicates (`convert.md`, section 4).
        """
        for name in ("sdk_key_secret", "debug_token"):
            if getattr(self, name) is not None and self.sdk_key is None:
                message = f"{name} needs sdk_key"
                raise ValueError(message)
        for name in ("send_without_bucketing", "resend_uncertain"):
            if getattr(self, name) and not self.enrich_data:
                message = f"{name} needs enrich_data = true"
                raise ValueError(message)
        return self
