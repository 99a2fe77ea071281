"""The form that reports one order to impact.com, and the rules of its eligibility.

Payload only: addresses, credentials and replies belong elsewhere. The parameters of
lines are in `items.py`.

Sources: `impact-conversions-reference.txt`, `impact-integration-guide.txt`, and
`shared/providers/impact.md` sections 3.1 to 3.9.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from urllib.parse import urlencode

from assets.money import fits
from assets.providers.base import DataIssue, placeholder_issue
from assets.providers.conversion import Conversion
from assets.providers.eligibility import (
    Ineligible,
    check_identifiers,
    currency_not_accepted,
    not_stored_detail,
)
from assets.providers.impact.fields import ATTRIBUTION, encode_parameter, truncation_of
from assets.providers.impact.items import exact_rate, item_parameters, item_values
from assets.providers.impact.settings import ImpactSettings
from assets.providers.impact.values import MAX_DECIMALS, InvalidValueError, instant_text
from assets.providers.mapped_fields import mapped_fields, placeholder_hashes
from assets.providers.placeholders import is_placeholder

Parameters = Iterator[tuple[str, str]]

_BYTES_OF_A_CHARACTER = 12
"""At most: four bytes of UTF-8, each written `%F0`."""


def check_form(settings: ImpactSettings, conversion: Conversion) -> Ineligible | None:
    """Return why `conversion` cannot be reported to impact.com; None: it can.

    - `unfit_identifier`: a refused row may be the last click or the last profile.
    - `no_click_id`: none of the configured attribution keys is stored. An order without
      one belongs to no partner (reference, "Attribution key").
    - `currency_not_taken`: the currency is not one of the configured `currencies`.
    - `no_items`: the order has no line. An order total is never sent instead (impact.md
      3.4), unless only totals are reported.
    - `too_many_items`, `body_too_large`: beyond the configured limits. No limit is
      published (impact.md 3.9).
    - `two_discounts`: one on the order and one on a line, if `discount_level` is `one`
      (impact.md 3.5: the base of the first is unpublished).
    - the reason of an `InvalidValueError`: its parameter does not accept a value
      (impact.md 3.9). A cut or rounded value would be another one, so the order is
      quarantined.
    """
    if why := _check_attribution(settings, conversion):
        return why
    if settings.currencies and conversion.currency not in settings.currencies:
        return currency_not_accepted(conversion, *settings.currencies)
    if settings.report == "items":
        ineligible = _check_lines(settings, conversion)
        if ineligible:
            return ineligible
    try:
        form = conversion_form(settings, conversion)
    except InvalidValueError as error:
        return Ineligible("quarantined", error.reason, str(error))
    if _is_too_large(form, settings.max_body_bytes):
        detail = f"more than {settings.max_body_bytes} bytes"
        return Ineligible("quarantined", "body_too_large", detail)
    return None


def _is_too_large(form: Mapping[str, str], limit: int) -> bool:
    characters = sum(len(name) + len(value) + 2 for name, value in form.items())
    # Encoding takes time, and few orders have so many characters that it is needed.
    return characters * _BYTES_OF_A_CHARACTER > limit and len(encode_form(form)) > limit


def _check_attribution(
    settings: ImpactSettings, conversion: Conversion
) -> Ineligible | None:
    if why := check_identifiers(conversion, "impact_click_id", "custom_profile_id"):
        return why
    if not _has_attribution_key(settings, conversion):
        detail = not_stored_detail(conversion, *settings.attribution_keys)
        return Ineligible("suppressed", "no_click_id", detail)
    return None


def _check_lines(settings: ImpactSettings, conversion: Conversion) -> Ineligible | None:
    count, limit = len(conversion.items), settings.max_items
    if not count:
        return Ineligible("quarantined", "no_items", "no line of the order is stored")
    if count > limit:
        detail = f"{count} lines, taken {limit}"
        return Ineligible("quarantined", "too_many_items", detail)
    one_level = settings.discount_level == "one" and conversion.discount
    if one_level and any(item.discount for item in conversion.items):
        detail = "one on the order, one on a line"
        return Ineligible("quarantined", "two_discounts", detail)
    return None


def encode_form(form: Mapping[str, str]) -> bytes:
    """Return the bytes of a form, as they are sent (impact.md 2)."""
    return urlencode(form, encoding="utf-8").encode("ascii")


def conversion_form(settings: ImpactSettings, conversion: Conversion) -> dict[str, str]:
    """Return the parameters of one conversion, in the order in which they are sent.

    - Money is sent gross, with the discounts beside it (reference, "ItemSubTotal",
      "OrderDiscount"), with the currency's own digits, two at most.
    - Values that are not stored are left out, never sent empty (impact.md 3.7).
    - Descriptive text (names, categories, notes) is cut to its documented size
      (impact.md 3.9), between characters. Ids and keys are never cut.

    Raises:
        InvalidValueError: A parameter does not accept a value.
    """
    digits = min(conversion.currency_digits, MAX_DECIMALS)
    order = chain(
        _event(settings, conversion),
        _money(settings, conversion, digits),
        [("OrderPromoCode", conversion.promo_code)],
        sorted(_mapped(settings, conversion).items()),
    )
    form = {name: encode_parameter(name, value, digits) for name, value in order}
    if not form["OrderId"]:
        message = "OrderId is blank"
        raise InvalidValueError(message, reason="missing_order_id")
    _check_customer_id(settings, form)
    if form.get("Amount"):
        # It is unpublished which of two totals counts.
        del form["OrderSubTotalPostDiscount"]
    if settings.report == "items":
        form.update(item_parameters(settings, conversion.items, digits))
    return {name: value for name, value in form.items() if value}


def data_issues(
    settings: ImpactSettings, conversion: Conversion
) -> Sequence[DataIssue]:
    """Return what is left out or cut: placeholders, and texts (impact.md 3.9)."""
    mapped = sorted(mapped_fields(settings, conversion).items())
    values: Iterable[tuple[int, str, str | None]] = ((0, *pair) for pair in mapped)
    if settings.report == "items":
        digits = min(conversion.currency_digits, MAX_DECIMALS)
        values = chain(values, item_values(settings, conversion.items, digits))
    cuts = (truncation_of(name, value or "", number) for number, name, value in values)
    return [*_placeholder_issues(settings, conversion), *filter(None, cuts)]


def _event(
    settings: ImpactSettings, conversion: Conversion
) -> Iterator[tuple[str, str | None]]:
    yield "CampaignId", str(settings.campaign_id)
    if settings.event_type_code is not None:
        yield "EventTypeCode", settings.event_type_code
    else:
        yield "EventTypeId", str(settings.event_type_id)
    yield "EventDate", instant_text(conversion.completed_at)
    yield "ClickId", conversion.identifiers.get("impact_click_id")
    yield "CustomProfileId", conversion.identifiers.get("custom_profile_id")
    yield "CustomerId", conversion.customer_id
    yield "CurrencyCode", conversion.currency
    yield "OrderId", conversion.order_id


def _money(settings: ImpactSettings, conversion: Conversion, digits: int) -> Parameters:
    if settings.report == "order":
        # After discounts, so a discount parameter would be subtracted once more.
        yield "OrderSubTotalPostDiscount", f"{conversion.revenue:f}"
    elif conversion.discount:
        yield _discount(settings, conversion, digits)
    yield "OrderShipping", f"{conversion.shipping:f}"
    yield "OrderTax", f"{conversion.tax:f}"


def _discount(
    settings: ImpactSettings, conversion: Conversion, digits: int
) -> tuple[str, str]:
    """Return the order's discount in one form, never two (impact.md 3.4).

    A rate must be exact for each line, too: the discount is spread over the lines.
    """
    if settings.order_discount == "rate" and not any(
        item.discount for item in conversion.items
    ):
        lines = [item.subtotal for item in conversion.items]
        rate = exact_rate(conversion.discount, sum(lines, Decimal(0)))
        if rate is not None and all(fits(rate * one / 100, digits) for one in lines):
            return "OrderDiscountRate", f"{rate:f}"
    return "OrderDiscount", f"{conversion.discount:f}"


def _has_attribution_key(settings: ImpactSettings, conversion: Conversion) -> bool:
    stored = {
        "click_id": conversion.identifiers.get("impact_click_id"),
        "customer_id": conversion.customer_id,
        "custom_profile_id": conversion.identifiers.get("custom_profile_id"),
        "promo_code": conversion.promo_code,
    }
    return any(
        _has_mapped_attribution_key(settings, conversion)
        if key == "mapped"
        else _is_present(stored[key])
        for key in settings.attribution_keys
    )


def _has_mapped_attribution_key(
    settings: ImpactSettings, conversion: Conversion
) -> bool:
    mapped = _mapped(settings, conversion)
    return any(_is_present(mapped.get(name)) for name in ATTRIBUTION)


def _mapped(settings: ImpactSettings, conversion: Conversion) -> dict[str, str]:
    """Return the mapped fields. A placeholder attributes an order to nobody."""
    return {
        name: value
        for name, value in mapped_fields(settings, conversion).items()
        if name not in ATTRIBUTION or not is_placeholder(value)
    }


def _placeholder_issues(
    settings: ImpactSettings, conversion: Conversion
) -> list[DataIssue]:
    left_out = mapped_fields(settings, conversion).keys() - _mapped(
        settings, conversion
    )
    hashes = placeholder_hashes(settings, conversion)
    return list(map(placeholder_issue, sorted({*left_out, *hashes})))


def _is_present(value: str | None) -> bool:
    return bool(value and value.strip())


def _check_customer_id(settings: ImpactSettings, form: Mapping[str, str]) -> None:
    pattern, customer_id = settings.customer_id_pattern, form["CustomerId"]
    if pattern and customer_id and not re.fullmatch(pattern, customer_id):
        message = "CustomerId does not match customer_id_pattern"
        raise InvalidValueError(message, reason="unfit_field")
