"""The form that tells impact.com about one order, and what keeps it from being sent.

Payload only: addresses, credentials and replies belong elsewhere.

Sources: `impact-conversions-reference.txt`, `impact-integration-guide.txt`, and
`shared/providers/impact.md` sections 3.1 to 3.9.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from assets.money import fits, to_text
from assets.providers.base import Withheld, mapped_fields
from assets.providers.conversion import Conversion, Item
from assets.providers.impact_fields import (
    BOOLEANS,
    DESCRIPTIVE,
    ID_LIMITS,
    MAPPABLE,
    TEXT,
)
from assets.providers.impact_settings import AttributionKey, ImpactSettings

_PARAMETER: dict[AttributionKey, str] = {
    "click_id": "ClickId",
    "customer_id": "CustomerId",
    "custom_profile_id": "CustomProfileId",
    "promo_code": "OrderPromoCode",
}

_MAX_DECIMALS = 2


def withhold_form(settings: ImpactSettings, conversion: Conversion) -> Withheld | None:
    """Return why impact.com cannot be told about `conversion`, or None.

    - `no_click_id`: none of the configured attribution keys is stored; an order
      without one belongs to no partner (reference, "Attribution key").
    - `no_items`: an order total is never sent in their place (impact.md 3.4).
    - `too_long`: a key or id is beyond its size (impact.md 3.9). Cut, it would be
      another one, so it is held back.
    - `pii_as_id`: an e-mail address stands where an id belongs (reference,
      "CustomerId": plain text e-mail addresses are not permitted).
    - `amount_precision`: an amount has a third significant decimal (impact.md 3.9:
      two at most), or more than its currency knows.
    """
    ids = _ids(conversion)
    if not any(_PARAMETER[key] in ids for key in settings.attribution_keys):
        wanted = ", ".join(settings.attribution_keys)
        return Withheld("suppressed", "no_click_id", f"none stored of: {wanted}")
    if not conversion.items:
        return Withheld("quarantined", "no_items")
    long = _first_too_long(settings, conversion, ids)
    if long:
        return Withheld("quarantined", "too_long", long)
    if any("@" in ids.get(name, "") for name in ("CustomerId", "CustomProfileId")):
        return Withheld("quarantined", "pii_as_id")
    if not all(fits(amount, _digits(conversion)) for amount in _amounts(conversion)):
        return Withheld("quarantined", "amount_precision")
    return None


def conversion_form(settings: ImpactSettings, conversion: Conversion) -> dict[str, str]:
    """Return the parameters of one conversion, in the order in which they are sent.

    - Money goes out gross with the discounts beside it (reference, "ItemSubTotal",
      "OrderDiscount"), at the currency's own digits, two at most.
    - Values that are not stored are left out, never sent empty (impact.md 3.7).
    - Text that only describes (names, categories, notes) is cut to its documented
      size (impact.md 3.9), between characters; ids and keys never are.
    """
    ids = _ids(conversion)
    return {
        "CampaignId": str(settings.campaign_id),
        **_event_type(settings),
        "EventDate": _instant(conversion.completed_at),
        **_chosen(ids, "ClickId", "CustomProfileId", "CustomerId"),
        "CurrencyCode": conversion.currency,
        **_chosen(ids, "OrderId"),
        **_order_money(conversion),
        **_chosen(ids, "OrderPromoCode"),
        **_mapped(settings, conversion),
        **_items(settings, conversion),
    }


def _ids(conversion: Conversion) -> dict[str, str]:
    stored = {
        "OrderId": conversion.order_id,
        "ClickId": conversion.identifiers.get("impact_click_id"),
        "CustomProfileId": conversion.identifiers.get("custom_profile_id"),
        "CustomerId": conversion.customer_id,
        "OrderPromoCode": conversion.promo_code,
    }
    return {name: value for name, value in stored.items() if value and value.strip()}


def _chosen(values: dict[str, str], *names: str) -> dict[str, str]:
    return {name: values[name] for name in names if name in values}


def _first_too_long(
    settings: ImpactSettings, conversion: Conversion, ids: dict[str, str]
) -> str | None:
    mapped = mapped_fields(settings, conversion).items()
    sized = [
        *((name, value, ID_LIMITS[name]) for name, value in ids.items()),
        *(("ItemSku", item.sku, ID_LIMITS["ItemSku"]) for item in conversion.items),
        *((n, value, MAPPABLE[n]) for n, value in mapped if n not in DESCRIPTIVE),
    ]
    return next(
        (
            f"{name} is longer than {limit} characters"
            for name, value, limit in sized
            if len(value) > limit
        ),
        None,
    )


def _digits(conversion: Conversion) -> int:
    return min(conversion.currency_digits, _MAX_DECIMALS)


def _amounts(conversion: Conversion) -> Iterator[Decimal]:
    """Every amount that is sent; a unit price that does not fit gives way instead."""
    yield from (conversion.discount, conversion.shipping, conversion.tax)
    for item in conversion.items:
        yield from (item.subtotal, item.discount)


def _event_type(settings: ImpactSettings) -> dict[str, str]:
    if settings.event_type_code is not None:
        return {"EventTypeCode": settings.event_type_code}
    return {"EventTypeId": str(settings.event_type_id)}


def _instant(moment: datetime) -> str:
    """ISO 8601 in UTC with Z: no plus sign that a form could lose (impact.md 3.6)."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="seconds") + "Z"


