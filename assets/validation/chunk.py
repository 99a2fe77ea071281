"""Splits one chunk of rows into typed good rows and refused rows with reasons.

The order of the steps belongs here. Readable values are defined in `coercion.py`, the
checks of a table in `schemas.py`, the stored copy of a refused row in `rejects.py`.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, datetime, tzinfo
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pap
import pyarrow as pa

from assets.money import fits, minor_digits, to_minor
from assets.validation.coercion import (
    READABLE,
    UNREADABLE,
    expected_by,
    is_null,
    is_storable,
    read_column,
    reader_of,
)
from assets.validation.failures import (
    Failure,
    Failures,
    columns_failing,
    expected_of,
    reasons_of,
)
from assets.validation.folded_values import FoldedValues, Issue
from assets.validation.refused_rows import may_count, refused_row
from assets.validation.rejects import Reject, hash_row, redact, text_of
from assets.validation.row_checks import is_currency
from assets.validation.schemas import (
    EXTRACTS,
    TEXT,
    arrow_schema,
    known_columns,
    optional_columns,
)

_ADDRESS = re.compile(r"[^@\s:;,<>()]+@[^@\s:;,<>().]+(?:\.[^@\s:;,<>().]+)+")
PII_IN_EXTRA = "pii_in_extra"
EXTRA_REFUSALS = {
    PII_IN_EXTRA: "no `@`",
    f"{UNREADABLE}_extra": READABLE[TEXT],
}
"""Reason code of a further column that is sent -> what was expected of it."""


@dataclass(frozen=True)
class ValidatedChunk:
    """A chunk after validation.

    Attributes:
        good: Rows in the schema of the table.
        rejects: One reject per other row.
        refused_rows: The readable values of those of them that the join needs
            (`refused_rows.py`).
        issues: What was left out of values of good rows.
    """

    good: pa.Table
    rejects: list[Reject]
    refused_rows: list[dict[str, Any]]
    issues: list[Issue]


def validate(
    frame: pd.DataFrame,
    statement: str,
    partition: str,
    *,
    first_row_no: int = 1,
    zone: tzinfo | None = None,
    extra_columns: frozenset[str] = frozenset(),
) -> ValidatedChunk:
    """Type and check the rows of one chunk.

    Args:
        frame: Object columns as the driver gave them, at least those of the contract.
        statement: One of `EXTRACTS`.
        partition: Key that the rejects carry.
        first_row_no: Position of the chunk's first row in the statement's result.
        zone: Time zone of naive instants. None quarantines rows with naive instants.
        extra_columns: Columns beyond the contract that are kept. Others are dropped,
            because their content is unknown.
    """
    schema = EXTRACTS[statement]
    frame = hash_emails(frame.reset_index(drop=True))
    folded = FoldedValues(statement)
    table, failures = _coerce(frame, schema, zone, extra_columns, folded)
    failures.check(schema, table)
    bad = failures.rows
    raw = frame.loc[bad].to_dict("records")
    typed = table.take(pa.array(bad, pa.int64())).to_pylist()
    rejects = [
        _reject(raw[n], typed[n], failures.of(position))
        | {"row_no": first_row_no + position}
        for n, position in enumerate(bad)
    ]
    is_good = np.ones(len(table), dtype=bool)
    is_good[bad] = False
    return ValidatedChunk(
        table.filter(pa.array(is_good)).cast(arrow_schema(schema)),
        [Reject(partition_key=partition, dataset=statement, **r) for r in rejects],
        [
            refused_row(raw[n], typed[n], failures.of(position))
            for n, position in enumerate(bad)
            if may_count(failures.of(position))
        ],
        folded.issues(table, is_good),
    )


def hash_emails(frame: pd.DataFrame) -> pd.DataFrame:
    """Replace `customer_email` by its SHA-1 and SHA-256 (trimmed, lower case).

    An existing hash stays as it is. A value that is neither an address nor a SHA-1
    stays for the checks, which refuse it: a hash of "n/a" would make one customer of
    many.
    """
    raw = [name for name in frame.columns if name.lower() == "customer_email"]
    if not raw:
        return frame
    emails = frame[raw[0]]
    hashed = frame.drop(columns=raw)
    for name, of in (
        ("customer_email_sha1", _sha1_of),
        ("customer_email_sha256", _sha256_of),
    ):
        hashes = emails.map(of).astype(object)
        if name in frame.columns:
            known = frame[name]
            hashes = known.where(~known.map(_is_blank), hashes)
        hashed = hashed.assign(**{name: hashes})
    return hashed


def _is_blank(value: Any) -> bool:
    return is_null(value) or (isinstance(value, str) and not value.strip())


def _sha1_of(email: Any) -> Any:
    if not isinstance(email, str):
        return email
    plain = email.strip().lower()
    if not (is_storable(plain) and plain.isprintable()):
        return "not printable"
    if not _ADDRESS.fullmatch(plain):
        return plain or None
    return hashlib.sha1(plain.encode()).hexdigest()  # noqa: S324


def _sha256_of(email: Any) -> str | None:
    """Return the SHA-256 of an address. `_sha1_of` keeps what is no address."""
    plain = email.strip().lower() if isinstance(email, str) else ""
    if not (is_storable(plain) and plain.isprintable() and _ADDRESS.fullmatch(plain)):
        return None
    return hashlib.sha256(plain.encode()).hexdigest()


def _coerce(
    frame: pd.DataFrame,
    schema: pap.DataFrameSchema,
    zone: tzinfo | None,
    extra_columns: frozenset[str],
    folded: FoldedValues,
) -> tuple[pa.Table, Failures]:
    failures = Failures()
    columns: dict[str, pa.Array[Any]] = {}
    target = arrow_schema(schema)
    optional = set(optional_columns(str(schema.name))).difference(frame.columns)
    for name in known_columns(str(schema.name)):
        kind = target.field(name).type
        if name in optional:
            columns[name] = pa.nulls(len(frame), kind)
            continue
        reader = reader_of(name, kind, zone)
        read, refused_rows = read_column(frame[name].tolist(), reader, kind)
        columns[name] = folded.fold(name, read)
        for code, positions in refused_rows.items():
            reason = f"{UNREADABLE}_{name}" if code == UNREADABLE else code
            failure = Failure(reason, (name,), expected_by(code, kind))
            failures.add(positions, failure)
    if "extra" in schema.columns:
        # A destination may have named an optional column before it was one.
        own = set(columns).difference(optional_columns(str(schema.name)))
        kept = sorted(extra_columns.intersection(frame.columns).difference(own))
        columns["extra"] = pa.array(_extra(frame, kept, failures), pa.string())
    if "currency_digits" in schema.columns:
        columns["currency_digits"] = _digits(columns["currency"])
    # Nulls are still possible here; the checks find them.
    nullable = pa.schema([field.with_nullable(True) for field in target])  # noqa: FBT003
    return pa.table([columns[n] for n in target.names], schema=nullable), failures


def _digits(codes: "pa.Array[Any]") -> "pa.Array[Any]":
    digits = [
        minor_digits(code) if code and is_currency(code) else None
        for code in codes.to_pylist()
    ]
    return pa.array(digits, pa.int8())


def _extra(
    frame: pd.DataFrame, names: Sequence[str], failures: Failures
) -> Iterator[str | None]:
    if not names:
        yield from [None] * len(frame)
        return
    rows = zip(*(frame[name].tolist() for name in names), strict=True)
    for position, row in enumerate(rows):
        stored: dict[str, Any] = {}
        for name, value in zip(names, row, strict=True):
            text = text_of(value)
            refused_rows = None if text is None else _extra_refusal(value, text)
            if refused_rows is not None:
                failure = Failure(refused_rows, (name,), EXTRA_REFUSALS[refused_rows])
                failures.add([position], failure)
            elif text is not None:
                stored[name] = json.loads(text) if _is_list(value) else text
        yield json.dumps(stored, ensure_ascii=False) if stored else None


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def _extra_refusal(value: Any, text: str) -> str | None:
    # JSON text hides a character that cannot be stored.
    members = map(str, value) if _is_list(value) else ()
    if not all(map(is_storable, (text, *members))):
        return f"{UNREADABLE}_extra"
    return PII_IN_EXTRA if "@" in text else None


def _reject(
    raw: Mapping[Any, Any], typed: dict[str, Any], failures: Sequence[Failure]
) -> dict[str, Any]:
    personal = columns_failing(failures, "pii_as_id", PII_IN_EXTRA)
    # Many orders would share a placeholder.
    not_storable = personal | columns_failing(failures, "too_long", "placeholder_id")
    facts = {
        "source_row_hash": hash_row(raw),
        "order_id": None if "order_id" in not_storable else typed.get("order_id"),
        "reasons": reasons_of(failures),
        "row_redacted": redact(raw, expected_of(failures), personal),
    }
    digits = typed.get("currency_digits")
    if digits is not None:
        facts |= {"currency": typed["currency"], "currency_digits": digits}
        revenue = typed["revenue"]
        if revenue is not None and fits(revenue, digits):
            facts["amount_minor"] = to_minor(revenue, digits)
    return facts | {"order_at": _storable_time(typed.get("completed_at"))}


def _storable_time(at: datetime | None) -> datetime | None:
    """Return None at the ends of the calendar, where some zones have no such day."""
    return at if at and MINYEAR < at.year < MAXYEAR else None
