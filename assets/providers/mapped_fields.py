"""Provider fields that are mapped to columns of an order in the configuration."""

from datetime import datetime
from decimal import Decimal

from assets.money import fits, to_text
from assets.providers.conversion import Conversion
from assets.providers.placeholders import is_placeholder_hash
from assets.providers.settings import DestinationSettings


def mapped_fields(
    settings: DestinationSettings, conversion: Conversion
) -> dict[str, str]:
    """Return the mapped provider fields of an order.

    A column that is null for this order gives no field.
    """
    values = {
        name: column_text(conversion, column)
        for name, column in settings.fields.items()
    }
    return {name: value for name, value in values.items() if value is not None}


def placeholder_hashes(
    settings: DestinationSettings, conversion: Conversion, *, in_lists: bool = False
) -> list[str]:
    """Return the mapped provider fields that are left out as hashes of nothing.

    Args:
        settings: The settings with the mapping.
        conversion: The order.
        in_lists: The provider is sent lists, from which such members are left out.
    """
    columns = {
        name: column.removeprefix("extra.")
        for name, column in sorted(settings.fields.items())
        if column.startswith("extra.")
    }
    return [
        name
        for name, column in columns.items()
        if is_placeholder_hash(conversion.extra.get(column, "x"))
        or (
            in_lists and any(map(is_placeholder_hash, conversion.lists.get(column, ())))
        )
    ]


def mapped_lists(
    settings: DestinationSettings, conversion: Conversion
) -> dict[str, list[str]]:
    """Return the mapped provider fields whose columns are lists, with their members.

    A blank member and the hash of a placeholder are left out.
    """
    return {
        name: [
            member
            for member in conversion.lists[column.removeprefix("extra.")]
            if member.strip() and not is_placeholder_hash(member)
        ]
        for name, column in settings.fields.items()
        if column.startswith("extra.")
        and column.removeprefix("extra.") in conversion.lists
    }


def column_text(conversion: Conversion, column: str) -> str | None:
    """Return the value of a column of an order, or of `extra.<column>`, as text."""
    if column.startswith("extra."):
        stored = conversion.extra.get(column.removeprefix("extra."))
        # A hash of nothing would make one customer of many.
        return None if stored is None or is_placeholder_hash(stored) else stored
    value = getattr(conversion, column)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        digits = conversion.currency_digits
        return (
            to_text(value, digits) if fits(value, digits) else f"{value.normalize():f}"
        )
    if isinstance(value, datetime):
        return value.isoformat()
    return None if value is None else str(value)
