"""ID.me: the "Order Completed" event of one order.

The properties are a closed list, and those that `fields` names. ID.me forwards any
other property ("Additional properties are accepted and forwarded"), so a further one
could forward personal data.

Source: `idme-conversion-tracking.txt`, "Event shape" ("page"); `idme.md`, section 3.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from assets.money import fits, from_minor, to_minor
from assets.providers.conversion import Conversion, Item
from assets.providers.encode import allow_listed_copy, json_bytes
from assets.providers.idme.settings import IdMeSettings
from assets.providers.mapped_fields import mapped_fields, mapped_lists

EVENT = "Order Completed"
"""The only event name (page, "Event shape": Must be "Order Completed")."""

_STORED = frozenset(
    {
        *("event", "eventId", "timestamp", "conversionTrackingId", "properties"),
        *("orderId", "total", "revenue", "shipping", "tax", "discount", "currency"),
        *("coupon", "affiliation", "products"),
        *("productId", "sku", "name", "brand", "category", "variant"),
        *("price", "quantity"),
    }
)
"""Members of an event that are stored in readable form."""

_TRACKING_ID = "idme_conversion_tracking_id"


def order_completed(
    settings: IdMeSettings, conversion: Conversion
) -> dict[str, object]:
    """Return the envelope of one order."""
    properties = _properties(conversion) | _mapped(settings, conversion)
    nested = settings.envelope == "nested"
    return {
        "event": EVENT,
        "eventId": event_id(settings.app_id, conversion.order_id),
        "timestamp": _instant(conversion.completed_at),
        **({"context": settings.context} if settings.context else {}),
        "conversionTrackingId": tracking_id(conversion),
        **({"properties": properties} if nested else properties),
    }


def stored_copy(settings: IdMeSettings, body: bytes) -> dict[str, object]:
    """Return the stored copy of an event. Its money stays exact.

    The content of a mapped property is unknown, so only its fingerprint is stored.
    """
    event = json.loads(body, parse_float=str, parse_int=str)
    return allow_listed_copy(event, _STORED - settings.fields.keys())


def event_id(app_id: str, order_id: str) -> str:
    """Return the UUID of an order of an application. It never changes.

    A new UUID per attempt would lose the second key for dropping repeats (idme.md 8).
    Version 8 of RFC 9562: bits of a sha256, not of a random number.
    """
    bits = bytearray(hashlib.sha256(json_bytes([app_id, order_id])).digest()[:16])
    bits[6] = bits[6] & 0x0F | 0x80
    bits[8] = bits[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(bits)))


def tracking_id(conversion: Conversion) -> str | None:
    """Return the stored value of the `idme_ctid` cookie (page, step 2), if any."""
    value = conversion.identifiers.get(_TRACKING_ID)
    return value if value and value.strip() else None


def amounts(conversion: Conversion) -> dict[str, Decimal]:
    """Return the order's amounts by property.

    `discount` is the sum of the discounts of the order and its lines. The page says
    only "Numbers", and a product has no discount, so only this sum satisfies
    prices x quantities - discount = revenue.
    """
    of_lines = sum((item.discount for item in conversion.items), Decimal(0))
    return {
        "total": conversion.total,
        "revenue": conversion.revenue,
        "shipping": conversion.shipping,
        "tax": conversion.tax,
        "discount": conversion.discount + of_lines,
    }


def _instant(moment: datetime) -> str:
    """Return the time of the order, not of the export, in UTC (idme.md 3, deduced)."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="seconds") + "Z"


def _properties(conversion: Conversion) -> dict[str, object]:
    digits = conversion.currency_digits
    money = amounts(conversion).items()
    lines = sorted(conversion.items, key=lambda item: item.line_no)
    return {
        "orderId": conversion.order_id,
        **_without_blanks(
            {
                **{name: _money(amount, digits) for name, amount in money},
                "currency": conversion.currency,
                "coupon": conversion.promo_code,
                "affiliation": conversion.affiliation,
                "products": [_product(item, digits) for item in lines] or None,
            }
        ),
    }


def _mapped(settings: IdMeSettings, conversion: Conversion) -> dict[str, object]:
    """Return the additional properties: text, or an array of text."""
    values: dict[str, object] = {**mapped_fields(settings, conversion)}
    values |= mapped_lists(settings, conversion)
    return {
        name: values[name] for name in sorted(values) if not _is_blank(values[name])
    }


def _product(item: Item, digits: int) -> dict[str, object]:
    return _without_blanks(
        {
            "productId": item.product_id,
            "sku": item.sku,
            "name": item.name,
            "brand": item.brand,
            "category": item.category,
            "variant": item.variant,
            "price": _price(item.unit_price, digits),
            "quantity": _quantity(item.quantity),
        }
    )


def _without_blanks(values: Mapping[str, object]) -> dict[str, object]:
    """Leave out unknown values. All of these properties are optional (page)."""
    return {name: value for name, value in values.items() if not _is_blank(value)}


def _is_blank(value: object) -> bool:
    return value in (None, []) or (isinstance(value, str) and not value.strip())


def _money(amount: Decimal, digits: int) -> Decimal:
    return from_minor(to_minor(amount, digits), digits)


def _price(price: Decimal, digits: int) -> Decimal:
    """Return a price. One per metre or litre may be finer than the currency."""
    return _money(price, digits) if fits(price, digits) else price.normalize()


def _quantity(quantity: Decimal) -> int | Decimal:
    whole = quantity == quantity.to_integral_value()
    return int(quantity) if whole else quantity.normalize()
