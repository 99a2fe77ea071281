"""What counts as a good row, value by value."""

import hashlib
import json
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from assets.money import to_minor
from assets.providers.conversion import (
    IDENTIFIER_KINDS,
    Conversion,
    Item,
    Segments,
    extra_lists,
    extra_texts,
)
from assets.validation.chunk import ValidatedChunk, validate
from assets.validation.coercion import is_storable
from assets.validation.schemas import (
    CONVERSIONS,
    EXTRACTS,
    arrow_schema,
    contract_columns,
)

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")

ROWS: dict[str, dict[str, Any]] = {
    "completed_orders": {
        **dict.fromkeys(contract_columns("completed_orders")),
        "order_id": "o-1",
        "completed_at": NOON,
        "currency": "USD",
        "total": Decimal("13.50"),
        "revenue": Decimal("10.00"),
        "discount": Decimal(0),
        "shipping": Decimal("2.50"),
        "tax": Decimal("1.00"),
        "is_test": False,
    },
    "order_items": {
        **dict.fromkeys(contract_columns("order_items")),
        "order_id": "o-1",
        "line_no": 1,
        "sku": "s-1",
        "quantity": 2,
        "unit_price": Decimal("5.00"),
        "subtotal": Decimal("10.00"),
        "discount": Decimal(0),
    },
    "visitor_identifiers": {
        "order_id": None,
        "visitor_id": "v-1",
        "kind": "impact_click_id",
        "value": "click",
        "captured_at": NOON,
    },
    "visitor_bucketing": {
        "visitor_id": "v-1",
        "experience_id": "100",
        "variation_id": "200",
        "bucketed_at": NOON,
    },
    "visitor_segments": {
        **dict.fromkeys(contract_columns("visitor_segments")),
        "visitor_id": "v-1",
        "captured_at": NOON,
    },
}


EXTRA = frozenset({"store", "margin", "note", "gift", "absent"})


def check(statement: str, *, zone: Any = None, **changes: Any) -> ValidatedChunk:
    frame = pd.DataFrame([ROWS[statement] | changes], dtype=object)
    return validate(frame, statement, "2026-01-02", zone=zone, extra_columns=EXTRA)


def reasons(statement: str, **changes: Any) -> tuple[str, ...]:
    checked = check(statement, **changes)
    return checked.rejects[0].reasons if checked.rejects else ()


def stored(statement: str, *, zone: Any = None, **changes: Any) -> dict[str, Any]:
    checked = check(statement, zone=zone, **changes)
    assert checked.rejects == []
    return checked.good.to_pylist()[0]


