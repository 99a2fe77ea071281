"""The schema of each extract, of the conversions, and of the joined orders.

A column, its type and its checks belong here; the Parquet schema is derived from them.
Checks are defined in `row_checks.py`. `coercion.py` converts values to these types, and
`chunk.py` separates bad rows.
"""

from collections.abc import Iterable

import pandas as pd
import pandera.pandas as pap
import pyarrow as pa

from assets.providers.conversion import IDENTIFIER_KINDS
from assets.validation.ids import NO_VALUE, NOBODY, TRIMMED, Fold
from assets.validation.row_checks import (
    CLEAR_ID,
    CLEAR_ORDER_ID,
    DISCOUNT_FITS,
    FITS_CURRENCY,
    FITS_LENGTH,
    HAS_ITEMS,
    HAS_ORDER_OR_VISITOR,
    ITEMS_ADD_UP,
    KNOWN_CURRENCY,
    KNOWN_KIND,
    LINE_NUMBERS_UNIQUE,
    LINES_FIT_CURRENCY,
    NO_PERSONAL_DATA,
    NO_PERSONAL_ORDER_ID,
    NO_PLACEHOLDER,
    NO_REFUSED_ROW,
    NOT_IN_FUTURE,
    NOT_NEGATIVE,
    NOT_PLACEHOLDER_TIME,
    ORDER_MONEY,
    PRICES_AGREE,
    SAME_IN_ALL_ROWS,
    SHA1,
    SHA256,
    TENDER_OF_ITS_DAY,
    TOTAL_ADDS_UP,
)

MONEY = pa.decimal128(24, 6)
MONEY_SUM = pa.decimal128(38, 6)
INSTANT = pa.timestamp("us", tz="UTC")
TEXT = pa.string()
FLAG = pa.bool_()
WHOLE = pa.int64()
DIGITS = pa.int8()
LINES = pa.list_(WHOLE)


def _column(
    kind: pa.DataType,
    *checks: pap.Check,
    required: bool = True,
    derived: bool = False,
    optional: bool = False,
    folds: tuple[Fold, ...] = (),
) -> pap.Column:
    return pap.Column(
        pd.ArrowDtype(kind),
        checks=list(checks),
        nullable=not required,
        metadata={"derived": derived, "optional": optional, "folds": folds},
    )


def _texts(*names: str, folds: tuple[Fold, ...] = ()) -> dict[str, pap.Column]:
    return {name: _column(TEXT, required=False, folds=folds) for name in names}


_ORDER_ID_CHECKS = (NO_PERSONAL_ORDER_ID, FITS_LENGTH, CLEAR_ORDER_ID)
_PERSON = (TRIMMED, NOBODY)

