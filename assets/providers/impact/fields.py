"""Parameters of impact.com: their kinds of values, and which may be stored.

Only the closed lists belong here, and the rules that follow from them alone. The
parameters that configuration may fill are in `mapping.py`.

Sources: `impact-conversions-reference.txt` (names) and `shared/providers/impact.md`,
sections 3.2, 3.3, 3.8 (names) and 3.9 (sizes; what has none takes the default).
"""

from collections.abc import Mapping

from assets.providers.base import DataIssue, truncation_issue
from assets.providers.encode import fingerprint
from assets.providers.impact.values import (
    DescriptiveText,
    InvalidValueError,
    Kind,
    date_or_time,
    decimal,
    email_hash,
    flag,
    identifier,
    money,
    pseudonym,
    whole,
)

TEXT_LENGTH = 255
"""Default size of a text parameter, in characters (impact.md 3.9)."""
_SHORT_TEXT = 64
_DEFAULT_DIGITS = 8
"""Digits before the point of a number without a size of its own (impact.md 3.9)."""
_AMOUNT_DIGITS = 6
"""The same of `Amount`, decimal (8,2) (impact.md 3.9)."""
_CUSTOM_DIGITS = 16
"""The same of custom numbers, decimal (18,2) (impact.md 3.9)."""

RANGES = {"Date": 10, "Money": 3, "Numeric": 10, "Text": 50}
"""How many there are of each custom parameter (impact.md 3.9)."""
SUB_IDS = 3

_CUSTOM_KINDS: dict[str, Kind] = {
    "Date": date_or_time,
    "Money": money(_CUSTOM_DIGITS, signed=True),
    "Numeric": decimal(_CUSTOM_DIGITS),
    "Text": DescriptiveText(_SHORT_TEXT),
}


def _custom(pattern: str) -> dict[str, Kind]:
    return {
        pattern.format(name, number): _CUSTOM_KINDS[name]
        for name, last in RANGES.items()
        for number in range(1, last + 1)
    }


ORDER: Mapping[str, Kind] = {
    **dict.fromkeys(("CampaignId", "EventTypeId"), whole(10)),
    **dict.fromkeys(("MediaId", "MediaPartnerId"), whole(16)),
    **dict.fromkeys(("EventTypeCode", "OrderId", "ClickId"), identifier(_SHORT_TEXT)),
    "EventDate": date_or_time,
    "CurrencyCode": identifier(3),
    "CustomerId": pseudonym(TEXT_LENGTH),
    "CustomProfileId": pseudonym(70),
    "OrderPromoCode": identifier(TEXT_LENGTH),
    **dict.fromkeys(
        ("UniqueUrl", "CustomClickId", "CallerId"), identifier(TEXT_LENGTH)
    ),
    **dict.fromkeys(("PhoneNumber", "GoogAId", "AndroidId"), identifier(TEXT_LENGTH)),
    **dict.fromkeys(("AppleIfa", "AppleIfv"), identifier(TEXT_LENGTH)),
    "OrderSubTotalPostDiscount": money(_DEFAULT_DIGITS),
    "OrderDiscount": money(10),
    "OrderDiscountRate": decimal(3),
    **dict.fromkeys(("OrderShipping", "OrderTax"), money(12)),
    "OrderMargin": money(_DEFAULT_DIGITS, signed=True),
    "PaymentType": identifier(32),
    "CustomerEmail": email_hash,
    "CustomerStatus": identifier(40),
    **dict.fromkeys(("CustomerPostCode", "CustomerCountry"), identifier(TEXT_LENGTH)),
    **dict.fromkeys(("CustomerCity", "CustomerRegion"), DescriptiveText(TEXT_LENGTH)),
    "IpAddress": identifier(TEXT_LENGTH),
    "UserAgent": DescriptiveText(TEXT_LENGTH),
    **dict.fromkeys(("TrackingConsent", "GiftPurchase"), flag),
    "LocationId": identifier(TEXT_LENGTH),
    **dict.fromkeys(("LocationName", "LocationType"), DescriptiveText(TEXT_LENGTH)),
    **dict.fromkeys(("DeviceMfr", "DeviceModel", "Note"), DescriptiveText(TEXT_LENGTH)),
    **dict.fromkeys(("PropertyId", "SharedId"), identifier(TEXT_LENGTH)),
    **dict.fromkeys(("DispositionCode", "EventCode"), identifier(_SHORT_TEXT)),
    "CountryCode": identifier(TEXT_LENGTH),
    "Amount": money(_AMOUNT_DIGITS),
    **dict.fromkeys(("AppPackage", "AppInstallRef", "AppVer"), identifier(TEXT_LENGTH)),
    **{f"SubId{number}": identifier(TEXT_LENGTH) for number in range(1, SUB_IDS + 1)},
    **_custom("{0}{1}"),
}
"""Parameters of an order."""

