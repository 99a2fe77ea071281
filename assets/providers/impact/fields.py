"""Parameters of impact.com: what each may hold, and which may be stored.

Only the closed lists belong here and the rules that follow from them alone. Which of
them configuration may fill is in `impact_mapping.py`.

Sources: `impact-conversions-reference.txt` (names) and `shared/providers/impact.md`,
sections 3.2, 3.3, 3.8 (names) and 3.9 (sizes; what has none takes the default).
"""

from collections.abc import Mapping

from assets.providers.base import Doubt, value_cut
from assets.providers.encode import fingerprint
from assets.providers.impact.values import (
    Descriptive,
    Kind,
    UnfitError,
    decimal,
    email_hash,
    flag,
    identifier,
    moment,
    money,
    opaque,
    whole,
)

TEXT = 255
"""Default size of a text parameter, in characters (impact.md 3.9)."""
_SHORT = 64
_DEFAULT = 8
"""Digits before the point of a number without a size of its own (impact.md 3.9)."""
_CUSTOM = 16
"""The same of custom numbers, decimal (18,2) (impact.md 3.9)."""

RANGES = {"Date": 10, "Money": 3, "Numeric": 10, "Text": 50}
"""How many there are of each custom parameter (impact.md 3.9)."""
SUB_IDS = 3

_CUSTOM_KINDS: dict[str, Kind] = {
    "Date": moment,
    "Money": money(_CUSTOM, signed=True),
    "Numeric": decimal(_CUSTOM),
    "Text": Descriptive(_SHORT),
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
    **dict.fromkeys(("EventTypeCode", "OrderId", "ClickId"), identifier(_SHORT)),
    "EventDate": moment,
    "CurrencyCode": identifier(3),
    "CustomerId": opaque(TEXT),
    "CustomProfileId": opaque(70),
    "OrderPromoCode": identifier(TEXT),
    **dict.fromkeys(("UniqueUrl", "CustomClickId", "CallerId"), identifier(TEXT)),
    **dict.fromkeys(("PhoneNumber", "GoogAId", "AndroidId"), identifier(TEXT)),
    **dict.fromkeys(("AppleIfa", "AppleIfv"), identifier(TEXT)),
    "OrderSubTotalPostDiscount": money(_DEFAULT),
    "OrderDiscount": money(10),
    "OrderDiscountRate": decimal(3),
    **dict.fromkeys(("OrderShipping", "OrderTax"), money(12)),
    "OrderMargin": money(_DEFAULT, signed=True),
    "PaymentType": identifier(32),
    "CustomerEmail": email_hash,
    "CustomerStatus": identifier(40),
    **dict.fromkeys(("CustomerPostCode", "CustomerCountry"), identifier(TEXT)),
    **dict.fromkeys(("CustomerCity", "CustomerRegion"), Descriptive(TEXT)),
    "IpAddress": identifier(TEXT),
    "UserAgent": Descriptive(TEXT),
    **dict.fromkeys(("TrackingConsent", "GiftPurchase"), flag),
    "LocationId": identifier(TEXT),
    **dict.fromkeys(("LocationName", "LocationType"), Descriptive(TEXT)),
    **dict.fromkeys(("DeviceMfr", "DeviceModel", "Note"), Descriptive(TEXT)),
    **dict.fromkeys(("PropertyId", "DispositionCode", "SharedId"), identifier(TEXT)),
    **dict.fromkeys(("AppPackage", "AppInstallRef", "AppVer"), identifier(TEXT)),
    **{f"SubId{number}": identifier(TEXT) for number in range(1, SUB_IDS + 1)},
    **_custom("{0}{1}"),
}
"""Parameters of an order."""

ITEM: Mapping[str, Kind] = {
    **dict.fromkeys(("ItemSku", "ItemPromoCode"), identifier(TEXT)),
    **dict.fromkeys(("ItemName", "ItemCategory"), Descriptive(TEXT)),
    **dict.fromkeys(("ItemSubCategory", "ItemBrand"), Descriptive(TEXT)),
    "ItemMpn": identifier(_SHORT),
    "ItemDeliveryType": identifier(TEXT),
    "ItemQuantity": whole(_CUSTOM),
    "ItemSubTotal": money(12),
    **dict.fromkeys(("ItemPrice", "ItemDiscount"), money(_DEFAULT)),
    "ItemTotalDiscount": money(_DEFAULT),
    "ItemDiscountRate": decimal(3),
    "ItemMargin": money(_DEFAULT, signed=True),
    **_custom("Item{0}_{1}"),
}
"""Parameters of a line, without its number: `ItemText_2` is sent as `ItemText1_2`."""

ATTRIBUTION = frozenset(
    {
        *("UniqueUrl", "CustomClickId", "GoogAId", "AndroidId", "AppleIfa", "AppleIfv"),
        *("CallerId", "PhoneNumber", "MediaId", "MediaPartnerId"),
    }
)
"""Attribution keys that only a mapping can fill (reference, "Attribution key")."""


def written(name: str, value: str | None, digits: int, number: int = 0) -> str:
    """Return the value of a parameter as it is sent; empty where nothing is to be.

    Args:
        name: A key of `ORDER` or `ITEM`.
        value: What is stored; blank is nothing.
        digits: Minor digits of the order's currency.
        number: Number of the line, 0 for the order.

    Raises:
        UnfitError: impact.com does not take it; the message names the parameter.
    """
    if value is None or not value.strip():
        return ""
    try:
        return _kind(name, number)(value, digits)
    except UnfitError as unfit:
        message = f"{numbered(name, number)} {unfit}"
        raise UnfitError(message, reason=unfit.reason) from None


def cut_of(name: str, value: str, number: int) -> Doubt | None:
    """Return what is said of a value that `written` cuts; None: it cuts nothing."""
    kind = _kind(name, number)
    if isinstance(kind, Descriptive) and value.strip() and len(value) > kind.limit:
        return value_cut(numbered(name, number), kind.limit, len(value))
    return None


def _kind(name: str, number: int) -> Kind:
    return ITEM[name] if number else ORDER[name]


def numbered(name: str, number: int) -> str:
    """Return a parameter's name on a line: the number goes before any `_`."""
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
        *("CustomerStatus", "PaymentType", "DispositionCode"),
        *("TrackingConsent", "GiftPurchase"),
    }
)
_CUSTOM_OF_ITEMS = ("ItemText", "ItemNumeric", "ItemDate")
_STORED_OF_ITEMS = frozenset(
    name for name in ITEM if not name.startswith(_CUSTOM_OF_ITEMS)
)


def may_be_quoted(name: str) -> bool:
    """Tell whether nothing personal can stand in parameter `name`.

    A name that is not ours (a provider's own word in a message) counts as harmless.
    """
    if name.startswith("Item"):
        return not name.startswith(_CUSTOM_OF_ITEMS)
    return name in _STORED or name not in ORDER


def stored_copy(form: Mapping[str, str]) -> dict[str, object]:
    """Return what may be kept of `form`: an allow-list, the rest only as a fingerprint.

    Money, order, items and click id stay readable. E-mail, post code, address and
    device of the customer are left out even as fingerprints: they are few enough to
    be found by trying (delivery.md 5.4).
    """
    return {
        name: value if _may_be_kept(name) else fingerprint(value)
        for name, value in form.items()
        if name not in _NEVER_STORED
    }


def _may_be_kept(name: str) -> bool:
    return name in _STORED or name.rstrip("0123456789") in _STORED_OF_ITEMS
