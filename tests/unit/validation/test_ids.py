"""How an id is spelled decides whether an order is reported twice."""

import hashlib
from typing import Any

import pandas as pd
import pytest

from assets.validation.chunk import ValidatedChunk, validate
from assets.validation.id_table import id_table
from assets.validation.schemas import EXTRACTS, contract_columns

ODD = {
    "a blank": " ",
    "a tab": "\t",
    "a line end": "\r\n",
    "a no-break space": "\xa0",
    "a narrow no-break space": "\u202f",
    "a zero width space": "\u200b",
    "a byte order mark": "\ufeff",
    "a direction mark": "\u200e",
    "a soft hyphen": "\xad",
    "a control character": "\x07",
    "a filler": "\u3164",
    "a variation selector": "\ufe0f",
}
ROWS: dict[str, dict[str, Any]] = {
    "completed_orders": {
        "order_id": "A1001",
        "completed_at": "2026-01-02T12:00:00Z",
        "visitor_id": "v-1",
        "currency": "USD",
        **dict.fromkeys(("total", "revenue"), 10),
        **dict.fromkeys(("discount", "shipping", "tax"), 0),
        "is_test": False,
    },
    "order_items": {
        "order_id": "A1001",
        "line_no": 1,
        "sku": "s-1",
        "quantity": 1,
        **dict.fromkeys(("unit_price", "subtotal"), 10),
        "discount": 0,
    },
    "visitor_identifiers": {
        "order_id": "A1001",
        "visitor_id": "v-1",
        "kind": "impact_click_id",
        "value": "clk-1",
        "captured_at": "2026-01-01T12:00:00Z",
    },
    "visitor_bucketing": {
        "visitor_id": "v-1",
        "experience_id": "100",
        "variation_id": "200",
        "bucketed_at": "2026-01-01T12:00:00Z",
    },
    "visitor_segments": {"visitor_id": "v-1", "captured_at": "2026-01-01T12:00:00Z"},
}
SHA256_OF_GUEST = hashlib.sha256(b"guest").hexdigest()
TRIMMED = [
    ("completed_orders", "visitor_id"),
    ("completed_orders", "customer_id"),
    ("order_items", "sku"),
    ("visitor_identifiers", "order_id"),
    ("visitor_identifiers", "visitor_id"),
    ("visitor_identifiers", "value"),
    ("visitor_bucketing", "visitor_id"),
    ("visitor_bucketing", "experience_id"),
    ("visitor_bucketing", "variation_id"),
    ("visitor_segments", "visitor_id"),
]


def check(statement: str, **changes: Any) -> ValidatedChunk:
    empty = dict.fromkeys(contract_columns(statement))
    row = empty | ROWS[statement] | changes
    return validate(pd.DataFrame([row], dtype=object), statement, "2026-01-02")


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("spelling", ["{0}A1001", "A1001{0}", "A10{0}01", "{0}"])
def test_an_order_id_that_nobody_sees_as_it_is_waits_until_it_is_clear(
    odd: str, spelling: str
) -> None:
    for statement in ("completed_orders", "order_items"):
        (reject,) = check(statement, order_id=spelling.format(odd)).rejects
        missing = spelling == "{0}" and odd.isspace()
        assert reject.reasons[-1] == "missing_order_id" if missing else "unclear_id"


@pytest.mark.parametrize("order_id", ["Cafe\u0301-1", "\uff21-1", "\u212b-1"])
def test_an_order_id_in_another_unicode_form_is_unclear(order_id: str) -> None:
    (reject,) = check("completed_orders", order_id=order_id).rejects
    assert reject.reasons == ("unclear_id",)


@pytest.mark.parametrize("order_id", ["a-1", "A-1", "Caf\xe9-1", "100/2", "訂單-1"])
def test_a_clear_order_id_is_kept_as_it_is(order_id: str) -> None:
    found = check("completed_orders", order_id=order_id)
    assert found.good["order_id"].to_pylist() == [order_id]
    assert found.issues == []


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize(("statement", "column"), TRIMMED)
def test_what_stands_around_another_id_is_left_out_and_recorded(
    statement: str, column: str, odd: str
) -> None:
    plain = ROWS[statement].get(column) or "c-1"
    found = check(statement, **{column: f"{odd}{plain}{odd}"})
    assert found.good[column].to_pylist() == [plain]
    (issue,) = found.issues
    names_order = "order_id" in EXTRACTS[statement].columns
    assert issue["order_id"] == ("A1001" if names_order else "-")
    assert (issue["code"], issue["subject"]) == ("trimmed_id", f"{statement}.{column}")


@pytest.mark.parametrize(
    ("statement", "column"),
    [
        ("visitor_identifiers", "value"),
        ("visitor_bucketing", "experience_id"),
        ("visitor_bucketing", "variation_id"),
    ],
)
def test_an_invisible_character_inside_makes_an_id_unclear(
    statement: str, column: str
) -> None:
    (reject,) = check(statement, **{column: "1\u200b2"}).rejects
    assert reject.reasons == ("unclear_id",)
    assert check(statement, **{column: "1 2"}).rejects == []


def test_an_identifier_of_an_unclear_order_may_be_that_of_the_clear_one() -> None:
    (row,) = check("visitor_identifiers", order_id="A10\u200b01").refused_rows
    assert row["order_id"] == "A1001"