ITEM: Mapping[str, Kind] = {
    **dict.fromkeys(("ItemSku", "ItemPromoCode"), identifier(TEXT_LENGTH)),
    **dict.fromkeys(("ItemName", "ItemCategory"), DescriptiveText(TEXT_LENGTH)),
    **dict.fromkeys(("ItemSubCategory", "ItemBrand"), DescriptiveText(TEXT_LENGTH)),
    "ItemMpn": identifier(_SHORT_TEXT),
    "ItemDeliveryType": identifier(TEXT_LENGTH),
    "ItemQuantity": whole(_CUSTOM_DIGITS),
    "ItemSubTotal": money(12),
    **dict.fromkeys(("ItemPrice", "ItemDiscount"), money(_DEFAULT_DIGITS)),
    "ItemTotalDiscount": money(_DEFAULT_DIGITS),
    "ItemDiscountRate": decimal(3),
    "ItemMargin": money(_DEFAULT_DIGITS, signed=True),
    **_custom("Item{0}_{1}"),
}
"""Parameters of a line, without its number: `ItemText_2` is sent as `ItemText1_2`."""

ATTRIBUTION = frozenset(
    {
        *("UniqueUrl", "CustomClickId", "GoogAId", "AndroidId", "AppleIfa", "AppleIfv"),
        *("CallerId", "PhoneNumber", "MediaId", "MediaPartnerId"),
    }
)
"""Attribution keys that only `fields` can fill (reference, "Attribution key")."""

CALL_TRACKING = frozenset({"CallerId", "PhoneNumber"})
"""Parameters of call tracking only (reference, "PhoneNumber" and "CallerId")."""


def encode_parameter(name: str, value: str | None, digits: int, number: int = 0) -> str:
    """Return the value of a parameter as it is sent; empty: it is not sent.

    Args:
        name: A key of `ORDER` or `ITEM`.
        value: The stored value. A blank value is not sent.
        digits: Minor digits of the order's currency.
        number: Number of the line, 0 for the order.

    Raises:
        InvalidValueError: impact.com does not accept the value. The message names the
            parameter.
    """
    if value is None or not value.strip():
        return ""
    try:
        return _kind(name, number)(value, digits)
    except InvalidValueError as error:
        message = f"{numbered_name(name, number)} {error}"
        raise InvalidValueError(message, reason=error.reason) from None


def truncation_of(name: str, value: str, number: int) -> DataIssue | None:
    """Return the data issue of a value that `encode_parameter` cuts, if it cuts it."""
    kind = _kind(name, number)
    if isinstance(kind, DescriptiveText) and value.strip() and len(value) > kind.limit:
        return truncation_issue(numbered_name(name, number), kind.limit, len(value))
    return None


def _kind(name: str, number: int) -> Kind:
    return ITEM[name] if number else ORDER[name]


def numbered_name(name: str, number: int) -> str:
    """Return the name of a line's parameter: the number stands before any `_`."""
    if not number:
        return name
    base, underscore, custom = name.partition("_")
    return f"{base}{number}{underscore}{custom}"


_NEVER_STORED = frozenset(
    {
        *("CustomerEmail", "CustomerPostCode", "IpAddress", "UserAgent"),
        *("CallerId", "PhoneNumber"),
    }
)
_STORED = frozenset(
    {
        *("CampaignId", "EventTypeId", "EventTypeCode", "EventDate", "OrderId"),
        *("ClickId", "CurrencyCode", "OrderDiscount", "OrderShipping", "OrderTax"),
        *("OrderDiscountRate", "OrderSubTotalPostDiscount", "OrderPromoCode"),
        *("OrderMargin", "Money1", "Money2", "Money3", "MediaId", "MediaPartnerId"),
        *("CustomerStatus", "PaymentType", "DispositionCode", "Amount", "EventCode"),
        *("TrackingConsent", "GiftPurchase"),
    }
)
_CUSTOM_ITEM_FIELDS = ("ItemText", "ItemNumeric", "ItemDate")
_STORED_ITEM_FIELDS = frozenset(
    name for name in ITEM if not name.startswith(_CUSTOM_ITEM_FIELDS)
)


def may_be_quoted(name: str) -> bool:
    """Tell whether parameter `name` cannot hold personal data.

    A name that is no parameter (impact.com's own word in a message) cannot.
    """
    if name.startswith("Item"):
        return not name.startswith(_CUSTOM_ITEM_FIELDS)
    return name in _STORED or name not in ORDER


def stored_copy(form: Mapping[str, str]) -> dict[str, object]:
    """Return the stored copy of `form`: allow-listed values, fingerprints of others.

    Money, order, items and click id stay readable. E-mail, post code, address and
    device of the customer are left out even as fingerprints: they have so few values
    that trying all of them would find the right one (delivery.md 5.4).
    """
    return {
        name: value if _is_storable(name) else fingerprint(value)
        for name, value in form.items()
        if name not in _NEVER_STORED
    }


def _is_storable(name: str) -> bool:
    return name in _STORED or name.rstrip("0123456789") in _STORED_ITEM_FIELDS
