"""The parameters of the lines of an order at impact.com.

Source: `impact-conversions-reference.txt`, "Order and items", and
`shared/providers/impact.md`, sections 3.3 to 3.5.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from assets.money import fits
from assets.providers.conversion import Item
from assets.providers.impact.fields import encode_parameter, numbered_name
from assets.providers.impact.settings import ImpactSettings
from assets.providers.impact.values import InvalidValueError
from assets.providers.placeholders import is_placeholder_hash

_CENT = Decimal("0.01")
_WHOLE = 100
_TOO_LONG_A_PRICE = 10**8


def item_parameters(
    settings: ImpactSettings, items: Sequence[Item], digits: int
) -> dict[str, str]:
    """Return the parameters of all lines, numbered from 1 without gaps.

    A free line is sent, too (impact.md 3.3).

    Raises:
        InvalidValueError: A parameter does not accept a value.
    """
    form: dict[str, str] = {}
    for number, name, value in item_values(settings, items, digits):
        sent = encode_parameter(name, value, digits, number)
        if name == "ItemSku" and not sent:
            message = f"ItemSku{number} is blank"
            raise InvalidValueError(message, reason="missing_sku")
        form[numbered_name(name, number)] = sent
    return form


def item_values(
    settings: ImpactSettings, items: Sequence[Item], digits: int
) -> Iterator[tuple[int, str, str | None]]:
    """Yield each line's number, parameters and values, not yet encoded."""
    lines = sorted(items, key=lambda item: item.line_no)
    for number, item in enumerate(lines, start=1):
        for name, value in _item(settings, item, digits):
            yield number, name, value


def exact_rate(discount: Decimal, whole: Decimal) -> Decimal | None:
    """Return the percentage that gives exactly `discount`, or None.

    A rate that gives another amount would change a partner's commission.
    """
    if not 0 < discount <= whole:
        return None
    rate = (discount * _WHOLE / whole).quantize(_CENT)
    return rate if rate * whole == discount * _WHOLE else None


def _item(
    settings: ImpactSettings, item: Item, digits: int
) -> Iterator[tuple[str, str | None]]:
    yield "ItemSku", item.sku
    yield "ItemName", item.name
    category = item.category or ""
    yield "ItemCategory", category if category.strip() else settings.default_category
    yield "ItemSubCategory", item.sub_category
    yield "ItemBrand", item.brand
    yield "ItemQuantity", f"{item.quantity:f}" if _is_whole(item) else "1"
    if settings.item_money == "price" and _price_is_exact(item, digits):
        yield "ItemPrice", f"{item.unit_price:f}"
    else:
        yield "ItemSubTotal", f"{item.subtotal:f}"
    if item.discount:
        yield _discount(settings, item, digits)
    for name, column in sorted(settings.item_fields.items()):
        yield name, _column(item, column)


def _discount(settings: ImpactSettings, item: Item, digits: int) -> tuple[str, str]:
    """Return the line's discount in one form, never two (impact.md 3.4).

    If the configured form is not exact, the amount of the line is sent. A rate must be
    exact for one unit, too: it is unpublished whether impact.com rounds per unit.
    """
    if settings.item_discount == "rate":
        rate = exact_rate(item.discount, item.subtotal)
        units = item.quantity if _is_whole(item) else Decimal(1)
        if rate is not None and units and fits(item.discount / units, digits):
            return "ItemDiscountRate", f"{rate:f}"
    if settings.item_discount == "unit" and _is_whole(item) and item.quantity:
        unit = item.discount / item.quantity
        if fits(unit, digits):
            return "ItemDiscount", f"{unit:f}"
    return "ItemTotalDiscount", f"{item.discount:f}"


def _is_whole(item: Item) -> bool:
    """Tell whether the quantity can be sent; otherwise it is 1 (impact.md 3.3)."""
    return item.quantity == item.quantity.to_integral_value()


def _price_is_exact(item: Item, digits: int) -> bool:
    """Tell whether price times quantity is exactly the line's subtotal.

    If not (3.333 x 3, 1.5 metres), the subtotal is sent (impact.md 3.5).
    """
    return (
        _is_whole(item)
        and item.unit_price < _TOO_LONG_A_PRICE
        and fits(item.unit_price, digits)
        and item.unit_price * item.quantity == item.subtotal
    )


def _column(item: Item, column: str) -> str | None:
    if column.startswith("extra."):
        stored = item.extra.get(column.removeprefix("extra."))
        # A hash of nothing would make one of many.
        return None if stored is None or is_placeholder_hash(stored) else stored
    value = getattr(item, column)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return None if value is None else str(value)
