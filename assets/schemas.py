"""The schema of every table that crosses a boundary, each written once.

A column, its type and its checks belong here; the Parquet schema is derived from it.
Every check carries its reason code as its name. Reading what a driver gave into these
types belongs in `coercion.py`, taking bad rows out in `validation.py`.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pandera.pandas as pap
import pyarrow as pa

from assets.money import minor_digits
from assets.personal import PHONE, PHONE_AS_ORDER_ID
from assets.providers.conversion import IDENTIFIER_KINDS

MONEY = pa.decimal128(24, 6)
INSTANT = pa.timestamp("us", tz="UTC")
TEXT = pa.string()
FLAG = pa.bool_()
WHOLE = pa.int64()
DIGITS = pa.int8()

FUTURE_TOLERANCE = timedelta(hours=1)
FIRST_ORDER_EVER = datetime(1990, 1, 1, tzinfo=UTC)
"""Before the web: 0001, 1900 and 1970 are how a source says that it knows no time."""

ID_LENGTH = 128
"""Characters of an id that the delivery tables take (`delivery/tables.py`)."""

ORDER_MONEY = ("total", "revenue", "discount", "shipping", "tax")

ROW_CHECK_COLUMNS: dict[str, tuple[str, ...]] = {
    "total_mismatch": ("total", "revenue", "shipping", "tax"),
    "amount_precision": ("currency", *ORDER_MONEY),
    "missing_visitor_id": ("order_id", "visitor_id"),
}
"""Reason of a check that looks at a whole row -> the columns it compares."""


def _check(reason: str, holds: Callable[[Any], "pd.Series[bool]"]) -> pap.Check:
    # One failure case each: pandera would list every cell of every failing row.
    return pap.Check(holds, name=reason, error=reason, n_failure_cases=1)


def _is_neither_address_nor(
    phone: str,
) -> Callable[["pd.Series[str]"], "pd.Series[bool]"]:
    return lambda values: (
        ~(values.str.contains("@", regex=False) | values.str.match(phone))
    )


def _is_past(instants: "pd.Series[pd.Timestamp]") -> "pd.Series[bool]":
    return instants <= pd.Timestamp(datetime.now(UTC) + FUTURE_TOLERANCE)


def _is_a_real_time(instants: "pd.Series[pd.Timestamp]") -> "pd.Series[bool]":
    return instants >= pd.Timestamp(FIRST_ORDER_EVER)


def _adds_up(orders: pd.DataFrame) -> "pd.Series[bool]":
    parts = orders["revenue"] + orders["shipping"] + orders["tax"]
    return (orders["total"] == parts).fillna(value=True).astype(bool)


def _fits_currency(orders: pd.DataFrame) -> "pd.Series[bool]":
    fits = pd.Series(data=True, index=orders.index)
    for digits, rows in orders.groupby("currency_digits"):
        for name in ORDER_MONEY:
            exact = rows[name].round(int(str(digits))) == rows[name]
            fits.loc[rows.index] &= exact.fillna(value=True).astype(bool)
    return fits


def _names_order_or_visitor(rows: pd.DataFrame) -> "pd.Series[bool]":
    return rows["order_id"].notna() | rows["visitor_id"].notna()


def is_currency(code: str) -> bool:
    """Tell whether `code` is an upper-case ISO 4217 code with a minor unit."""
    try:
        minor_digits(code)
    except ValueError:
        return False
    return True


def _is_known_currency(codes: "pd.Series[str]") -> "pd.Series[bool]":
    return codes.isin([code for code in codes.unique() if is_currency(code)])


NO_PERSONAL_DATA = _check("pii_as_id", _is_neither_address_nor(PHONE))
NO_PERSONAL_ORDER_ID = _check("pii_as_id", _is_neither_address_nor(PHONE_AS_ORDER_ID))
FITS = _check("too_long", lambda values: values.str.len() <= ID_LENGTH)
NOT_NEGATIVE = _check("negative_amount", lambda amounts: amounts >= 0)
PAST = _check("future_time", _is_past)
REAL = _check("placeholder_time", _is_a_real_time)
KNOWN_CURRENCY = _check("unknown_currency", _is_known_currency)
KNOWN_KIND = _check("unknown_kind", lambda kinds: kinds.isin(IDENTIFIER_KINDS))
SHA1 = _check(
    "unreadable_customer_email_sha1",
    lambda values: values.str.fullmatch("[0-9a-f]{40}"),
)


def _column(
    kind: pa.DataType,
    *checks: pap.Check,
    required: bool = True,
    derived: bool = False,
) -> pap.Column:
    return pap.Column(
        pd.ArrowDtype(kind),
        checks=list(checks),
        nullable=not required,
        metadata={"derived": derived},
    )


def _texts(*names: str) -> dict[str, pap.Column]:
    return {name: _column(TEXT, required=False) for name in names}


_ORDER_COLUMNS = {
    "order_id": _column(TEXT, NO_PERSONAL_ORDER_ID, FITS),
    "completed_at": _column(INSTANT, PAST, REAL),
    "visitor_id": _column(TEXT, NO_PERSONAL_DATA, required=False),
    "customer_id": _column(TEXT, NO_PERSONAL_DATA, required=False),
    "customer_email_sha1": _column(TEXT, SHA1, required=False),
    "currency": _column(TEXT, KNOWN_CURRENCY),
    "currency_digits": _column(DIGITS, required=False, derived=True),
    **{name: _column(MONEY, NOT_NEGATIVE) for name in ORDER_MONEY},
    **_texts(
        "promo_code",
        "affiliation",
        "customer_status",
        "customer_country",
        "customer_region",
        "customer_city",
        "customer_postcode",
        "payment_type",
    ),
    "tracking_consent": _column(FLAG, required=False),
    "is_test": _column(FLAG),
    "extra": _column(TEXT, required=False, derived=True),
}

COMPLETED_ORDERS = pap.DataFrameSchema(
    _ORDER_COLUMNS,
    name="completed_orders",
    checks=[
        _check("total_mismatch", _adds_up),
        _check("amount_precision", _fits_currency),
    ],
)

ORDER_ITEMS = pap.DataFrameSchema(
    {
        "order_id": _column(TEXT, NO_PERSONAL_ORDER_ID, FITS),
        "line_no": _column(WHOLE),
        "sku": _column(TEXT),
        **_texts("product_id", "name", "category", "sub_category", "brand", "variant"),
        "quantity": _column(MONEY, NOT_NEGATIVE),
        "unit_price": _column(MONEY, NOT_NEGATIVE),
        "subtotal": _column(MONEY, NOT_NEGATIVE),
        "discount": _column(MONEY, NOT_NEGATIVE),
        "extra": _column(TEXT, required=False, derived=True),
    },
    name="order_items",
)

VISITOR_IDENTIFIERS = pap.DataFrameSchema(
    {
        "order_id": _column(TEXT, NO_PERSONAL_ORDER_ID, FITS, required=False),
        "visitor_id": _column(TEXT, NO_PERSONAL_DATA, required=False),
        "kind": _column(TEXT, KNOWN_KIND),
        "value": _column(TEXT, NO_PERSONAL_DATA),
        "captured_at": _column(INSTANT, PAST),
    },
    name="visitor_identifiers",
    checks=[_check("missing_visitor_id", _names_order_or_visitor)],
)

VISITOR_BUCKETING = pap.DataFrameSchema(
    {
        "visitor_id": _column(TEXT, NO_PERSONAL_DATA),
        "experience_id": _column(TEXT, FITS),
        "variation_id": _column(TEXT, FITS),
        "bucketed_at": _column(INSTANT, PAST),
    },
    name="visitor_bucketing",
)

_SEGMENT_COLUMNS = {
    **_texts("browser", "device", "source", "visitor_type", "country", "campaign"),
    "custom_segments": _column(pa.list_(TEXT), required=False),
}

VISITOR_SEGMENTS = pap.DataFrameSchema(
    {
        "visitor_id": _column(TEXT, NO_PERSONAL_DATA),
        **_SEGMENT_COLUMNS,
        "captured_at": _column(INSTANT, PAST),
    },
    name="visitor_segments",
)


def _struct(
    columns: dict[str, pap.Column], leave_out: Iterable[str] = ()
) -> pa.DataType:
    return pa.struct(
        [
            (name, column.dtype.type.pyarrow_dtype)
            for name, column in columns.items()
            if name not in leave_out
        ]
    )


CONVERSIONS = pap.DataFrameSchema(
    {
        **_ORDER_COLUMNS,
        "currency_digits": _column(DIGITS),
        **_texts(*IDENTIFIER_KINDS),
        "segments": _column(_struct(_SEGMENT_COLUMNS), required=False),
        "items": _column(pa.list_(_struct(ORDER_ITEMS.columns, ["order_id"]))),
        "bucketing": _column(
            pa.list_(pa.struct([("experience_id", TEXT), ("variation_id", TEXT)]))
        ),
        "bucketing_conflicts": _column(pa.list_(TEXT)),
        "source_hash": _column(TEXT),
    },
    name="conversions",
)

EXTRACTS = {
    schema.name: schema
    for schema in (
        COMPLETED_ORDERS,
        ORDER_ITEMS,
        VISITOR_IDENTIFIERS,
        VISITOR_BUCKETING,
        VISITOR_SEGMENTS,
    )
}


def arrow_schema(schema: pap.DataFrameSchema) -> pa.Schema:
    """Return the Parquet schema of a table, in the order of its columns."""
    return pa.schema(
        [
            pa.field(name, column.dtype.type.pyarrow_dtype, nullable=column.nullable)
            for name, column in schema.columns.items()
        ]
    )


def contract_columns(statement: str) -> tuple[str, ...]:
    """Return the columns a statement must give (`docs/` describes each).

    Args:
        statement: One of `EXTRACTS`.
    """
    columns = EXTRACTS[statement].columns.items()
    return tuple(name for name, column in columns if not column.metadata["derived"])