_ORDER_COLUMNS = {
    "order_id": _column(TEXT, *_ORDER_ID_CHECKS, NO_PLACEHOLDER),
    "completed_at": _column(INSTANT, NOT_IN_FUTURE, NOT_PLACEHOLDER_TIME),
    "visitor_id": _column(TEXT, NO_PERSONAL_DATA, required=False, folds=_PERSON),
    "customer_id": _column(TEXT, NO_PERSONAL_DATA, required=False, folds=_PERSON),
    "customer_email_sha1": _column(TEXT, SHA1, required=False, folds=(TRIMMED, NOBODY)),
    "customer_email_sha256": _column(
        TEXT, SHA256, required=False, optional=True, folds=(TRIMMED, NOBODY)
    ),
    "currency": _column(TEXT, KNOWN_CURRENCY),
    "currency_digits": _column(DIGITS, required=False, derived=True),
    **{name: _column(MONEY, NOT_NEGATIVE) for name in ORDER_MONEY},
    **_texts("promo_code", "affiliation", folds=(NO_VALUE,)),
    **_texts(
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
    checks=[TOTAL_ADDS_UP, FITS_CURRENCY, TENDER_OF_ITS_DAY],
)

ORDER_ITEMS = pap.DataFrameSchema(
    {
        "order_id": _column(TEXT, *_ORDER_ID_CHECKS, NO_PLACEHOLDER),
        "line_no": _column(WHOLE),
        "sku": _column(TEXT, required=False, folds=(TRIMMED,)),
        **_texts("product_id", "name", "category", "sub_category", "brand", "variant"),
        "quantity": _column(MONEY, NOT_NEGATIVE),
        "unit_price": _column(MONEY, NOT_NEGATIVE),
        "subtotal": _column(MONEY, NOT_NEGATIVE),
        "discount": _column(MONEY, NOT_NEGATIVE),
        "extra": _column(TEXT, required=False, derived=True),
    },
    name="order_items",
    checks=[DISCOUNT_FITS],
)

VISITOR_IDENTIFIERS = pap.DataFrameSchema(
    {
        "order_id": _column(
            TEXT, *_ORDER_ID_CHECKS, required=False, folds=(TRIMMED, NO_VALUE)
        ),
        "visitor_id": _column(TEXT, NO_PERSONAL_DATA, required=False, folds=_PERSON),
        "kind": _column(TEXT, KNOWN_KIND),
        "value": _column(
            TEXT, NO_PERSONAL_DATA, NO_PLACEHOLDER, CLEAR_ID, folds=(TRIMMED,)
        ),
        "captured_at": _column(INSTANT, NOT_IN_FUTURE, NOT_PLACEHOLDER_TIME),
    },
    name="visitor_identifiers",
    checks=[HAS_ORDER_OR_VISITOR],
)

VISITOR_BUCKETING = pap.DataFrameSchema(
    {
        "visitor_id": _column(TEXT, NO_PERSONAL_DATA, NO_PLACEHOLDER, folds=(TRIMMED,)),
        "experience_id": _column(TEXT, FITS_LENGTH, CLEAR_ID, folds=(TRIMMED,)),
        "variation_id": _column(TEXT, FITS_LENGTH, CLEAR_ID, folds=(TRIMMED,)),
        "bucketed_at": _column(INSTANT, NOT_IN_FUTURE, NOT_PLACEHOLDER_TIME),
    },
    name="visitor_bucketing",
)

_SEGMENT_COLUMNS = {
    "browser": _column(TEXT, required=False),
    "device": _column(pa.list_(TEXT), required=False),
    **_texts("source", "visitor_type", "country", "campaign"),
    "custom_segments": _column(pa.list_(TEXT), required=False),
}

VISITOR_SEGMENTS = pap.DataFrameSchema(
    {
        "visitor_id": _column(TEXT, NO_PERSONAL_DATA, NO_PLACEHOLDER, folds=(TRIMMED,)),
        **_SEGMENT_COLUMNS,
        "captured_at": _column(INSTANT, NOT_IN_FUTURE, NOT_PLACEHOLDER_TIME),
    },
    name="visitor_segments",
)


def _struct(columns: dict[str, pap.Column], exclude: Iterable[str] = ()) -> pa.DataType:
    return pa.struct(
        [
            (name, column.dtype.type.pyarrow_dtype)
            for name, column in columns.items()
            if name not in exclude
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
        "exposures": _column(
            pa.list_(
                pa.struct(
                    [
                        ("experience_id", TEXT),
                        ("variation_id", TEXT),
                        ("last_at", INSTANT),
                        ("refused_at", INSTANT),
                    ]
                )
            )
        ),
        "unfit_identifiers": _column(
            pa.list_(pa.struct([("kind", TEXT), ("reasons", TEXT)]))
        ),
        "unfit_experiences": _column(pa.list_(TEXT)),
        "source_hash": _column(TEXT),
    },
    name="conversions",
)

JOINED_ORDERS = pap.DataFrameSchema(
    {
        "has_refused_row": _column(FLAG, NO_REFUSED_ROW),
        "contradicts": _column(FLAG, SAME_IN_ALL_ROWS),
        "lacks_items": _column(FLAG, HAS_ITEMS),
        "repeats_line_no": _column(FLAG, LINE_NUMBERS_UNIQUE),
        "imprecise_lines": _column(LINES, LINES_FIT_CURRENCY, required=False),
        "mispriced_lines": _column(LINES, PRICES_AGREE, required=False),
        "unexplained": _column(MONEY_SUM, ITEMS_ADD_UP, required=False),
    },
    name="conversions",
)
"""The columns in which the join reports problems of an order."""

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
    return tuple(
        name
        for name, column in columns
        if not (column.metadata["derived"] or column.metadata["optional"])
    )


def optional_columns(statement: str) -> tuple[str, ...]:
    """Return the columns that a statement may leave out. They are null then."""
    columns = EXTRACTS[statement].columns.items()
    return tuple(name for name, column in columns if column.metadata["optional"])


def known_columns(statement: str) -> tuple[str, ...]:
    """Return the columns of a statement that have a meaning here, in their order."""
    columns = EXTRACTS[statement].columns.items()
    return tuple(name for name, column in columns if not column.metadata["derived"])
