"""Parameters of impact.com: their sizes, which may be mapped, which may be stored.

Only the closed lists belong here and the rules that follow from them alone.

Sources: `impact-conversions-reference.txt` (names and exclusions) and
`shared/providers/impact.md`, sections 3.2, 3.4, 3.8 (names) and 3.9 (sizes).
"""

from collections.abc import Mapping
from difflib import get_close_matches

from assets.providers.encode import fingerprint

TEXT = 255
"""Default size of a text parameter, in characters (impact.md 3.9)."""

ID_LIMITS = {
    "OrderId": 64,
    "ClickId": 64,
    "CustomerId": 255,
    "CustomProfileId": 70,
    "OrderPromoCode": 255,
    "ItemSku": 255,
}
"""Keys and ids that the module itself sends: never cut, a longer one is held back."""

_NUMBERED = {"Date": 10, "Money": 3, "Numeric": 10, "SubId": 3, "Text": 50}


def _numbered(name: str) -> dict[str, int]:
    size = 64 if name == "Text" else TEXT
    return {f"{name}{number}": size for number in range(1, _NUMBERED[name] + 1)}


MAPPABLE: Mapping[str, int] = {
    **dict.fromkeys(("UniqueUrl", "CustomClickId", "CallerId", "PhoneNumber"), TEXT),
    **dict.fromkeys(("GoogAId", "AndroidId", "AppleIfa", "AppleIfv"), TEXT),
    **dict.fromkeys(("CustomerEmail", "CustomerPostCode", "CustomerCountry"), TEXT),
    **dict.fromkeys(("CustomerCity", "CustomerRegion", "IpAddress"), TEXT),
    **dict.fromkeys(("UserAgent", "TrackingConsent", "GiftPurchase"), TEXT),
    **dict.fromkeys(("LocationId", "LocationName", "LocationType"), TEXT),
    **dict.fromkeys(("PropertyId", "DeviceMfr", "DeviceModel"), TEXT),
    **dict.fromkeys(("AppPackage", "AppInstallRef", "AppVer"), TEXT),
    **dict.fromkeys(("OrderMargin", "DispositionCode", "Note", "SharedId"), TEXT),
    "CustomerStatus": 40,
    "PaymentType": 32,
    **_numbered("Text"),
    **_numbered("Date"),
    **_numbered("Numeric"),
    **_numbered("Money"),
    **_numbered("SubId"),
}
"""Order-level parameters that a column may fill, with their sizes."""

DESCRIPTIVE = frozenset(
    {
        *_numbered("Text"),
        *("Note", "LocationName", "LocationType", "UserAgent"),
        *("CustomerCity", "CustomerRegion", "DeviceMfr", "DeviceModel"),
    }
)
"""Mapped parameters that only describe: cut to size instead of held back."""

BOOLEANS = frozenset({"TrackingConsent", "GiftPurchase"})
"""Written `true` or `false` (impact.md 3.7), however the column spells its case."""

HASHED_EMAIL = "customer_email_sha1"

_SENT_ANYWAY = frozenset(
    {
        *("CampaignId", "ProgramId", "EventTypeId", "EventTypeCode"),
        *("ActionTrackerId", "EventDate", "OrderId", "ClickId", "CustomProfileId"),
        *("CustomerId", "CurrencyCode", "Currency", "OrderDiscount"),
        *("OrderShipping", "OrderTax", "OrderPromoCode", "PromoCode"),
    }
)

_WITH_ITEMS = "an order total must not stand beside items, and items are always sent"
_FORCES_CREDIT = "it forces the credit to one partner and bypasses the click"

_REFUSED = {
    "OrderSubTotalPostDiscount": _WITH_ITEMS,
    "Amount": _WITH_ITEMS,
    "OrderDiscountRate": "it must not stand beside OrderDiscount, which is sent",
    "MediaId": _FORCES_CREDIT,
    "MediaPartnerId": _FORCES_CREDIT,
}


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
        *("OrderPromoCode", "OrderMargin", "Money1", "Money2", "Money3"),
        *("CustomerStatus", "PaymentType", "DispositionCode", *BOOLEANS),
    }
)


def may_be_quoted(name: str) -> bool:
    """Tell whether nothing personal can stand in parameter `name`.

    A name that is not ours (a provider's own word in a message) counts as harmless.
    """
    ours = name in MAPPABLE or name in ID_LIMITS
    return name in _STORED or name.startswith("Item") or not ours


def stored_copy(form: Mapping[str, str]) -> dict[str, object]:
    """Return what may be kept of `form`: an allow-list, the rest only as a fingerprint.

    Money, order, items and click id stay readable. E-mail, post code, address and
    device of the customer are left out even as fingerprints: they are few enough to
    be found by trying (delivery.md 5.4).
    """
    return {
        name: value if may_be_quoted(name) else fingerprint(value)
        for name, value in form.items()
        if name not in _NEVER_STORED
    }


def check_mapping(fields: Mapping[str, str]) -> None:
    """Refuse a `fields` table that impact.com's documents do not allow.

    Raises:
        ValueError: Names the first wrong entry and what may stand there.
    """
    for name, column in fields.items():
        problem = _problem(name, column)
        if problem:
            message = f"{name} cannot be mapped: {problem}"
            raise ValueError(message)


def _problem(name: str, column: str) -> str | None:
    if name in _SENT_ANYWAY:
        return "the exporter sends it (or its other name) itself"
    if name in _REFUSED:
        return _REFUSED[name]
    if name not in MAPPABLE:
        return _unknown(name)
    if name == "CustomerEmail" and column != HASHED_EMAIL:
        return f"only a hash may be sent, so only from the column {HASHED_EMAIL}"
    return None


def _unknown(name: str) -> str:
    if name.startswith("Item"):
        return "parameters of items cannot be mapped, only those of the order"
    near = get_close_matches(name, MAPPABLE, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return (
        f"it is no order-level parameter of impact.com{hint}; choose from {_choices()}"
    )


def _choices() -> str:
    single = sorted(name for name in MAPPABLE if not name[-1].isdigit())
    ranges = [f"{name}1-{name}{last}" for name, last in _NUMBERED.items()]
    return ", ".join([*single, *ranges])
