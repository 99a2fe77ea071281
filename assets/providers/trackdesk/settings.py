"""Settings of a Trackdesk tenant, and their validation."""

import re
from typing import Any, Literal, Self, get_args

from pydantic import Field, SecretStr, field_validator, model_validator

from assets.providers.settings import DestinationSettings

CONVERSION_PATH = "/tracking/conversion/v1"
LINK_PATH = "/tracking/external-cid/v1"
ADV_FIELDS = ("advS1", "advS2", "advS3", "advS4", "advS5")
TYPE_FIELD, STATUS_FIELD = "conversionTypeCode", "status"
MAPPED_FIELDS = ("customerId", *ADV_FIELDS, TYPE_FIELD, STATUS_FIELD)
"""Fields that `fields` may map (`trackdesk.md`, section 3)."""

Status = Literal[
    "approved",
    "pending",
    "on_hold",
    "rejected",
    "refunded",
    "test",
    "fraud",
    "not_allowed",
]
STATUSES: tuple[str, ...] = get_args(Status)
"""The closed list of `trackdesk.md`, section 3."""

CSV_COLUMNS = (
    "CID",
    "External CID",
    "Conversion type",
    "Amount",
    "Conversion status",
    "Currency",
    "External ID",
    "Customer ID",
    *(f"Adv S{number}" for number in range(1, 6)),
    "Revenue origin ID",
    "Created at",
)
"""Columns of the import in the UI (help 8862593; `trackdesk.md`, section 3)."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class TrackdeskSettings(DestinationSettings):
    """One Trackdesk tenant, and the conversion type of the orders.

    Attributes:
        base_url: Default: the address of the tenant (manual, section 2).
        conversion_type_code: For example `sale` (manual, section 2). It is part of the
            conversion key, also if `fields` maps a type for each order.
        channel: `csv` writes a file for the import in the UI. Only the import accepts
            the time of an order (help 8862593).
        identify_by: The one identifier that is sent (`trackdesk.md`, section 3).
        revenue_origin_id: Required with an external cid (manual, section 3) or a
            coupon. A Network tenant must always send it (help 8862593).
        link: Link the external cid to a click first. Set it to false if the site does
            this (manual, section 3, step A).
        coupon_separator: Separator of the codes of one order; None: an order has at
            most one code.
        amount: The base of a percentage commission; `none` for offers with a fixed
            amount.
        send_currency: It must also be enabled in the offer's pricing group (help
            10420821).
        status: Status of the orders for which `fields` maps none; None: the account's
            default, approved (help 8512734).
        api_key: Sent as `x-api-key`; not required (`trackdesk.md`, section 2).
        duplicate_markers: Further texts that mean "already exists". The wording is
            unpublished (`trackdesk.md`, section 9).
        external_cid_conversion_path: The manual prints the path of step A for step B,
            almost certainly by mistake (`trackdesk.md`, section 2).
        csv_headers: Header of a column in the import, by our name of the column.
    """

    provider: Literal["trackdesk"]
    base_url: str = ""
    tenant_id: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$")
    conversion_type_code: str = Field(min_length=1)
    channel: Literal["api", "csv"] = "api"
    identify_by: Literal["cid", "external_cid", "coupon"] = "cid"
    revenue_origin_id: str | None = None
    link: bool = True
    coupon_separator: str | None = Field(default=None, min_length=1)
    amount: Literal["revenue", "total", "none"] = "revenue"
    send_currency: bool = True
    status: Status | None = None
    api_key: SecretStr | None = None
    duplicate_markers: tuple[str, ...] = ()
    external_cid_conversion_path: str = Field(
        default=CONVERSION_PATH, pattern=r"^(/[A-Za-z0-9_.-]+)+$"
    )
    csv_headers: dict[str, str] = Field(default_factory=dict)

    @property
    def account(self) -> tuple[str, ...]:
        """The tenant, which has its own address."""
        return (self.base_url, self.tenant_id)

    @property
    def reported_amount(self) -> str:
        """The base of the commission; `revenue` if no amount is sent."""
        return "total" if self.amount == "total" else "revenue"

    @property
    def has_type_per_order(self) -> bool:
        """Whether `fields` maps the conversion type."""
        return TYPE_FIELD in self.fields

    @model_validator(mode="before")
    @classmethod
    def _default_base_url(cls, given: Any) -> Any:
        if isinstance(given, dict) and "tenant_id" in given:
            return {"base_url": f"https://{given['tenant_id']}.trackdesk.com", **given}
        return given

    @field_validator("revenue_origin_id")
    @classmethod
    def _must_be_a_uuid(cls, origin: str | None) -> str | None:
        if origin is not None and not _UUID.fullmatch(origin):
            message = "expected a UUID, as the settings of the tenant show it"
            raise ValueError(message)
        return origin

    @field_validator("fields")
    @classmethod
    def _must_be_known_fields(cls, fields: dict[str, str]) -> dict[str, str]:
        if unknown := set(fields) - set(MAPPED_FIELDS):
            message = f"expected {', '.join(MAPPED_FIELDS)}, got {sorted(unknown)}"
            raise ValueError(message)
        return fields

    @field_validator("duplicate_markers")
    @classmethod
    def _must_be_specific(cls, markers: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.search(r"[^\W_]{4}", marker) for marker in markers):
            message = "expected words of at least four letters or digits"
            raise ValueError(message)
        return markers

    @field_validator("csv_headers")
    @classmethod
    def _must_be_known_columns(cls, headers: dict[str, str]) -> dict[str, str]:
        if unknown := set(headers) - set(CSV_COLUMNS):
            message = f"expected {', '.join(CSV_COLUMNS)}, got {sorted(unknown)}"
            raise ValueError(message)
        headers_used = [headers.get(name, name).strip() for name in CSV_COLUMNS]
        if len(set(filter(None, headers_used))) < len(CSV_COLUMNS):
            message = "expected a name of its own for each column"
            raise ValueError(message)
        return headers

    @model_validator(mode="after")
    def _must_name_the_revenue_origin(self) -> Self:
        if self.identify_by != "cid" and self.revenue_origin_id is None:
            message = f'identify_by = "{self.identify_by}" needs revenue_origin_id'
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _must_fit_the_import(self) -> Self:
        if self.channel == "csv" and self.identify_by == "coupon":
            message = 'the import has no column for identify_by = "coupon"'
            raise ValueError(message)
        if self.channel == "csv" and self.identify_by == "external_cid" and self.link:
            message = "the import links nothing: link on your site and set link = false"
            raise ValueError(message)
        return self
