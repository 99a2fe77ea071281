"""One entry of the `visitors` of a Convert request: the visitor and its events.

Grouping orders into requests belongs in `batches.py`, the request itself in
`provider.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from assets.money import from_minor, to_minor, to_text
from assets.providers.base import DataIssue, placeholder_issue, truncation_issue
from assets.providers.conversion import Conversion
from assets.providers.convert.exposures import bucketing_of
from assets.providers.convert.segments import known_segments, segment_issues
from assets.providers.convert.settings import CUSTOM_DIMENSIONS, ConvertSettings
from assets.providers.encode import fingerprint, json_bytes
from assets.providers.mapped_fields import (
    mapped_fields,
    mapped_lists,
    placeholder_hashes,
)

DIMENSION_CHARACTERS = 32
"""Longer values "may be truncated" (guide, section 4), so they are cut here."""


def visitor_id_of(conversion: Conversion) -> str | None:
    """Return the id under which Convert bucketed the visitor, or None.

    The id that the browser read from Convert takes precedence over our own id. Both are
    equal only if the site uses its own ids (guide, section 1).
    """
    for known in (
        conversion.identifiers.get("convert_visitor_id"),
        conversion.visitor_id,
    ):
        if known and not known.isspace():
            return known
    return None


def visitor_entry(
    orders: Sequence[Conversion], settings: ConvertSettings
) -> dict[str, object]:
    """Return the entry of `visitors[]` for all `orders` of one visitor.

    Segments belong to the visitor, not to the event, so the entry has the latest ones
    (`convert.md`, section 5). An empty object is left out (section 3).
    """
    segments = _latest_segments(orders)
    return {
        "visitorId": visitor_id_of(orders[0]),
        **({"segments": segments} if segments else {}),
        "events": [_event(order, settings) for order in orders],
    }


def stored_copy(conversion: Conversion, settings: ConvertSettings) -> dict[str, object]:
    """Return the stored copy of the event."""
    dimensions = _dimensions(conversion, settings)
    return {
        "order_id": conversion.order_id,
        "goal_id": settings.goal_id,
        "amount": to_text(conversion.revenue, conversion.currency_digits),
        "currency": conversion.currency,
        "bucketing": bucketing_of(conversion, settings),
        "visitor_id": fingerprint(visitor_id_of(conversion) or ""),
        **{name: _fingerprint(value) for name, value in dimensions.items()},
    }


def data_issues(
    conversion: Conversion, settings: ConvertSettings
) -> Sequence[DataIssue]:
    """Return the values that are sent differently from how they are stored."""
    cut = [
        truncation_issue(name, DIMENSION_CHARACTERS, len(value))
        for name, value in _dimension_texts(conversion, settings)
        if _truncated(value) != value
    ]
    hashes = placeholder_hashes(settings, conversion, in_lists=True)
    return [*segment_issues(conversion.segments), *cut, *map(placeholder_issue, hashes)]


def _event(order: Conversion, settings: ConvertSettings) -> dict[str, object]:
    # One event for goal and revenue, as in the guide. The JavaScript SDK sends two. It
    # is not verified whether the server counts them as one (convert.md, section 3.3).
    bucketing = bucketing_of(order, settings)
    return {
        "eventType": "conversion",
        "data": {
            "goalId": settings.goal_id,
            **({"bucketingData": bucketing} if bucketing else {}),
            "goalData": _goal_data(order, settings),
        },
    }


def _goal_data(order: Conversion, settings: ConvertSettings) -> list[object]:
    digits = order.currency_digits
    data: dict[str, object] = {
        "amount": from_minor(to_minor(order.revenue, digits), digits)
    }
    if order.items:
        data["productsCount"] = _plain(sum(item.quantity for item in order.items))
    data["transactionId"] = order.order_id
    data |= _dimensions(order, settings)
    return [{"key": key, "value": value} for key, value in data.items()]


def _dimensions(
    order: Conversion, settings: ConvertSettings
) -> Mapping[str, str | list[str]]:
    """Return the dimensions with a value. A list is an array (guide, section 4)."""
    lists = mapped_lists(settings, order)
    values: dict[str, str | list[str]] = {
        name: _truncated(value)
        for name, value in mapped_fields(settings, order).items()
        if value.strip()
    }
    values |= {name: list(map(_truncated, members)) for name, members in lists.items()}
    return {name: values[name] for name in CUSTOM_DIMENSIONS if values.get(name)}


def _dimension_texts(
    order: Conversion, settings: ConvertSettings
) -> Iterator[tuple[str, str]]:
    """Yield each text before it is cut: a dimension, or one member of its list."""
    lists = mapped_lists(settings, order)
    for name, value in sorted(mapped_fields(settings, order).items()):
        if name not in lists:
            yield name, value
        for position, member in enumerate(lists.get(name, ())):
            yield f"{name}[{position}]", member


def _fingerprint(value: str | list[str]) -> str:
    text = value if isinstance(value, str) else json_bytes(value).decode()
    return fingerprint(text)


def _truncated(value: str) -> str:
    """Return the first 32 characters of `value`, as JavaScript counts them.

    These are never more than 32 Unicode characters. Convert does not document which
    count applies.
    """
    units = value.encode("utf-16-le")[: 2 * DIMENSION_CHARACTERS]
    return units.decode("utf-16-le", errors="ignore")


def _plain(quantity: Decimal | int) -> Decimal | int:
    whole = int(quantity)
    return whole if whole == quantity else Decimal(quantity).normalize()


def _latest_segments(orders: Sequence[Conversion]) -> dict[str, object]:
    for order in reversed(orders):
        if known := known_segments(order.segments):
            return known
    return {}