@pytest.mark.parametrize("statement", EXTRACTS)
def test_a_plain_row_is_good_and_has_the_schema_of_its_table(statement: str) -> None:
    assert check(statement).good.schema == arrow_schema(EXTRACTS[statement])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"order_id": None}, "missing_order_id"),
        ({"order_id": " "}, "missing_order_id"),
        ({"order_id": 7.0}, "unreadable_order_id"),
        ({"order_id": True}, "unreadable_order_id"),
        ({"order_id": b"7"}, "unreadable_order_id"),
        ({"order_id": "a\0b"}, "unreadable_order_id"),
        ({"order_id": "half \ud800"}, "unreadable_order_id"),
        ({"completed_at": None}, "missing_completed_at"),
        ({"completed_at": "yesterday"}, "unreadable_completed_at"),
        ({"completed_at": "2026-01-02"}, "unreadable_completed_at"),
        ({"completed_at": date(2026, 1, 2)}, "unreadable_completed_at"),
        ({"completed_at": 1767355200}, "unreadable_completed_at"),
        ({"completed_at": NOON.replace(tzinfo=None)}, "naive_time"),
        ({"completed_at": "2026-01-02 12:00:00"}, "naive_time"),
        ({"completed_at": datetime.now(UTC) + timedelta(hours=2)}, "future_time"),
        ({"currency": None}, "missing_currency"),
        ({"currency": "ZZD"}, "unknown_currency"),
        ({"currency": "XAU"}, "unknown_currency"),
        ({"currency": "US$"}, "unknown_currency"),
        ({"currency": "HRK"}, "retired_currency"),
        ({"currency": "DEM"}, "retired_currency"),
        ({"currency": "ZWL"}, "retired_currency"),
        ({"currency": "VEF"}, "retired_currency"),
        ({"revenue": None}, "missing_revenue"),
        ({"revenue": float("nan")}, "unreadable_revenue"),
        ({"revenue": Decimal("NaN")}, "unreadable_revenue"),
        ({"revenue": Decimal("sNaN")}, "unreadable_revenue"),
        ({"revenue": float("inf")}, "unreadable_revenue"),
        ({"revenue": "ten"}, "unreadable_revenue"),
        ({"revenue": "1_0"}, "unreadable_revenue"),
        ({"revenue": "10,00"}, "unreadable_revenue"),
        ({"revenue": True}, "unreadable_revenue"),
        ({"revenue": Decimal(10) ** 14}, "amount_too_large"),
        ({"tax": -(10**14)}, "amount_too_large"),
        ({"total": "1e999999999"}, "amount_too_large"),
        ({"discount": Decimal("-0.01")}, "negative_amount"),
        ({"discount": Decimal("0.001")}, "amount_precision"),
        ({"discount": 0.1 + 0.2}, "amount_precision"),
        ({"discount": "0.00000001"}, "amount_precision"),
        ({"currency": "JPY"}, "amount_precision"),
        ({"total": Decimal("13.51")}, "total_mismatch"),
        ({"order_id": "me@example.org"}, "pii_as_id"),
        ({"order_id": "+15551234567"}, "pii_as_id"),
        ({"order_id": "o" * 129}, "too_long"),
        ({"order_id": "é" * 129}, "too_long"),
        ({"visitor_id": "(555) 123-4567"}, "pii_as_id"),
        ({"visitor_id": "555.123.4567"}, "pii_as_id"),
        ({"customer_id": "1-555-123-4567"}, "pii_as_id"),
        ({"customer_id": "0171/1234567"}, "pii_as_id"),
        ({"customer_id": "0171-1234-5678"}, "pii_as_id"),
        ({"customer_id": "+49 171/1234567"}, "pii_as_id"),
        ({"customer_id": "06 12 34 56 78"}, "pii_as_id"),
        ({"currency": "u\u017fd"}, "unknown_currency"),
        ({"customer_email_sha1": "me@b.c"}, "unreadable_customer_email_sha1"),
        ({"is_test": None}, "missing_is_test"),
        ({"is_test": "maybe"}, "unreadable_is_test"),
        ({"tracking_consent": 2}, "unreadable_tracking_consent"),
        ({"customer_postcode": 2108.0}, "unreadable_customer_postcode"),
    ],
)
def test_an_order_is_refused_with_its_reason(
    changes: dict[str, Any], expected: str
) -> None:
    assert reasons("completed_orders", **changes) == (expected,)


@pytest.mark.parametrize(
    ("currency", "last_day"),
    [
        ("HRK", datetime(2023, 1, 14, 22, tzinfo=UTC)),
        ("DEM", datetime(2002, 5, 15, tzinfo=UTC)),
        ("ZWL", datetime(2024, 8, 31, 20, tzinfo=UTC)),
        ("VEF", datetime(2018, 8, 20, 23, tzinfo=UTC)),
        ("BGN", datetime(2025, 12, 31, tzinfo=UTC)),
        ("ANG", datetime(2025, 6, 30, tzinfo=UTC)),
    ],
)
def test_a_currency_is_read_by_the_rules_of_its_day(
    currency: str, last_day: datetime
) -> None:
    order = {"currency": currency}
    assert reasons("completed_orders", **order, completed_at=last_day) == ()
    later = last_day + timedelta(days=60)
    refused = reasons("completed_orders", **order, completed_at=later)
    assert refused == ("retired_currency",)
    # A row without a time is refused for that alone.
    no_time = reasons("completed_orders", **order, completed_at=None)
    assert no_time == ("missing_completed_at",)


