"""The checks of readable rows, each with its reason code and its expectation.

The name of a check is the reason code, its description the expectation. `schemas.py`
assigns checks to columns and tables. Quarantined rows and `docs/data-rules.md` quote
the descriptions.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pandera.pandas as pap

from assets.money import is_tender, minor_digits
from assets.privacy.phone_numbers import PHONE, PHONE_AS_ORDER_ID
from assets.providers.conversion import IDENTIFIER_KINDS
from assets.providers.placeholders import is_placeholder_id
from assets.providers.spelling import has_unseen_inside, is_clear, is_damaged, plain
from assets.retired_currencies import LAST_DAY

FUTURE_TOLERANCE = timedelta(hours=1)
FIRST_ORDER_EVER = datetime(1990, 1, 1, tzinfo=UTC)
"""Before the web. Sources write 0001, 1900 and 1970 for an unknown time."""

ID_LENGTH = 128
"""Most characters of an id in the delivery tables (`ledger/tables.py`)."""

ORDER_MONEY = ("total", "revenue", "discount", "shipping", "tax")


def _check(
    reason: str,
    expected: str,
    holds: Callable[[Any], "pd.Series[bool]"],
    *,
    columns: tuple[str, ...] = (),
) -> pap.Check:
    return pap.Check(
        holds,
        name=reason,
        error=reason,
        description=expected,
        statistics={"columns": columns},
        # Without this, pandera lists every cell of every failing row.
        n_failure_cases=1,
    )


def columns_of(check: pap.Check, column: str) -> tuple[str, ...]:
    """Return the columns that a check compares: its own, or the one it belongs to."""
    return (check.statistics or {}).get("columns") or (column,)


def _is_each(
    holds: Callable[[str], bool],
) -> Callable[["pd.Series[str]"], "pd.Series[bool]"]:
    """Ask a question of each value."""
    return lambda values: pd.Series(
        [pd.isna(one) or holds(one) for one in values], index=values.index, dtype=bool
    )


def _is_neither_address_nor(
    phone: str,
) -> Callable[["pd.Series[str]"], "pd.Series[bool]"]:
    is_phone = re.compile(phone).match

    def is_impersonal(value: str) -> bool:
        # Invisible characters and other forms of `@` must not hide an address.
        spellings = {value} if value.isascii() else {value, plain(value)}
        return not any("@" in one or is_phone(one) for one in spellings)

    return _is_each(is_impersonal)


def _is_past(instants: "pd.Series[pd.Timestamp]") -> "pd.Series[bool]":
    return instants <= pd.Timestamp(datetime.now(UTC) + FUTURE_TOLERANCE)


def _is_after_first_order_ever(
    instants: "pd.Series[pd.Timestamp]",
) -> "pd.Series[bool]":
    return instants >= pd.Timestamp(FIRST_ORDER_EVER)


def _total_is_sum(orders: pd.DataFrame) -> "pd.Series[bool]":
    parts = orders["revenue"] + orders["shipping"] + orders["tax"]
    return (orders["total"] == parts).fillna(value=True).astype(bool)


def _fits_currency(orders: pd.DataFrame) -> "pd.Series[bool]":
    fits = pd.Series(data=True, index=orders.index)
    for digits, rows in orders.groupby("currency_digits"):
        for name in ORDER_MONEY:
            exact = rows[name].round(int(str(digits))) == rows[name]
            fits.loc[rows.index] &= exact.fillna(value=True).astype(bool)
    return fits


def _is_at_most_subtotal(lines: pd.DataFrame) -> "pd.Series[bool]":
    leaves = lines["discount"] <= lines["subtotal"]
    return leaves.fillna(value=True).astype(bool)


def _has_order_or_visitor(rows: pd.DataFrame) -> "pd.Series[bool]":
    return rows["order_id"].notna() | rows["visitor_id"].notna()


def _is_false(flags: "pd.Series[bool]") -> "pd.Series[bool]":
    return ~flags


def _is_null(lines: "pd.Series[Any]") -> "pd.Series[bool]":
    return lines.isna()


def is_currency(code: str) -> bool:
    """Tell whether `code` is an upper-case ISO 4217 code with a minor unit."""
    try:
        minor_digits(code)
    except ValueError:
        return False
    return True


def _is_known_currency(codes: "pd.Series[str]") -> "pd.Series[bool]":
    return codes.isin([code for code in codes.unique() if is_currency(code)])


def _is_tender_of_its_day(orders: pd.DataFrame) -> "pd.Series[bool]":
    holds = pd.Series(data=True, index=orders.index)
    retired = orders["currency"].isin(list(LAST_DAY)) & orders["completed_at"].notna()
    for row in orders.index[retired.astype(bool)]:
        code, at = orders.loc[row, "currency"], orders.loc[row, "completed_at"]
        holds.loc[row] = is_tender(str(code), pd.Timestamp(str(at)).date())
    return holds


NO_PERSONAL_DATA = _check(
    "pii_as_id",
    "no `@`, and not in the form of a telephone number",
    _is_neither_address_nor(PHONE),
)
NO_PERSONAL_ORDER_ID = _check(
    "pii_as_id",
    "no `@`, and no telephone number with a leading `+`",
    _is_neither_address_nor(PHONE_AS_ORDER_ID),
)
NO_PLACEHOLDER = _check(
    "placeholder_id",
    "an id, not a placeholder for an unknown one such as `undefined`, `null`, `0`, "
    "`-1`, `guest`, `N/A`, `(not set)`, a UUID of zeros or a hash of nothing",
    _is_each(lambda value: not is_placeholder_id(value)),
)
CLEAR_ORDER_ID = _check(
    "unclear_id",
    "an id without white space, invisible characters and characters that stand for "
    "lost ones, in the Unicode form NFKC: with another spelling, the same order would "
    "be reported again",
    _is_each(is_clear),
)
CLEAR_ID = _check(
    "unclear_id",
    "an id without invisible characters inside and characters that stand for lost ones",
    _is_each(lambda value: not (has_unseen_inside(value) or is_damaged(value))),
)
FITS_LENGTH = _check(
    "too_long",
    f"at most {ID_LENGTH} characters",
    lambda values: values.str.len() <= ID_LENGTH,
)
NOT_NEGATIVE = _check("negative_amount", "0 or more", lambda amounts: amounts >= 0)
NOT_IN_FUTURE = _check(
    "future_time",
    f"at most {FUTURE_TOLERANCE // timedelta(minutes=1)} minutes after the extract",
    _is_past,
)
NOT_PLACEHOLDER_TIME = _check(
    "placeholder_time",
    f"{FIRST_ORDER_EVER:%Y-%m-%d} or later: earlier times are placeholders",
    _is_after_first_order_ever,
)
KNOWN_CURRENCY = _check(
    "unknown_currency",
    "an ISO 4217 code with a minor unit",
    _is_known_currency,
)
KNOWN_KIND = _check(
    "unknown_kind",
    f"one of {', '.join(IDENTIFIER_KINDS)}",
    lambda kinds: kinds.isin(IDENTIFIER_KINDS),
)
SHA1 = _check(
    "unreadable_customer_email_sha1",
    "40 hexadecimal digits",
    lambda values: values.str.fullmatch("[0-9a-f]{40}"),
)

SHA256 = _check(
    "unreadable_customer_email_sha256",
    "64 hexadecimal digits",
    lambda values: values.str.fullmatch("[0-9a-f]{64}"),
)
TOTAL_ADDS_UP = _check(
    "total_mismatch",
    "total = revenue + shipping + tax",
    _total_is_sum,
    columns=("total", "revenue", "shipping", "tax"),
)
TENDER_OF_ITS_DAY = _check(
    "retired_currency",
    "a currency that was legal tender when the order was completed",
    _is_tender_of_its_day,
    columns=("currency", "completed_at"),
)
FITS_CURRENCY = _check(
    "amount_precision",
    "no more decimals than the currency has",
    _fits_currency,
    columns=("currency", *ORDER_MONEY),
)
DISCOUNT_FITS = _check(
    "discount_too_large",
    "at most the subtotal of the line",
    _is_at_most_subtotal,
    columns=("discount", "subtotal"),
)
HAS_ORDER_OR_VISITOR = _check(
    "missing_visitor_id",
    "an order_id or a visitor_id",
    _has_order_or_visitor,
    columns=("order_id", "visitor_id"),
)

# Checks of joined orders. They belong to the columns of `schemas.JOINED_ORDERS` and
# name the columns that a person needs to see; `items.` is the prefix of a line's
# columns.
NO_REFUSED_ROW = _check(
    "unfit_row",
    "no other row of the order is refused",
    _is_false,
    columns=("order_id",),
)
SAME_IN_ALL_ROWS = _check(
    "conflicting_rows",
    "the same in all rows of the order",
    _is_false,
    columns=("whatever differs",),
)
HAS_ITEMS = _check(
    "no_items",
    "at least one line, or the setting `allow_orders_without_items`",
    _is_false,
    columns=("items",),
)
LINE_NUMBERS_UNIQUE = _check(
    "conflicting_items",
    "each line number once",
    _is_false,
    columns=("items.line_no",),
)
LINES_FIT_CURRENCY = _check(
    "amount_precision",
    "no more decimals than the currency has",
    _is_null,
    columns=("items.subtotal", "items.discount"),
)
PRICES_AGREE = _check(
    "subtotal_mismatch",
    "subtotal = quantity x unit_price, rounded to the decimals of the currency",
    _is_null,
    columns=("items.quantity", "items.unit_price", "items.subtotal"),
)
ITEMS_ADD_UP = _check(
    "money_mismatch",
    "revenue = subtotals of the lines - discounts of the lines - discount",
    lambda unexplained: unexplained == 0,
    columns=("revenue", "discount", "items_subtotal", "items_discount"),
)