def _order_money(conversion: Conversion) -> dict[str, str]:
    digits = _digits(conversion)
    discount = conversion.discount
    return {
        **({"OrderDiscount": to_text(discount, digits)} if discount else {}),
        "OrderShipping": to_text(conversion.shipping, digits),
        "OrderTax": to_text(conversion.tax, digits),
    }


def _mapped(settings: ImpactSettings, conversion: Conversion) -> dict[str, str]:
    values = sorted(mapped_fields(settings, conversion).items())
    return {name: _written(name, value) for name, value in values if value.strip()}


def _written(name: str, value: str) -> str:
    if name in BOOLEANS:
        return value.lower()
    return value[: MAPPABLE[name]] if name in DESCRIPTIVE else value


def _items(settings: ImpactSettings, conversion: Conversion) -> dict[str, str]:
    """Lines numbered from 1 without gaps; a free line stays (impact.md 3.3)."""
    lines = sorted(conversion.items, key=lambda item: item.line_no)
    return {
        f"{name}{number}": value
        for number, item in enumerate(lines, start=1)
        for name, value in _item(settings, item, _digits(conversion))
    }


def _item(
    settings: ImpactSettings, item: Item, digits: int
) -> Iterator[tuple[str, str]]:
    yield "ItemSku", item.sku
    described = {
        "ItemName": item.name,
        "ItemCategory": item.category or settings.default_category,
        "ItemSubCategory": item.sub_category,
        "ItemBrand": item.brand,
    }
    for name, text in described.items():
        if text:
            yield name, text[:TEXT]
    yield "ItemQuantity", str(int(item.quantity)) if _is_whole(item) else "1"
    if settings.item_money == "price" and _price_is_exact(item, digits):
        yield "ItemPrice", to_text(item.unit_price, digits)
    else:
        yield "ItemSubTotal", to_text(item.subtotal, digits)
    if item.discount:
        yield "ItemTotalDiscount", to_text(item.discount, digits)


def _is_whole(item: Item) -> bool:
    """Whether the quantity can be sent; else the line goes as one (impact.md 3.3)."""
    return item.quantity == item.quantity.to_integral_value()


def _price_is_exact(item: Item, digits: int) -> bool:
    """Whether impact.com, multiplying price by quantity, finds the line's subtotal.

    Where it would not (3.333 x 3, 1.5 metres) the subtotal is sent (impact.md 3.5).
    """
    return (
        _is_whole(item)
        and fits(item.unit_price, digits)
        and item.unit_price * item.quantity == item.subtotal
    )