@pytest.mark.parametrize(
    ("statement", "changes", "expected"),
    [
        ("order_items", {"line_no": "first"}, "unreadable_line_no"),
        ("order_items", {"line_no": 1.5}, "unreadable_line_no"),
        ("order_items", {"line_no": None}, "missing_line_no"),
        ("order_items", {"quantity": -1}, "negative_amount"),
        ("order_items", {"unit_price": "0.1234567"}, "amount_precision"),
        ("order_items", {"subtotal": 10**17}, "amount_too_large"),
        ("order_items", {"order_id": "o" * 129}, "too_long"),
        ("visitor_identifiers", {"order_id": "o" * 129}, "too_long"),
        ("visitor_bucketing", {"experience_id": "e" * 129}, "too_long"),
        ("visitor_bucketing", {"variation_id": "v" * 129}, "too_long"),
        ("visitor_identifiers", {"visitor_id": None}, "missing_visitor_id"),
        ("visitor_identifiers", {"value": "me@example.org"}, "pii_as_id"),
        ("visitor_identifiers", {"kind": "gclid"}, "unknown_kind"),
        ("visitor_bucketing", {"variation_id": None}, "missing_variation_id"),
        ("visitor_bucketing", {"visitor_id": "me@example.org"}, "pii_as_id"),
        ("visitor_segments", {"custom_segments": "a,b"}, "unreadable_custom_segments"),
        ("visitor_segments", {"custom_segments": 3}, "unreadable_custom_segments"),
        (
            "visitor_segments",
            {"custom_segments": "[" * 100_000},
            "unreadable_custom_segments",
        ),
    ],
)
def test_a_row_is_refused_with_its_reason(
    statement: str, changes: dict[str, Any], expected: str
) -> None:
    assert reasons(statement, **changes) == (expected,)


UNFIT = {
    "pii_as_id": "me@example.org",
    "too_long": "x" * 129,
    "negative_amount": Decimal("-0.01"),
    "future_time": datetime.now(UTC) + timedelta(hours=2),
    "placeholder_time": datetime(1970, 1, 1, tzinfo=UTC),
    "placeholder_id": "undefined",
    "unclear_id": "a\u200bb",
    "unknown_currency": "ZZD",
    "unknown_kind": "gclid",
    "unreadable_customer_email_sha1": "40 hexadecimal digits",
    "unreadable_customer_email_sha256": "64 hexadecimal digits",
}
RULED = {
    "completed_orders": {
        "pii_as_id": ("order_id", "visitor_id", "customer_id"),
        "too_long": ("order_id",),
        "negative_amount": ("total", "revenue", "discount", "shipping", "tax"),
        "future_time": ("completed_at",),
        "placeholder_time": ("completed_at",),
        "placeholder_id": ("order_id",),
        "unclear_id": ("order_id",),
        "unknown_currency": ("currency",),
        "unreadable_customer_email_sha1": ("customer_email_sha1",),
        "unreadable_customer_email_sha256": ("customer_email_sha256",),
    },
    "order_items": {
        "pii_as_id": ("order_id",),
        "too_long": ("order_id",),
        "placeholder_id": ("order_id",),
        "unclear_id": ("order_id",),
        "negative_amount": ("quantity", "unit_price", "subtotal", "discount"),
    },
    "visitor_identifiers": {
        "pii_as_id": ("order_id", "visitor_id", "value"),
        "too_long": ("order_id",),
        "unknown_kind": ("kind",),
        "future_time": ("captured_at",),
        "placeholder_time": ("captured_at",),
        "placeholder_id": ("value",),
        "unclear_id": ("order_id", "value"),
    },
    "visitor_bucketing": {
        "pii_as_id": ("visitor_id",),
        "too_long": ("experience_id", "variation_id"),
        "unclear_id": ("experience_id", "variation_id"),
        "future_time": ("bucketed_at",),
        "placeholder_time": ("bucketed_at",),
        "placeholder_id": ("visitor_id",),
    },
    "visitor_segments": {
        "pii_as_id": ("visitor_id",),
        "future_time": ("captured_at",),
        "placeholder_time": ("captured_at",),
        "placeholder_id": ("visitor_id",),
    },
}
"""Table -> reason code -> the columns that are refused with it."""
EACH = [
    (statement, reason, column)
    for statement, rules in RULED.items()
    for reason, columns in rules.items()
    for column in columns
]


@pytest.mark.parametrize(("statement", "reason", "column"), EACH)
def test_every_column_is_held_to_its_rules(
    statement: str, reason: str, column: str
) -> None:
    (reject,) = check(statement, **{column: UNFIT[reason]}).rejects
    assert reason in reject.reasons
    assert column in reject.row_redacted


