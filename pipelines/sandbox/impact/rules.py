"""The rules about several fields of an impact.com conversion.

`impact.md` sections 3.1 (required groups), 3.3 (items) and 3.4 (exclusions), from
`impact-conversions-reference.txt`. `fields.py` checks each field by itself.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from pipelines.sandbox.field_checks import Problem, parse_instant
from pipelines.sandbox.impact.fields import (
    ATTRIBUTION_KEYS,
    MONEY,
    check_field,
    split_item_name,
)

EVENT_TYPES = ("EventTypeId", "EventTypeCode", "ActionTrackerId")
_REQUIRED = ("EventDate", "CampaignId", "OrderId")
_REQUIRED_OF_ITEM = ("ItemSku", "ItemCategory", "ItemQuantity")
_EXCLUSIVE = (
    ("MediaId", "MediaPartnerId"),
    ("OrderPromoCode", "PromoCode"),
    ("OrderDiscount", "OrderDiscountRate"),
)
_EXCLUSIVE_OF_ITEM = (
    ("ItemPrice", "ItemSubTotal"),
    ("ItemDiscount", "ItemTotalDiscount"),
    ("ItemDiscountRate", "ItemTotalDiscount"),
    ("ItemDiscountRate", "ItemDiscount"),
)


def check_conversion(form: Mapping[str, object], latest: datetime) -> list[Problem]:
    """Return all problems of a conversion; none if it is valid.

    Args:
        form: The parameters that have a value.
        latest: The latest valid time of the event.
    """
    problems = [
        problem for name, value in form.items() for problem in check_field(name, value)
    ]
    problems += _missing(form)
    problems += _excluded(form)
    problems += _items(form)
    happened = parse_instant(form.get("EventDate"))
    if happened and happened > latest:
        problems.append(Problem("EventDate", "Date is in the future"))
    return problems


def latest_event(now: datetime, tolerance: float) -> datetime:
    """Return the latest valid time of an event."""
    return now + timedelta(seconds=tolerance)


def _missing(form: Mapping[str, object]) -> Iterator[Problem]:
    for name in _REQUIRED:
        if name not in form:
            yield Problem(name, "Required parameter is missing")
    given = [name for name in EVENT_TYPES if name in form]
    if len(given) != 1:
        yield Problem("EventTypeId", f"Expected one of {', '.join(EVENT_TYPES)}")
    if not any(name in form for name in ATTRIBUTION_KEYS):
        yield Problem("ClickId", f"Expected one of {', '.join(ATTRIBUTION_KEYS)}")
    if "CurrencyCode" not in form and any(MONEY.fullmatch(name) for name in form):
        yield Problem("CurrencyCode", "Required with any amount")


def _excluded(form: Mapping[str, object]) -> Iterator[Problem]:
    for one, other in _EXCLUSIVE:
        if one in form and other in form:
            yield Problem(other, f"Must not be sent with {one}")
    for total in ("OrderSubTotalPostDiscount", "Amount"):
        if total in form and any(map(split_item_name, form)):
            yield Problem(total, "Must not be sent with items")


def _items(form: Mapping[str, object]) -> Iterator[Problem]:
    numbers = {item[1] for item in map(split_item_name, form) if item}
    for missing in sorted(set(range(1, max(numbers, default=0) + 1)) - numbers):
        yield Problem(f"ItemSku{missing}", "Items are numbered from 1 without gaps")
    for number in sorted(numbers):
        yield from _item(form, number)


def _item(form: Mapping[str, object], number: int) -> Iterator[Problem]:
    for name in _REQUIRED_OF_ITEM:
        if f"{name}{number}" not in form:
            yield Problem(f"{name}{number}", "Required parameter is missing")
    if not any(f"{name}{number}" in form for name in _EXCLUSIVE_OF_ITEM[0]):
        message = f"Expected this or ItemPrice{number}"
        yield Problem(f"ItemSubTotal{number}", message)
    for one, other in _EXCLUSIVE_OF_ITEM:
        if f"{one}{number}" in form and f"{other}{number}" in form:
            yield Problem(f"{other}{number}", f"Must not be sent with {one}{number}")
