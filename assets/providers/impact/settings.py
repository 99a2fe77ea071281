"""Settings of a destination at impact.com, and their validation."""

import re
from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from assets.providers.impact.fields import ATTRIBUTION, CALL_TRACKING, TEXT_LENGTH
from assets.providers.impact.mapping import check_fields, check_item_fields
from assets.providers.settings import DestinationSettings

AttributionKey = Literal[
    "click_id", "customer_id", "custom_profile_id", "promo_code", "mapped"
]

_TEN_DIGITS = 9_999_999_999


class ImpactSettings(DestinationSettings):
    """One advertiser account, campaign and event type at impact.com.

    Attributes:
        account_sid: User name of HTTP Basic and part of every path (impact.md 2).
        auth_token: Password of HTTP Basic; needs the scopes "Create conversion",
            "Submissions" and "Actions" (impact.md 2).
        campaign_id: At most 10 digits (impact.md 3.9).
        event_type_id: Either this or `event_type_code`. It is unpublished which one
            applies if both are sent (impact.md 3.1).
        event_type_code: At most 64 characters (impact.md 3.9).
        report: `items`, or `order`: only the order's total, no line (reference,
            "OrderSubTotalPostDiscount": never both).
        item_money: Whether lines carry `ItemSubTotal` or `ItemPrice`; never both
            (reference, "ItemSubTotal" and "ItemPrice").
        item_discount: The form of a line's discount: of the `line`, per `unit` or as a
            `rate` in percent. If the form is not exact, the amount of the line is sent.
            A rate must be exact for the line and for one unit of it.
        order_discount: The form of the order's discount; a `rate` only if it is exact
            for the order and for each line.
        discount_level: `one` quarantines an order with a discount on the order and
            another on a line: the base of the first is unpublished (impact.md 3.5).
        attribution_keys: An order needs one of these, or it is suppressed
            `no_click_id`. All stored keys are sent, listed here or not. `mapped`: an
            attribution key that `fields` fills.
        force_credit: `fields` may fill MediaId or MediaPartnerId, which credit one
            partner whatever was clicked (reference, "MediaId").
        call_tracking: `fields` may fill CallerId and PhoneNumber with telephone numbers
            as people write them.
        item_fields: Item parameter <- column of the line, or `extra.<column>`.
        default_category: `ItemCategory` is required with items (reference). This value
            is sent if the warehouse has none.
        customer_id_pattern: Regular expression of a CustomerId; None: only no `@`.
        currencies: The only currencies that are reported; None: all.
        max_items: Orders with more lines are quarantined. No limit is published.
        max_body_bytes: The same for the size of a request.
        dedup_window_hours: How long impact.com drops a repeat of an order id. It is
            configured per account and unpublished (impact.md 5): ask impact.com.
        settle_delay_minutes: Time after a lost reply until a first copy cannot be in
            the queue any more.
        settle_after_minutes: Time until the first question about a submission
            (impact.md 6).
        settle_timeout_hours: Time until the last question; at most the 90 days for
            which submissions are kept (impact.md 6).
        settle_requests_per_hour: Questions about submissions. Together with lookups
            they stay below the 1,000 requests per hour of impact.md 4.
        lookup_requests_per_hour: Pages of actions.
        lookup_page_size: Actions on a page, 2,000 to 20,000 (impact.md 7).
    """

    provider: Literal["impact"]
    base_url: str = "https://api.impact.com"
    account_sid: SecretStr
    auth_token: SecretStr = Field(min_length=1)
    campaign_id: int = Field(ge=1, le=_TEN_DIGITS)
    event_type_id: int | None = Field(default=None, ge=1, le=_TEN_DIGITS)
    event_type_code: str | None = Field(default=None, max_length=64, pattern=r"\S")
    report: Literal["items", "order"] = "items"
    item_money: Literal["subtotal", "price"] = "subtotal"
    item_discount: Literal["line", "unit", "rate"] = "line"
    order_discount: Literal["amount", "rate"] = "amount"
    discount_level: Literal["both", "one"] = "both"
    attribution_keys: tuple[AttributionKey, ...] = Field(("click_id",), min_length=1)
    force_credit: bool = False
    call_tracking: bool = False
    item_fields: dict[str, str] = Field(default={})
    default_category: str = Field(
        "uncategorized", max_length=TEXT_LENGTH, pattern=r"\S"
    )
    customer_id_pattern: str | None = None
    currencies: tuple[str, ...] | None = Field(default=None, min_length=1)
    max_items: int = Field(default=1_000, ge=1)
    max_body_bytes: int = Field(default=1_048_576, ge=1_024)
    dedup_window_hours: int = Field(default=24, ge=1)
    settle_delay_minutes: int = Field(default=45, ge=0)
    settle_after_minutes: int = Field(default=30, ge=0)
    settle_timeout_hours: int = Field(default=48, ge=1, le=90 * 24)
    settle_requests_per_hour: int = Field(default=800, ge=1)
    lookup_requests_per_hour: int = Field(default=100, ge=1)
    lookup_page_size: int = Field(default=20_000, ge=2_000, le=20_000)
    max_age_days: int | None = Field(default=88, ge=1)

    @property
    def account(self) -> tuple[str, ...]:
        """The campaign of the advertiser account: event types belong to it."""
        return (self.account_sid.get_secret_value(), str(self.campaign_id))

    @property
    def reported_amount(self) -> str:
        """The column of a mapped Amount; `revenue` if there is none."""
        return self.fields.get("Amount", "revenue")

    @property
    def phone_fields(self) -> Collection[str]:
        """The parameters of call tracking, if it is on."""
        return CALL_TRACKING if self.call_tracking else ()

    @field_validator("account_sid")
    @classmethod
    def _must_fit_a_path(cls, account_sid: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", account_sid.get_secret_value()):
            message = "expected letters, digits, - and _ only, as impact.com shows it"
            raise ValueError(message)
        return account_sid

    @field_validator("item_fields")
    @classmethod
    def _must_be_mappable(cls, fields: dict[str, str]) -> dict[str, str]:
        check_item_fields(fields)
        return fields

    @field_validator("currencies")
    @classmethod
    def _must_be_codes(cls, codes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if codes and not all(re.fullmatch("[A-Z]{3}", code) for code in codes):
            message = "expected ISO 4217 codes in upper case, such as USD"
            raise ValueError(message)
        return codes

    @field_validator("customer_id_pattern")
    @classmethod
    def _must_be_a_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error:
            message = "expected a regular expression"
            raise ValueError(message) from None
        return pattern

    @model_validator(mode="after")
    def _must_map_allowed_fields(self) -> "ImpactSettings":
        check_fields(
            self.fields,
            force_credit=self.force_credit,
            has_items=self.report == "items",
        )
        if "mapped" in self.attribution_keys and not ATTRIBUTION & self.fields.keys():
            names = ", ".join(sorted(ATTRIBUTION))
            message = f"attribution_keys has mapped, but fields fills none of {names}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _must_not_configure_items_with_report_order(self) -> "ImpactSettings":
        about_items = {"item_fields", "item_money", "item_discount", "order_discount"}
        given = sorted(about_items & self.model_fields_set)
        if self.report == "order" and given:
            message = (
                f'report = "order" sends no items and no discount: take out {given}'
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _must_name_one_event_type(self) -> "ImpactSettings":
        if (self.event_type_id is None) == (self.event_type_code is None):
            message = "set exactly one of event_type_id and event_type_code"
            raise ValueError(message)
        return self

    @property
    def mapped_columns(self) -> Mapping[str, Collection[str]]:
        """The mapped columns, by statement."""
        return {**super().mapped_columns, "order_items": self.item_fields.values()}

    @model_validator(mode="after")
    def _must_settle_within_the_window(self) -> "ImpactSettings":
        if self.settle_delay_minutes >= self.dedup_window_hours * 60:
            message = "settle_delay_minutes must be shorter than dedup_window_hours"
            raise ValueError(message)
        return self