def test_no_rule_of_a_column_goes_without_a_test() -> None:
    held = {
        (statement, str(one.name), column)
        for statement, schema in EXTRACTS.items()
        for column, known in schema.columns.items()
        for one in known.checks
    }
    assert held == set(EACH)


@pytest.mark.parametrize(
    "written",
    [
        *("undefined", "null", "NULL", " None ", "nil", "NaN", "N/A", "n/a", "NA"),
        *(
            "0",
            "-",
            "000",
            "0-0",
            "(not set)",
            "not set",
            "(none)",
            "<null>",
            "unknown",
        ),
        *("[object Object]", "anonymous", "'null'", "{}"),
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_a_placeholder_for_unknown_is_no_id(written: str) -> None:
    assert "placeholder_id" in reasons("visitor_identifiers", value=written)
    for statement in ("visitor_bucketing", "visitor_segments"):
        assert "placeholder_id" in reasons(statement, visitor_id=written)
    for statement in ("completed_orders", "order_items"):
        assert "placeholder_id" in reasons(statement, order_id=written)


@pytest.mark.parametrize(
    "written",
    [
        *(
            "10",
            "7",
            "v0",
            "a",
            "-x-",
            "nullable",
            "nana",
            "unknown-4711",
            "na1",
            "訪問者",
        ),
        "00000000-0000-0000-0000-000000000001",
        '{"cid": "0"}',
    ],
)
def test_an_id_that_only_begins_like_an_unknown_one_is_an_id(written: str) -> None:
    for column in ("visitor_id", "value"):
        assert reasons("visitor_identifiers", **{column: written}) == ()


@pytest.mark.parametrize("statement", EXTRACTS)
def test_a_column_that_must_have_a_value_is_missed(statement: str) -> None:
    columns = EXTRACTS[statement].columns
    for column in contract_columns(statement):
        expected = () if columns[column].nullable else (f"missing_{column}",)
        if statement == "visitor_identifiers" and column == "visitor_id":
            expected = ("missing_visitor_id",)  # of nobody: the order is not named
        assert reasons(statement, **{column: None}) == expected, column


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("order_id", "007", "007"),
        ("order_id", 7, "7"),
        ("order_id", np.int64(7), "7"),
        ("order_id", Decimal(7), "7"),
        ("order_id", uuid.UUID(int=7), str(uuid.UUID(int=7))),
        ("order_id", "5551234567", "5551234567"),
        ("order_id", "112-1234567-1234567", "112-1234567-1234567"),
        ("order_id", "100-000123", "100-000123"),
        ("order_id", "2026/000123", "2026/000123"),
        ("order_id", "1234-5678-9012", "1234-5678-9012"),
        ("order_id", "555-123-4567", "555-123-4567"),
        ("order_id", "+7", "+7"),
        ("order_id", "é" * 128, "é" * 128),
        ("customer_id", "2026/000123", "2026/000123"),
        ("customer_id", "1234-5678-9012", "1234-5678-9012"),
        ("visitor_id", "1234567890.1234567890", "1234567890.1234567890"),
        ("promo_code", None, None),
        ("promo_code", float("nan"), None),
        ("promo_code", pd.NA, None),
        ("promo_code", pd.NaT, None),
        ("promo_code", "", None),
        ("promo_code", "nan", None),
        ("promo_code", "ÉTÉ", "ÉTÉ"),
        ("currency", "usd", "USD"),
        ("customer_email_sha1", "A" * 40, "a" * 40),
        ("discount", 0.1, Decimal("0.1")),
        ("discount", "0.10", Decimal("0.1")),
        ("discount", 3, Decimal(3)),
        ("discount", np.float64(0.1), Decimal("0.1")),
        ("discount", Decimal("1E+1"), Decimal(10)),
        ("completed_at", "2026-01-02T12:00:00Z", NOON),
        ("completed_at", NOON.astimezone(NEW_YORK), NOON),
        ("completed_at", NOON.astimezone(timezone(timedelta(hours=9))), NOON),
        ("completed_at", pd.Timestamp(NOON), NOON),
        ("tracking_consent", 1, True),
        ("tracking_consent", "FALSE", False),
        ("tracking_consent", "0", False),
        ("tracking_consent", np.True_, True),
        ("tracking_consent", Decimal(1), True),
        ("tracking_consent", None, None),
        ("tracking_consent", float("nan"), None),
    ],
)
def test_what_a_driver_gives_is_read_exactly(
    column: str, value: Any, expected: Any
) -> None:
    assert stored("completed_orders", **{column: value})[column] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        (("a", 7), ["a", "7"]),
        ('["a", null]', ["a"]),
        (np.array(["a"]), ["a"]),
        ("[]", []),
        ("null", None),
        (None, None),
    ],
)
def test_custom_segments_come_as_list_or_json(value: Any, expected: Any) -> None:
    row = stored("visitor_segments", custom_segments=value)
    assert row["custom_segments"] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("IPH", ["IPH"]),
        (["ALLPH", "IPH"], ["ALLPH", "IPH"]),
        (("ALLPH", "IPH"), ["ALLPH", "IPH"]),
        (np.array(["ALLPH", None], dtype=object), ["ALLPH"]),
        ('["ALLPH", "IPH"]', ["ALLPH", "IPH"]),
        (' ["IPH"]', ["IPH"]),
        ("[]", []),
        (" ", None),
        (None, None),
        (float("nan"), None),
    ],
)
def test_a_device_comes_as_text_as_list_or_as_json(value: Any, expected: Any) -> None:
    assert stored("visitor_segments", device=value)["device"] == expected


