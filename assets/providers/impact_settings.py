"""Settings of a destination at impact.com, and what makes them wrong.

Only what configuration says belongs here, not what is made of it.
"""

import re
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from assets.providers.base import DestinationSettings
from assets.providers.impact_fields import TEXT, check_mapping

AttributionKey = Literal["click_id", "customer_id", "custom_profile_id", "promo_code"]

_TEN_DIGITS = 9_999_999_999


class ImpactSettings(DestinationSettings):
    """One advertiser account, campaign and event type at impact.com.

    Attributes:
        account_sid: User name of HTTP Basic and part of every path (impact.md 2).
        auth_token: Password of HTTP Basic; needs the scopes "Create conversion" and
            "Submissions" (impact.md 2).
        campaign_id: At most 10 digits (impact.md 3.9).
        event_type_id: Either this or `event_type_code`: nothing published says which
            wins where both are sent (impact.md 3.1).
        event_type_code: At most 64 characters (impact.md 3.9).
        item_money: Whether lines carry `ItemSubTotal` or `ItemPrice`; never both
            (reference, "ItemSubTotal" and "ItemPrice").
        attribution_keys: An order needs one of these, or it is suppressed
            `no_click_id`. Whatever is stored is sent, listed here or not.
        default_category: `ItemCategory` is required with items (reference); this
            stands in where the warehouse has none.
        dedup_window_hours: How long impact.com drops a repeat of an order id. Account
            configuration that no public page states (impact.md 5): ask them.
        settle_delay_minutes: After a lost reply, not before a first copy can no
            longer be in the queue.
        settle_after_minutes: When a submission is first asked about (impact.md 6).
        settle_timeout_hours: When to stop asking; at most the 90 days for which
            submissions are kept (impact.md 6).
    """

    provider: Literal["impact"]
    base_url: str = "https://api.impact.com"
    account_sid: SecretStr
    auth_token: SecretStr = Field(min_length=1)
    campaign_id: int = Field(ge=1, le=_TEN_DIGITS)
    event_type_id: int | None = Field(default=None, ge=1, le=_TEN_DIGITS)
    event_type_code: str | None = Field(default=None, min_length=1, max_length=64)
    item_money: Literal["subtotal", "price"] = "subtotal"
    attribution_keys: tuple[AttributionKey, ...] = Field(("click_id",), min_length=1)
    default_category: str = Field("uncategorized", min_length=1, max_length=TEXT)
    dedup_window_hours: int = Field(default=24, ge=1)
    settle_delay_minutes: int = Field(default=45, ge=0)
    settle_after_minutes: int = Field(default=30, ge=0)
    settle_timeout_hours: int = Field(default=48, ge=1, le=90 * 24)
    max_age_days: int | None = Field(default=88, ge=1)

    @field_validator("account_sid")
    @classmethod
    def _must_fit_a_path(cls, account_sid: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", account_sid.get_secret_value()):
            message = "expected letters, digits, - and _ only, as impact.com shows it"
            raise ValueError(message)
        return account_sid

    @field_validator("fields")
    @classmethod
    def _must_be_mappable(cls, fields: dict[str, str]) -> dict[str, str]:
        check_mapping(fields)
        return fields

    @model_validator(mode="after")
    def _must_name_one_event_type(self) -> "ImpactSettings":
        if (self.event_type_id is None) == (self.event_type_code is None):
            message = "set exactly one of event_type_id and event_type_code"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _must_wait_less_than_the_window(self) -> "ImpactSettings":
        if self.settle_delay_minutes >= self.dedup_window_hours * 60:
            message = "settle_delay_minutes must be shorter than dedup_window_hours"
            raise ValueError(message)
        return self
