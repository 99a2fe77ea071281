"""The parameters of impact.com that configuration may fill.

Parameters that exclude each other are refused here, when the configuration is read.

Sources: `impact-conversions-reference.txt` (exclusions) and
`shared/providers/impact.md`, sections 3.1, 3.2 and 3.4.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from assets.providers.conversion import Item
from assets.providers.impact.fields import ITEM, ORDER, RANGES, SUB_IDS

ITEM_COLUMNS = tuple(name for name in Item.__dataclass_fields__ if name != "extra")
"""Columns of a line that `item_fields` may name, beside `extra.<column>`."""

HASHED_EMAILS = ("customer_email_sha1", "customer_email_sha256")
"""Columns of the hashes that impact.com takes (impact.md 3.7)."""

_FORCED = frozenset({"MediaId", "MediaPartnerId"})
_ALWAYS_SENT = frozenset(
    {
        *("CampaignId", "ProgramId", "EventTypeId", "EventTypeCode"),
        *("ActionTrackerId", "EventDate", "OrderId", "ClickId", "CustomProfileId"),
        *("CustomerId", "CurrencyCode", "Currency", "OrderShipping", "OrderTax"),
        *("OrderPromoCode", "PromoCode"),
        *("ItemSku", "ItemName", "ItemCategory", "ItemSubCategory", "ItemBrand"),
        *("ItemQuantity",),
    }
)
_DISCOUNT = "the exporter sends one form of a discount; choose it with {}"
_TOTAL = 'an order total must not stand beside items; see report = "order"'
_NOT_MAPPABLE = {
    "OrderSubTotalPostDiscount": _TOTAL,
    "OrderDiscount": _DISCOUNT.format("order_discount"),
    "OrderDiscountRate": _DISCOUNT.format("order_discount"),
    **dict.fromkeys(
        ("ItemDiscount", "ItemDiscountRate", "ItemTotalDiscount"),
        _DISCOUNT.format("item_discount"),
    ),
    **dict.fromkeys(
        ("ItemPrice", "ItemSubTotal"),
        "the exporter sends one of ItemPrice and ItemSubTotal; choose with item_money",
    ),
}

_MAPPABLE = frozenset(ORDER) - _ALWAYS_SENT - set(_NOT_MAPPABLE)
_MAPPABLE_ITEM_FIELDS = frozenset(ITEM) - _ALWAYS_SENT - set(_NOT_MAPPABLE)


def check_fields(
    fields: Mapping[str, str], *, force_credit: bool, has_items: bool
) -> None:
    """Refuse a `fields` table that impact.com's documents do not allow.

    Args:
        fields: Parameter <- column.
        force_credit: MediaId or MediaPartnerId may be mapped.
        has_items: Items are reported, so Amount must not be mapped.

    Raises:
        ValueError: An entry is wrong. The message names the first one and the choices.
    """
    for name, column in fields.items():
        _refuse(name, _field_problem(name, column, force_credit=force_credit))
    if has_items and "Amount" in fields:
        _refuse("Amount", _TOTAL)
    if fields.keys() >= _FORCED:
        _refuse("MediaPartnerId", "it must not stand beside MediaId")


def check_item_fields(fields: Mapping[str, str]) -> None:
    """Refuse an `item_fields` table that impact.com's documents do not allow.

    Raises:
        ValueError: Names the first wrong entry and what may stand there.
    """
    for name, column in fields.items():
        _refuse(name, _item_field_problem(name))
        if column not in ITEM_COLUMNS and not column.startswith("extra."):
            known = ", ".join(ITEM_COLUMNS)
            _refuse(name, f"expected extra.<column> or one of {known}, got {column!r}")


def _refuse(name: str, problem: str | None) -> None:
    if problem:
        message = f"{name} cannot be mapped: {problem}"
        raise ValueError(message)


def _field_problem(name: str, column: str, *, force_credit: bool) -> str | None:
    if name in _FORCED and not force_credit:
        return "it forces the credit past the click; set force_credit = true to do so"
    if name == "CustomerEmail" and column not in HASHED_EMAILS:
        choices = " or ".join(HASHED_EMAILS)
        return f"only a hash may be sent, so only from the column {choices}"
    if name.startswith("Item"):
        return "it is a parameter of items; map it in item_fields, without a number"
    return _not_mappable_reason(
        name, _MAPPABLE, RANGES | {"SubId": SUB_IDS}, "{0}1-{0}{1}"
    )


def _item_field_problem(name: str) -> str | None:
    if name in _MAPPABLE - _MAPPABLE_ITEM_FIELDS:
        return "it is a parameter of the order; map it in fields"
    return _not_mappable_reason(
        name, _MAPPABLE_ITEM_FIELDS, RANGES, "Item{0}_1-Item{0}_{1}"
    )


def _not_mappable_reason(
    name: str, mappable: Iterable[str], ranges: Mapping[str, int], shown: str
) -> str | None:
    if name in mappable:
        return None
    if name in _ALWAYS_SENT:
        return "the exporter sends it (or its other name) itself"
    if name in _NOT_MAPPABLE:
        return _NOT_MAPPABLE[name]
    near = get_close_matches(name, mappable, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    single = sorted(one for one in mappable if not one[-1].isdigit())
    spans = [shown.format(base, last) for base, last in ranges.items()]
    choices = ", ".join([*single, *spans])
    return f"impact.com has no such parameter{hint}; choose from {choices}"