def test_a_device_that_is_no_list_after_all_is_refused() -> None:
    (refused,) = check("visitor_segments", device='["IPH"').rejects
    assert refused.reasons == ("unreadable_device",)


def test_a_line_without_a_sku_is_a_good_row() -> None:
    assert stored("order_items", sku=None)["sku"] is None


def test_a_naive_time_is_a_local_time_of_the_source_timezone() -> None:
    row = stored("completed_orders", completed_at="2026-01-02 07:00:00", zone=NEW_YORK)
    assert row["completed_at"] == NOON


@pytest.mark.parametrize("local", ["2026-11-01 01:30:00", "2026-03-08 02:30:00"])
def test_a_local_time_shown_twice_or_never_is_ambiguous(local: str) -> None:
    checked = check("completed_orders", completed_at=local, zone=NEW_YORK)
    assert checked.rejects[0].reasons == ("ambiguous_time",)


def test_columns_that_are_sent_become_extra_and_no_others() -> None:
    row = stored(
        "completed_orders",
        store=7,
        margin=Decimal("1.50"),
        note=None,
        gift=True,
        email="me@example.org",
        phone="+15551234567",
    )
    assert row["extra"] == '{"gift": "true", "margin": "1.50", "store": "7"}'


def test_an_address_in_a_column_that_is_sent_takes_its_row_out() -> None:
    checked = check("completed_orders", note="call me@example.org", store=7)
    (reject,) = checked.rejects
    assert (reject.order_id, reject.reasons) == ("o-1", ("pii_in_extra",))
    assert list(reject.row_redacted) == ["note"]
    assert "example" not in repr(checked)


@pytest.mark.parametrize(
    ("value", "members", "text"),
    [
        (["a", "b"], ("a", "b"), '["a", "b"]'),
        (("a",), ("a",), '["a"]'),
        (np.array(["a", "b"], dtype=object), ("a", "b"), '["a", "b"]'),
        (np.array([1, 2]), ("1", "2"), "[1, 2]"),
        ([1, None, True, Decimal("1.50")], ("1", "true", "1.50"), None),
        ([float("nan"), "a"], ("a",), None),
        ([], (), "[]"),
        ('["a"]', None, '["a"]'),
        ({"a": 1}, None, '{"a": 1}'),
    ],
)
def test_a_further_column_may_be_a_list(
    value: Any, members: tuple[str, ...] | None, text: str | None
) -> None:
    extra = stored("completed_orders", note=value)["extra"]
    assert extra_lists(extra).get("note") == members
    assert text in {None, extra_texts(extra)["note"]}


@pytest.mark.parametrize("note", ["half \ud800", "a\0b", ["a\0b"]])
def test_text_that_no_database_takes_is_refused_in_a_further_column(note: Any) -> None:
    (reject,) = check("completed_orders", note=note).rejects
    assert reject.reasons == ("unreadable_extra",)
    assert is_storable(str(reject.row_redacted["note"]["actual"]))


