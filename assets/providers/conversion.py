"""The conversion: one order as a reportable event, in the same form for all providers.

What a provider may know about an order belongs here. Staging does not.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from math import isnan
from typing import Any

IDENTIFIER_KINDS = (
    "impact_click_id",
    "trackdesk_cid",
    "trackdesk_external_cid",
    "idme_conversion_tracking_id",
    "convert_visitor_id",
    "custom_profile_id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of an order. Money is exact, in the currency of the order.

    Attributes:
        sku: None: a line without an article, such as a gift wrap.
        quantity: Units; may be fractional (metres, kilograms) or 0.
        unit_price: Price of one unit before discounts.
        subtotal: Price of the line before its own discount.
        discount: Discount of the whole line, as a positive amount.
        extra: Columns beyond the contract, as text, by column name.
    """

    line_no: int
    sku: str | None = None
    product_id: str | None = None
    name: str | None = None
    category: str | None = None
    sub_category: str | None = None
    brand: str | None = None
    variant: str | None = None
    quantity: Decimal
    unit_price: Decimal
    subtotal: Decimal
    discount: Decimal
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Visitor segments as the warehouse names them. None or empty: not stored.

    Attributes:
        device: All codes of the device: a telephone may have a general and an exact
            one.
    """

    browser: str | None = None
    device: tuple[str, ...] = ()
    source: str | None = None
    visitor_type: str | None = None
    country: str | None = None
    campaign: str | None = None
    custom_segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """A variation of an experience that the visitor saw, up to the time of the order.

    Attributes:
        last_at: The latest time at which it was seen.
        refused_at: The latest time of a refused row that may contradict it.
    """

    experience_id: str
    variation_id: str
    last_at: datetime
    refused_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """One completed order, with what was known about its visitor at that time.

    Attributes:
        completed_at: Aware instant, UTC.
        currency_digits: Minor digits of `currency` (ISO 4217).
        revenue: Merchandise after discounts, before shipping and tax.
        total: revenue + shipping + tax.
        discount: Discount of the order as a whole. Line discounts are in `items`.
        tracking_consent: None: the warehouse does not know it.
        identifiers: Value by kind (`IDENTIFIER_KINDS`), as of the order.
        bucketing: Variation id by experience id, first exposure at or before the order.
        bucketing_conflicts: Experiences left out of `bucketing`, because they have two
            variations.
        exposures: All that `bucketing` is made of, with their times.
        unfit_identifiers: Kinds left out of `identifiers`, because a refused row may be
            the one that counts. Each has the reasons of that refusal.
        unfit_experiences: Experiences left out of `bucketing` for the same reason.
        extra: Columns beyond the contract, as text, by column name. Lists are JSON.
        lists: The members of those that are lists, as text. Null is no member.
        source_hash: Hash of the source rows. It is not sent.
        remembered: Order id by digest, for the remembered keys of the conversion
            (`assets/providers/remembered_keys.py`). It grows during the run.
    """

    order_id: str
    completed_at: datetime
    currency: str
    currency_digits: int
    total: Decimal
    revenue: Decimal
    discount: Decimal
    shipping: Decimal
    tax: Decimal
    items: tuple[Item, ...]
    visitor_id: str | None = None
    customer_id: str | None = None
    customer_email_sha1: str | None = None
    customer_email_sha256: str | None = None
    promo_code: str | None = None
    affiliation: str | None = None
    customer_status: str | None = None
    customer_country: str | None = None
    customer_region: str | None = None
    customer_city: str | None = None
    customer_postcode: str | None = None
    payment_type: str | None = None
    tracking_consent: bool | None = None
    is_test: bool = False
    identifiers: Mapping[str, str] = field(default_factory=dict)
    bucketing: Mapping[str, str] = field(default_factory=dict)
    bucketing_conflicts: Sequence[str] = ()
    exposures: Sequence[Exposure] = ()
    unfit_identifiers: Mapping[str, str] = field(default_factory=dict)
    unfit_experiences: Sequence[str] = ()
    segments: Segments | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    source_hash: str = field(default="", repr=False, compare=False)
    remembered: Mapping[str, str] = field(
        default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Conversion":
        """Build a conversion from one row of the staged `conversions` table.

        Args:
            row: Column -> value as `assets/validation/schemas.py` describes
                `conversions`: `items` and `bucketing` are lists of structs,
                `segments` a struct or None, `extra` JSON text of an object, the
                identifier kinds columns.
        """
        plain = {name: row[name] for name in _PLAIN_COLUMNS}
        segments = row["segments"]
        return cls(
            **plain,
            items=tuple(_item(item) for item in row["items"]),
            identifiers={
                kind: row[kind] for kind in IDENTIFIER_KINDS if row[kind] is not None
            },
            bucketing={
                seen["experience_id"]: seen["variation_id"] for seen in row["bucketing"]
            },
            bucketing_conflicts=tuple(row["bucketing_conflicts"] or ()),
            exposures=tuple(Exposure(**seen) for seen in row["exposures"]),
            unfit_identifiers={
                unfit["kind"]: unfit["reasons"] for unfit in row["unfit_identifiers"]
            },
            unfit_experiences=tuple(row["unfit_experiences"]),
            segments=None if segments is None else _segments(segments),
            extra=extra_texts(row["extra"]),
            lists=extra_lists(row["extra"]),
        )


NON_COLUMN_FIELDS = frozenset(
    {
        "items",
        "identifiers",
        "bucketing",
        "bucketing_conflicts",
        "exposures",
        "unfit_identifiers",
        "unfit_experiences",
        "segments",
        "extra",
        "lists",
        "remembered",
    }
)
"""Fields of a conversion that are not columns of its order."""

_PLAIN_COLUMNS = tuple(
    name for name in Conversion.__dataclass_fields__ if name not in NON_COLUMN_FIELDS
)


def _item(row: Mapping[str, Any]) -> Item:
    return Item(**{**row, "extra": extra_texts(row["extra"])})


def extra_texts(extra: str | None) -> dict[str, str]:
    """Return the further columns of a row as text."""
    return {name: _text(value) for name, value in json.loads(extra or "{}").items()}


def extra_lists(extra: str | None) -> dict[str, Sequence[str]]:
    """Return the members of the further columns that are lists."""
    return {
        name: tuple(_text(member) for member in value if not _is_nothing(member))
        for name, value in json.loads(extra or "{}").items()
        if isinstance(value, list)
    }


def _is_nothing(member: object) -> bool:
    return member is None or (isinstance(member, float) and isnan(member))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _segments(row: Mapping[str, Any]) -> Segments:
    lists = {name: tuple(row[name] or ()) for name in ("device", "custom_segments")}
    return Segments(**{**row, **lists})