PLACEHOLDERS = [
    *("0", "null", "undefined", "(not set)", "N/A", "none", "NaN", "#N/A", "\\N"),
    *("-1", "guest", "(guest)", "not available", "missing", "\u200bnull "),
    *("(not\xa0set)", "not.set", "nu\u200bll", "n.a.", "FALSE", "\uff2e\uff21"),
    *(hashlib.md5(b"", usedforsecurity=False).hexdigest(), SHA256_OF_GUEST),
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
]


@pytest.mark.parametrize("written", PLACEHOLDERS)
@pytest.mark.parametrize("column", ["customer_id", "visitor_id"])
def test_a_placeholder_is_nobody_and_holds_nothing_back(
    column: str, written: str
) -> None:
    found = check("completed_orders", **{column: written})
    assert found.good[column].to_pylist() == [None]
    assert ("placeholder_value", f"completed_orders.{column}") in [
        (one["code"], one["subject"]) for one in found.issues
    ]


@pytest.mark.parametrize("written", ["-1", "guest", "n.a.", SHA256_OF_GUEST])
def test_a_placeholder_is_no_order_and_no_identifier(written: str) -> None:
    (reject,) = check("completed_orders", order_id=written).rejects
    assert reject.reasons == ("placeholder_id",)
    found = check("visitor_identifiers", value=written)
    assert [one.reasons for one in found.rejects] == [("placeholder_id",)]
    assert found.refused_rows == []


@pytest.mark.parametrize("lost", ["A\ufffd1", "A\ue0001", "A\u20651"])
def test_an_id_with_a_lost_character_waits_until_it_is_mended(lost: str) -> None:
    (reject,) = check("completed_orders", order_id=lost).rejects
    assert reject.reasons == ("unclear_id",)
    (identifier,) = check("visitor_identifiers", value=lost).rejects
    assert identifier.reasons == ("unclear_id",)


@pytest.mark.parametrize(
    "hidden", ["joe\uff20example.com", "+49\u200b170\u200b1234567"]
)
def test_invisible_characters_hide_no_personal_data(hidden: str) -> None:
    found = check("completed_orders", order_id=hidden)
    (reject,) = found.rejects
    assert (reject.order_id, reject.reasons[0]) == (None, "pii_as_id")
    kept = repr((reject, found.refused_rows))
    assert "joe" not in kept
    assert "1234567" not in kept
    (visitor,) = check("completed_orders", visitor_id=hidden).rejects
    assert visitor.reasons == ("pii_as_id",)


@pytest.mark.parametrize("written", ["48213", "1", "guest-7", "null-42", "-12"])
def test_a_customer_who_is_called_like_a_placeholder_is_somebody(written: str) -> None:
    found = check("completed_orders", customer_id=written)
    assert found.good["customer_id"].to_pylist() == [written]


@pytest.mark.parametrize("column", ["promo_code", "affiliation"])
@pytest.mark.parametrize("written", ["null", "(none)", "N/A", "0", "undefined"])
def test_a_placeholder_is_no_promo_code_and_no_partner(
    column: str, written: str
) -> None:
    found = check("completed_orders", **{column: written})
    assert found.good[column].to_pylist() == [None]
    assert [one["code"] for one in found.issues] == ["placeholder_value"]
    assert check("completed_orders", **{column: "GUEST"}).issues == []


@pytest.mark.parametrize("nothing", ["", " ", "null", "NULL", "n/a", "(not set)"])
def test_a_hash_of_nothing_is_nobody(nothing: str) -> None:
    digest = hashlib.sha1(nothing.encode(), usedforsecurity=False).hexdigest()
    found = check("completed_orders", customer_email_sha1=digest.upper())
    assert found.good["customer_email_sha1"].to_pylist() == [None]
    assert [one["code"] for one in found.issues] == ["placeholder_value"]


@pytest.mark.parametrize("nothing", ["", " ", "null", "guest", "none@none.com"])
def test_a_sha256_of_nothing_is_nobody(nothing: str) -> None:
    digest = hashlib.sha256(nothing.encode()).hexdigest()
    for written in (digest, digest.upper(), f" {digest} ", "n/a", "(not set)"):
        found = check("completed_orders", customer_email_sha256=written)
        assert found.good["customer_email_sha256"].to_pylist() == [None]
        assert "placeholder_value" in [one["code"] for one in found.issues]


@pytest.mark.parametrize("email", ["n/a", "guest", "(not set)", "none@none.com"])
def test_an_email_that_stands_for_none_holds_no_order_back(email: str) -> None:
    found = check("completed_orders", customer_email=email)
    assert found.good["customer_email_sha1"].to_pylist() == [None]


def test_a_refused_row_leaves_no_data_issue() -> None:
    found = check("completed_orders", customer_id="0", currency="ZZD")
    assert (len(found.rejects), found.issues) == (1, [])


@pytest.mark.parametrize("value", [None, "", " ", "\u200b", "(not set)", "0"])
def test_a_row_without_a_value_is_no_identifier_that_might_count(value: Any) -> None:
    found = check("visitor_identifiers", value=value)
    assert len(found.rejects) == 1
    assert found.refused_rows == []


def test_a_value_that_cannot_be_read_might_count() -> None:
    assert len(check("visitor_identifiers", value="clk\0").refused_rows) == 1


def test_the_table_of_ids_has_every_column_that_identifies() -> None:
    text = id_table()
    for statement, column in TRIMMED:
        assert f"| {statement}.{column} | left out: `trimmed_id`" in text
    assert "| completed_orders.order_id | quarantined: `unclear_id`" in text