@pytest.mark.parametrize(
    ("discount", "expected"), [("20", ()), ("20.01", ("discount_too_large",))]
)
def test_a_line_is_discounted_by_its_subtotal_at_most(
    discount: str, expected: tuple[str, ...]
) -> None:
    line = {"quantity": 2, "unit_price": 10, "subtotal": 20, "discount": discount}
    found = check("order_items", **line).rejects
    assert tuple(code for row in found for code in row.reasons) == expected


def test_an_amount_may_be_as_large_as_its_minor_units_fit() -> None:
    largest = Decimal("99999999999999.9999")
    money = dict.fromkeys(("shipping", "tax"), 0) | {"currency": "CLF"}
    row = stored("completed_orders", total=largest, revenue=largest, **money)
    assert to_minor(row["revenue"], row["currency_digits"]) < 2**63


def test_what_the_delivery_tables_cannot_take_is_not_handed_to_them() -> None:
    reject = check("completed_orders", order_id="o" * 129, revenue=10**16).rejects[0]
    assert reject.reasons == ("amount_too_large", "too_long")
    assert (reject.order_id, reject.amount_minor) == (None, None)


def test_a_raw_email_is_hashed_and_forgotten() -> None:
    checked = check("completed_orders", customer_email=" Me@Example.org", total=1)
    digest = hashlib.sha1(b"me@example.org").hexdigest()
    assert "xample" not in repr(checked)
    row = stored("completed_orders", Customer_Email=" Me@Example.org")
    assert row["customer_email_sha1"] == digest
    assert row["extra"] is None


DIGEST = hashlib.sha1(b"me@example.org").hexdigest()


@pytest.mark.parametrize("email", [DIGEST, f" {DIGEST.upper()} "])
def test_an_email_that_is_hashed_already_is_not_hashed_again(email: str) -> None:
    row = stored("completed_orders", customer_email=email)
    assert row["customer_email_sha1"] == DIGEST


@pytest.mark.parametrize("blank", ["", " ", None])
def test_a_blank_hash_is_none(blank: str | None) -> None:
    both = {"customer_email": "me@example.org", "customer_email_sha1": blank}
    assert stored("completed_orders", **both)["customer_email_sha1"] == DIGEST


@pytest.mark.parametrize("email", ["", "  ", None])
def test_no_email_has_no_hash(email: str | None) -> None:
    assert (
        stored("completed_orders", customer_email=email)["customer_email_sha1"] is None
    )


@pytest.mark.parametrize(
    "email",
    [
        *("mailto:me@example.org", "me@example.org\u200b", "a@b.c,d@e.f"),
        *("jane", "none@", "@", "none@none", "a@b@c.org", "me@example.org."),
        *(DIGEST[1:], hashlib.sha256(b"me@example.org").hexdigest()),
    ],
)
def test_what_is_no_email_and_no_sha1_is_refused_and_not_kept(email: str) -> None:
    reject = check("completed_orders", customer_email=email).rejects[0]
    assert reject.reasons == ("unreadable_customer_email_sha1",)
    assert email not in json.dumps(dict(reject.row_redacted))


def test_a_refused_row_shows_what_failed_but_no_personal_data() -> None:
    reject = check(
        "completed_orders",
        order_id="me@example.org",
        visitor_id="me@example.org",
        promo_code=1.5,
        currency="Z" * 100,
    ).rejects[0]
    assert reject.reasons == ("pii_as_id", "unknown_currency", "unreadable_promo_code")
    assert reject.order_id is None
    assert reject.row_redacted["currency"] == {
        "expected": "an ISO 4217 code with a minor unit",
        "actual": "100 characters: letters",
    }
    assert reject.row_redacted["promo_code"]["actual"] == "1.5"
    assert "example" not in json.dumps(dict(reject.row_redacted))


SHIFTED = [
    *(("Erika Mustermann", "16 characters: letters, spaces"), ("Ann", None)),
    *(
        ("Hauptstr. 5, 10115 Berlin", None),
        ("212 555 0100", None),
        ("06.12.34.56.78", None),
    ),
    *(("4915512345678", "13 characters: digits"), ("0170123456", None)),
    *(
        ("4111111111111111", None),
        ("1990-02-03", None),
        ("Jane\0", None),
        ("J\ud800", None),
    ),
]
"""What a neighbouring column may hold, and how it is told."""


