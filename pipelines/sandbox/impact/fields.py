"""The fields of an impact.com conversion and their valid values.

Names: `impact-conversions-reference.txt`, with the additions of the v14 list given in
`impact.md` section 3.2. Sizes and formats: `impact.md` section 3.9. `rules.py` has the
rules about several fields.
"""

import re
from datetime import date

from pipelines.sandbox.field_checks import (
    Check,
    Problem,
    currency,
    either,
    expected,
    instant,
    one_of,
    opaque,
    pattern,
    text,
)

ATTRIBUTION_KEYS = (
    "ClickId",
    "CustomerId",
    "CustomProfileId",
    "OrderPromoCode",
    "PromoCode",
    "UniqueUrl",
    "MediaId",
    "MediaPartnerId",
    "CustomClickId",
    "GoogAId",
    "AndroidId",
    "AppleIfa",
    "AppleIfv",
    "CallerId",
    "PhoneNumber",
)
NOW = "NOW"
"""An EventDate that stands for the time of the request (the reference, EventDate)."""

MONEY = re.compile(
    r"Amount|Order(SubTotalPostDiscount|Discount|Shipping|Tax|Margin)|Money[0-9]+"
    r"|Item(SubTotal|Price|Discount|TotalDiscount|Margin)[0-9]+"
    r"|ItemMoney[0-9]+_[0-9]+"
)
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ITEM_NAME = re.compile(r"(Item[A-Za-z]+)([1-9][0-9]*)((?:_[0-9]+)?)")


def integer(digits: int) -> Check:
    """A whole number without a sign."""
    return pattern(f"a whole number of at most {digits} digits", f"[0-9]{{1,{digits}}}")


def decimal(digits: int = 8, sign: str = "") -> Check:
    """A number with at most two decimals; `sign` is `-?` where it may be negative."""
    return pattern(
        f"a number such as 12.50, at most {digits} digits and 2 decimals",
        rf"{sign}[0-9]{{1,{digits}}}(\.[0-9]{{1,2}})?",
    )


def _is_day(value: object) -> bool:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


_truth = one_of("true", "false")
_date = either(
    "an ISO 8601 date, or date and time with an offset",
    expected("a date", _is_day),
    instant,
)
_email_hash = pattern(
    "the SHA-1 or SHA-256 of the address in lower-case hex",
    "[0-9a-f]{40}|[0-9a-f]{64}",
)

ORDER_FIELDS: dict[str, Check] = {
    **dict.fromkeys(ATTRIBUTION_KEYS, text()),
    **dict.fromkeys(("CampaignId", "EventTypeId", "ActionTrackerId"), integer(10)),
    **dict.fromkeys(("MediaId", "MediaPartnerId"), integer(16)),
    **dict.fromkeys(("EventTypeCode", "OrderId", "ClickId"), text(64)),
    "EventDate": either(
        f"an ISO 8601 date and time with an offset, or {NOW}", instant, one_of(NOW)
    ),
    "CustomerId": opaque(255),
    "CustomProfileId": opaque(70),
    "CustomerEmail": _email_hash,
    "CustomerStatus": text(40),
    **dict.fromkeys(
        ("CustomerCity", "CustomerPostCode", "CustomerCountry", "CustomerRegion"),
        text(),
    ),
    **dict.fromkeys(("IpAddress", "UserAgent", "Note", "SharedId"), text()),
    "CurrencyCode": currency,
    "PaymentType": text(32),
    "OrderSubTotalPostDiscount": decimal(),
    "OrderDiscount": decimal(10),
    "OrderDiscountRate": decimal(3),
    **dict.fromkeys(("OrderShipping", "OrderTax"), decimal(12)),
    "OrderMargin": decimal(sign="-?"),
    **dict.fromkeys(("GiftPurchase", "TrackingConsent"), _truth),
    **dict.fromkeys(("LocationId", "LocationName", "LocationType"), text()),
    **dict.fromkeys(("PropertyId", "CountryCode"), text()),
    **dict.fromkeys(("DispositionCode", "EventCode"), text(64)),
    "Amount": decimal(6),
    **dict.fromkeys(("DeviceMfr", "DeviceModel"), text()),
    **dict.fromkeys(("AppPackage", "AppInstallRef", "AppVer"), text()),
    **{f"SubId{n}": text() for n in range(1, 4)},
    **{f"Date{n}": _date for n in range(1, 11)},
    **{f"Text{n}": text(64) for n in range(1, 51)},
    **{f"Numeric{n}": decimal(16, sign="-?") for n in range(1, 11)},
    **{f"Money{n}": decimal(16, sign="-?") for n in range(1, 4)},
}

ITEM_FIELDS: dict[str, Check] = {
    **dict.fromkeys(("ItemSku", "ItemCategory", "ItemSubCategory", "ItemName"), text()),
    **dict.fromkeys(("ItemBrand", "ItemPromoCode", "ItemDeliveryType"), text()),
    "ItemMpn": text(64),
    "ItemQuantity": integer(16),
    "ItemSubTotal": decimal(12),
    **dict.fromkeys(("ItemPrice", "ItemDiscount", "ItemTotalDiscount"), decimal()),
    "ItemDiscountRate": decimal(3),
    "ItemMargin": decimal(sign="-?"),
    **{f"ItemDate_{n}": _date for n in range(1, 11)},
    **{f"ItemText_{n}": text(64) for n in range(1, 51)},
    **{f"ItemNumeric_{n}": decimal(16, sign="-?") for n in range(1, 11)},
    **{f"ItemMoney_{n}": decimal(16, sign="-?") for n in range(1, 4)},
}


def split_item_name(name: str) -> tuple[str, int] | None:
    """`ItemText2_1` -> (`ItemText_1`, 2); None for a name that is no item field."""
    match = _ITEM_NAME.fullmatch(name)
    if match is None or match[1] + match[3] not in ITEM_FIELDS:
        return None
    return match[1] + match[3], int(match[2])


def check_field(name: str, value: object) -> list[Problem]:
    """Return the problems of one field by itself."""
    item = split_item_name(name)
    check = ITEM_FIELDS[item[0]] if item else ORDER_FIELDS.get(name)
    if check is None:
        return [Problem(name, "Unknown parameter")]
    if isinstance(value, list):
        return [Problem(name, "Parameter is given more than once")]
    return check(value, name)