@pytest.mark.parametrize(("value", "told"), SHIFTED)
@pytest.mark.parametrize(
    ("statement", "column"),
    [
        *(("completed_orders", "currency"), ("completed_orders", "total")),
        *(("completed_orders", "is_test"), ("completed_orders", "completed_at")),
        *(("order_items", "line_no"), ("visitor_identifiers", "kind")),
        ("visitor_segments", "custom_segments"),
    ],
)
def test_columns_shifted_by_one_show_nothing_of_a_person(
    statement: str, column: str, value: str, told: str | None
) -> None:
    rejects = check(statement, **{column: value}).rejects
    # Digits alone are a number that any line may have.
    assert rejects or (column == "line_no" and value.isdigit())
    for reject in rejects:
        shown = reject.row_redacted[column]["actual"]
        assert shown == told or told is None
        assert value not in json.dumps(dict(reject.row_redacted), ensure_ascii=False)
        assert str(shown).startswith(f"{len(value)} characters: ")


@pytest.mark.parametrize(
    "column", ["promo_code", "note", "customer_city", "visitor_id"]
)
def test_a_text_that_cannot_be_stored_is_not_shown(column: str) -> None:
    (reject,) = check("completed_orders", **{column: "Jane Doe, 5 Main St\0"}).rejects
    assert reject.row_redacted[column]["actual"] == (
        "20 characters: digits, letters, signs, spaces, unprintable"
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(
            ("currency", "ZZZ"),
            ("total", "1e-9"),
            ("total", "-12.50"),
            ("total", "nan"),
        ),
        *(("is_test", "yes"), ("completed_at", "2026-01-02 12:00:00")),
        ("completed_at", "9999-01-02T12:00:00.123456+00:00"),
    ],
)
def test_numbers_instants_flags_and_codes_are_shown(column: str, value: str) -> None:
    (reject,) = check("completed_orders", **{column: value}).rejects
    assert reject.row_redacted[column]["actual"] == value


def test_all_failures_of_a_row_are_reported_together_by_column() -> None:
    reject = check(
        "completed_orders", order_id="+15551234567" + "7" * 128, tax="-1", shipping=None
    ).rejects[0]
    assert reject.reasons == (
        "missing_shipping",
        "negative_amount",
        "pii_as_id",
        "too_long",
    )
    shown = reject.row_redacted
    assert shown["order_id"]["expected"] == (
        "no `@`, and no telephone number with a leading `+`; at most 128 characters"
    )
    assert shown["order_id"]["actual"] == "140 characters: digits, signs"
    assert shown["tax"] == {"expected": "0 or more", "actual": "-1"}
    assert shown["shipping"] == {"expected": "a value", "actual": None}


def test_amounts_that_do_not_add_up_are_shown_together() -> None:
    shown = check("completed_orders", total="13.51").rejects[0].row_redacted
    assert {name: one["actual"] for name, one in shown.items()} == {
        "total": "13.51",
        "revenue": "10.00",
        "shipping": "2.50",
        "tax": "1.00",
    }
    assert {one["expected"] for one in shown.values()} == {
        "total = revenue + shipping + tax"
    }


@pytest.mark.parametrize(
    ("statement", "changes", "column", "expected"),
    [
        ("completed_orders", {"completed_at": 7}, "completed_at", "an instant: "),
        ("completed_orders", {"tax": "1e-9"}, "tax", "at most 6 decimals"),
        ("completed_orders", {"tax": 10**14}, "tax", "an amount below 10^14"),
        ("completed_orders", {"is_test": 3}, "is_test", "true, false, 1 or 0"),
        ("completed_orders", {"note": "a@b.c"}, "note", "no `@`"),
        ("order_items", {"line_no": 1.5}, "line_no", "a whole number"),
        ("visitor_identifiers", {"kind": "x"}, "kind", "one of impact_click_id, "),
    ],
)
def test_a_refused_value_is_shown_with_what_was_expected(
    statement: str, changes: dict[str, Any], column: str, expected: str
) -> None:
    (reject,) = check(statement, **changes).rejects
    assert str(reject.row_redacted[column]["expected"]).startswith(expected)


def test_a_refused_order_tells_its_worth_where_it_can() -> None:
    reject = check("completed_orders", total=1).rejects[0]
    assert (reject.order_id, reject.order_at) == ("o-1", NOON)
    assert (reject.currency, reject.amount_minor, reject.currency_digits) == (
        "USD",
        1000,
        2,
    )


def test_a_chunk_is_taken_apart_row_by_row() -> None:
    good, bad = ROWS["order_items"], ROWS["order_items"] | {"line_no": None}
    frame = pd.DataFrame([good, bad, good], dtype=object, index=[5, 5, 5])
    checked = validate(frame, "order_items", "2026-01-02", first_row_no=11)
    assert len(checked.good) == 2
    assert [reject.row_no for reject in checked.rejects] == [12]


def test_the_same_row_has_the_same_hash_whatever_the_order_of_its_columns() -> None:
    row = ROWS["order_items"] | {"line_no": None}
    turned = dict(reversed(row.items()))
    hashes = {
        validate(pd.DataFrame([one], dtype=object), "order_items", "x")
        .rejects[0]
        .source_row_hash
        for one in (row, turned)
    }
    assert len(hashes) == 1


def test_conversions_have_what_a_conversion_is_built_from() -> None:
    schema = arrow_schema(CONVERSIONS)
    derived = {"identifiers", "lists", "remembered"}
    fields = set(Conversion.__dataclass_fields__) - derived
    assert fields | set(IDENTIFIER_KINDS) <= set(schema.names)
    items = schema.field("items").type
    assert isinstance(items, pa.ListType)
    assert {f.name for f in items.value_type} == set(Item.__dataclass_fields__)
    segments = {f.name for f in schema.field("segments").type}
    assert segments == set(Segments.__dataclass_fields__)


def test_an_address_of_broken_characters_stops_no_day() -> None:
    found = reasons("completed_orders", customer_email="a\ud800@example.org")
    assert found == ("unreadable_customer_email_sha1",)


ADDRESS = "me@example.org"
OF_SHA1 = hashlib.sha1(ADDRESS.encode(), usedforsecurity=False).hexdigest()
OF_SHA256 = hashlib.sha256(ADDRESS.encode()).hexdigest()


def test_a_statement_without_the_sha256_of_the_address_is_valid() -> None:
    assert "customer_email_sha256" not in ROWS["completed_orders"]
    assert stored("completed_orders")["customer_email_sha256"] is None


@pytest.mark.parametrize(
    ("changes", "sha1", "sha256"),
    [
        ({"customer_email_sha256": OF_SHA256.upper()}, None, OF_SHA256),
        ({"customer_email": " Me@Example.org"}, OF_SHA1, OF_SHA256),
        ({"customer_email": OF_SHA1}, OF_SHA1, None),
        ({"customer_email": None}, None, None),
        (
            {"customer_email": ADDRESS, "customer_email_sha256": "a" * 64},
            OF_SHA1,
            "a" * 64,
        ),
        ({"customer_email": ADDRESS, "customer_email_sha256": " "}, OF_SHA1, OF_SHA256),
    ],
)
def test_both_hashes_of_an_address_are_kept(
    changes: dict[str, Any], sha1: str | None, sha256: str | None
) -> None:
    row = stored("completed_orders", **changes)
    assert row["customer_email_sha1"] == sha1
    assert row["customer_email_sha256"] == sha256


@pytest.mark.parametrize("written", [OF_SHA1, "a" * 63, "a" * 65, "g" * 64, ADDRESS])
def test_another_text_is_no_sha256(written: str) -> None:
    assert reasons("completed_orders", customer_email_sha256=written) == (
        "unreadable_customer_email_sha256",
    )


def test_an_optional_column_may_still_be_named_as_a_further_one() -> None:
    frame = pd.DataFrame(
        [ROWS["completed_orders"] | {"customer_email_sha256": OF_SHA256}], dtype=object
    )
    named = frozenset({"customer_email_sha256"})
    checked = validate(frame, "completed_orders", "2026-01-02", extra_columns=named)
    (row,) = checked.good.to_pylist()
    assert row["customer_email_sha256"] == OF_SHA256
    assert json.loads(row["extra"]) == {"customer_email_sha256": OF_SHA256}
