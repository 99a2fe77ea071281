"""Fault matrix, rows 57 to 59 and 61 to 64: awkward values in the warehouse.

A value is sent exactly as it is stored, or its order is quarantined with a stored
reason. It is never repaired by guessing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from assets.source.guards import GuardError
from support.canaries import everything
from support.engine import NEVER
from support.raw_server import always, respond
from support.shop import BEFORE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assets.ledger.database import Database
    from support.harness import MakeHarness
    from support.shop import Shop

LONG = {"never"}
MONEY = ("total", "revenue", "subtotal", "unit_price")


CURRENCIES: dict[str, tuple[str | None, str, str | tuple[int, str]]] = {
    "lower-case": ("usd", "10.00", (1000, "USD")),
    "a-sign": ("US$", "10.00", "unknown_currency"),
    "no-currency": ("XXX", "10.00", "unknown_currency"),
    "four-letters": ("USDD", "10.00", "unknown_currency"),
    "left-blank": ("", "10.00", "missing_currency"),
    "is-null": (None, "10.00", "missing_currency"),
    "whole-yen": ("JPY", "10", (10, "JPY")),
    "half-a-yen": ("JPY", "10.50", "amount_precision"),
    "three-digits": ("KWD", "10.125", (10125, "KWD")),
    "four-digits": ("KWD", "10.1255", "amount_precision"),
    "half-a-cent": ("USD", "10.125", "amount_precision"),
}


def check_day(shop: Shop, expected: Mapping[str, str | tuple[int, str]]) -> None:
    """Each order of a day is sent with its amount, or quarantined with its reason."""
    shop.run()
    good = {one: worth for one, worth in expected.items() if isinstance(worth, tuple)}
    held = {one: why for one, why in expected.items() if isinstance(why, str)}
    rows = {row["order_id"]: row for row in shop.harness.rows()}
    assert rows.keys() == expected.keys()
    found = {one: (rows[one]["amount_minor"], rows[one]["currency"]) for one in good}
    assert found == good
    assert {one: rows[one]["state"] for one in good} == dict.fromkeys(good, "accepted")
    assert shop.harness.server.log.counted == dict.fromkeys(good, 1)
    assert shop.quarantined_orders().keys() == held.keys()
    for order_id, why in held.items():
        assert why in rows[order_id]["state_detail"].split(), order_id
    assert shop.run().requests == 0
    assert {row["order_id"]: row for row in shop.harness.rows()} == rows


def test_57_currencies(shop: Shop) -> None:
    for name, (currency, amount, _) in CURRENCIES.items():
        shop.order(name, Decimal(amount), currency=currency)
    check_day(shop, {name: expected for name, (*_, expected) in CURRENCIES.items()})


AMOUNTS: dict[str, dict[str, tuple[Any, str | tuple[int, str]]]] = {
    "double precision": {
        "negative": (-1.0, "negative_amount"),
        "zero": (0.0, (0, "USD")),
        "negative-zero": (-0.0, (0, "USD")),
        "no-number": (float("nan"), "unreadable_revenue"),
        "infinite": (float("inf"), "unreadable_revenue"),
        "40-digits": (1e40, "amount_too_large"),
        "a-sum": (0.1 + 0.2, "amount_precision"),
        "plain": (19.99, (1999, "USD")),
    },
    "text": {
        "20-decimals": ("0.12345678901234567890", "amount_precision"),
        "thousands": ("1,234.50", "unreadable_revenue"),
        "plain": ("1234.50", (123450, "USD")),
        "no-number": ("NaN", "unreadable_revenue"),
        "is-null": (None, "missing_revenue"),
        "left-blank": (" ", "missing_revenue"),
    },
    "decimal(38, 20)": {
        "20-decimals": (Decimal("0.00000000000000000001"), "amount_precision"),
        "plain": (Decimal("1.10"), (110, "USD")),
    },
}


@pytest.mark.long
@pytest.mark.parametrize("kind", AMOUNTS)
def test_58_amounts(shop: Shop, kind: str) -> None:
    shop.retype(**dict.fromkeys(MONEY, kind))
    for name, (amount, _) in AMOUNTS[kind].items():
        shop.order(name, amount)
    check_day(shop, {name: expected for name, (_, expected) in AMOUNTS[kind].items()})


def test_59_ids_that_are_kept_exactly(shop: Shop) -> None:
    ids = ["000123", "9007199254740993", "112-1234567", "x" * 128]
    for order_id in ids:
        shop.order(order_id)
    check_day(shop, dict.fromkeys(ids, (1000, "USD")))


def test_59_large_whole_numbers_beside_nulls_are_kept_exactly(shop: Shop) -> None:
    shop.retype(order_id="bigint")
    for order_id in (9007199254740993, 9007199254740992, None):
        shop.order(order_id)
    shop.run()
    assert shop.harness.server.log.counted == {
        "9007199254740993": 1,
        "9007199254740992": 1,
    }
    assert ["missing_order_id"] in shop.reasons()


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("kind", "ids", "reason"),
    [
        ("text", [None, "", " "], "missing_order_id"),
        ("text", ["x" * 129, "x" * 300], "too_long"),
        ("double precision", [9007199254740993.0, 7.0], "unreadable_order_id"),
    ],
)
def test_59_ids_that_are_none(
    shop: Shop, kind: str, ids: list[Any], reason: str
) -> None:
    shop.retype(order_id=kind)
    for number, order_id in enumerate(ids):
        shop.order(order_id, visitor_id=f"v-{number}")
    assert shop.run().requests == 0
    rows = shop.harness.rows()
    assert [row["state"] for row in rows] == ["quarantined"] * len(ids)
    assert all(row["order_id"].startswith("row:") for row in rows)
    assert [reason] in shop.reasons()


ODD = {
    "composed": "caf\u00e9",
    "emoji": "🛒-1",
    "ampersand": "O&OrderId=2&ClickId=3",
    "percent": "O%00%0d%0a",
    "formula": '=HYPERLINK("http://evil.example")',
    "statement": "';drop/**/table/**/delivery;--",
    "template": "{{7*7}}${7*7}",
}
"""Ids and texts."""
ODD_TEXTS = {
    "decomposed": "cafe\u0301",
    "right to left": "\u202e1O",
    "lines": "O\r\nX-Injected: 1\r\n\r\n1",
}
"""No order id can be one of these, but other texts can."""


def test_61_62_odd_texts_are_sent_and_kept_as_they_are(shop: Shop) -> None:
    orders = odd_orders(shop)
    shop.run()
    assert shop.harness.states() == dict.fromkeys(orders, "accepted")
    assert sorted(shop.harness.server.log.orders) == sorted(orders)
    assert all(b"X-Injected" not in one.partition(b"\r\n\r\n")[0] for one in seen(shop))
    shop.check(dict.fromkeys(orders, (1000, "USD")))


def odd_orders(shop: Shop) -> dict[str, str]:
    """One order per odd text; its promo code by its id."""
    orders = {one: one for one in ODD.values()}
    orders |= {f"O{number}": one for number, one in enumerate(ODD_TEXTS.values())}
    for order_id, promo_code in orders.items():
        shop.order(order_id, promo_code=promo_code)
    return orders


def seen(shop: Shop) -> list[bytes]:
    return shop.harness.server.seen


@pytest.mark.long
@pytest.mark.parametrize("policy", [NEVER], indirect=True, ids=["own"])
def test_61_hostile_text_adds_no_field_to_a_form(
    shop: Shop, make_impact: MakeHarness, tables: Database
) -> None:
    shop.harness = make_impact(tables)
    shop.harness.clock.now = shop.window[1]
    shop.harness.server.script = always(respond(200, '{"Status": "QUEUED"}', "queued"))
    orders = odd_orders(shop)
    shop.add(
        "visitor_identifiers",
        visitor_id="v-1",
        kind="impact_click_id",
        value="click",
        captured_at=shop.window[0],
    )
    shop.run()
    forms = [parse_qs(one.body.decode()) for one in shop.harness.server.log.journal]
    assert sorted(form["OrderId"][0] for form in forms) == sorted(orders)
    for form in forms:
        assert form["OrderPromoCode"] == [orders[form["OrderId"][0]]]
        assert form["ClickId"] == ["click"]
    heads = [one.partition(b"\r\n\r\n")[0] for one in seen(shop)]
    assert all(b"X-Injected" not in head for head in heads)
    shop.check(dict.fromkeys(orders, (1000, "USD")))


@pytest.mark.long
def test_61_a_nul_is_quarantined(shop: Shop) -> None:
    """PostgreSQL has none in text: there it comes as bytes."""
    if shop.url.startswith("postgresql"):
        shop.retype(affiliation="bytea")
        shop.order("O1", affiliation=b"a\0b")
    else:
        shop.order("O1", affiliation="a\0b")
    shop.order("O2")
    check_day(shop, {"O1": "unreadable_affiliation", "O2": (1000, "USD")})


PERSONAL = {
    "visitor_id": ["Jane.Doe@example.org", "+1 555 123 4567", "(555) 123-4567"],
    "customer_id": ["Jane.Doe@example.org", "+1 555 123 4567", "555.123.4567"],
    "order_id": ["Jane.Doe@example.org", "+1 555 123 4567"],
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("column", PERSONAL)
def test_63_personal_data_as_an_id_is_quarantined_and_not_stored(
    shop: Shop, column: str
) -> None:
    for number, personal in enumerate(PERSONAL[column]):
        plain = {"order_id": f"P{number}", "amount": 10 + number}
        shop.order(**plain | {column: personal})
    shop.order("O2")
    shop.run()
    states = shop.harness.states()
    assert states.pop("O2") == "accepted"
    assert list(states.values()) == ["quarantined"] * len(PERSONAL[column])
    assert ["pii_as_id"] in shop.reasons()
    assert shop.harness.server.log.orders == ["O2"]
    kept = everything(shop.harness.database)
    assert [one for one in PERSONAL[column] if one in kept] == []


def test_63_an_identifier_that_is_personal_data_is_left_out(shop: Shop) -> None:
    """Its order goes on without it: only what is asked for an identifier is lost."""
    shop.order("O1")
    for value in PERSONAL["visitor_id"]:
        known = {"kind": "convert_visitor_id", "captured_at": BEFORE}
        shop.add("visitor_identifiers", order_id="O1", value=value, **known)
    shop.run()
    assert shop.harness.states() == {"O1": "accepted"}
    assert shop.reasons() == [["pii_as_id"]] * len(PERSONAL["visitor_id"])
    kept = everything(shop.harness.database)
    sent = b"".join(seen(shop)).decode()
    for value in PERSONAL["visitor_id"]:
        assert value not in kept
        assert value not in sent
    shop.check({"O1": (1000, "USD")})


LOCAL = {
    "plain": ("2025-06-01 12:00:00", None),
    "shown twice": ("2025-11-02 01:30:00", "ambiguous_time"),
    "never shown": ("2025-03-09 02:30:00", "ambiguous_time"),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("at", "reason"), LOCAL.values(), ids=LOCAL)
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_64_naive_times_need_a_zone(
    shop: Shop, at: str, reason: str | None, zone: str | None
) -> None:
    shop.retype(completed_at="timestamp")
    shop.naive_zone = zone
    shop.window = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC))
    shop.order("O1", completed_at=at)
    shop.run()
    expected = reason if zone else "naive_time"
    assert shop.quarantined_orders() == ({"O1": expected} if expected else {})
    assert shop.harness.server.log.orders == ([] if expected else ["O1"])
    if not expected:
        assert shop.harness.row("O1")["order_at"] == datetime(
            2025, 6, 1, 16, tzinfo=UTC
        )


@pytest.mark.long
def test_64_times_of_several_zones_are_one_instant(shop: Shop) -> None:
    for order_id, at in {
        "O1": "2026-01-02 12:00:00+00",
        "O2": "2026-01-02 07:00:00-05",
        "O3": "2026-01-02 21:00:00+09",
    }.items():
        shop.order(order_id, completed_at=at)
    shop.run()
    instants = {row["order_at"] for row in shop.harness.rows()}
    assert instants == {datetime(2026, 1, 2, 12, tzinfo=UTC)}
    shop.check(dict.fromkeys(("O1", "O2", "O3"), (1000, "USD")))


def test_64_a_time_in_two_hours_is_quarantined(shop: Shop) -> None:
    now = datetime.now(UTC)
    shop.window = (now - timedelta(days=1), now + timedelta(days=1))
    shop.order("soon", completed_at=now + timedelta(hours=2))
    shop.order("before", completed_at=now - timedelta(minutes=5))
    shop.run()
    assert shop.quarantined_orders() == {"soon": "future_time"}
    assert shop.harness.server.log.orders == ["before"]


EVERYTHING = """
    select * from completed_orders where :window_start < :window_end
"""
UNREADABLE = {
    "before-christ": "0044-03-15 00:00:00+00 BC",
    "infinite": "infinity",
    "year-20000": "20000-01-01 00:00:00+00",
}
"""Python has none of these."""
CALENDAR_ENDS = {
    "first moment": "0001-01-01 00:00:00+00",
    "first year": "0001-06-01 00:00:00+00",
    "last year": "9999-06-01 00:00:00+00",
    "last moment": "9999-12-31 23:59:59+00",
}
DUCKDB = pytest.mark.parametrize("warehouse_url", ["duckdb"], indirect=True)
ZONES = pytest.mark.parametrize("zone", [None, "America/New_York", "Asia/Tokyo"])


@pytest.mark.sampled(1)
@ZONES
def test_64_a_time_that_cannot_be_read_is_one_bad_row(
    shop: Shop, zone: str | None
) -> None:
    shop.naive_zone = zone
    shop.use_statement("completed_orders", EVERYTHING)
    is_duckdb = shop.url.startswith("duckdb")
    # The driver of DuckDB gives no year before 1, and an infinite time as the last
    # local time of the calendar: in Tokyo that is readable.
    left_out = {"before-christ"} if is_duckdb else set()
    if is_duckdb and zone == "Asia/Tokyo":
        left_out.add("infinite")
    orders = {one: at for one, at in UNREADABLE.items() if one not in left_out}
    for order_id, at in orders.items():
        shop.order(order_id, completed_at=at)
    shop.order("noon")
    shop.run()
    held = dict.fromkeys(orders, "unreadable_completed_at")
    if is_duckdb and zone is None:
        held["infinite"] = "naive_time"
    assert shop.quarantined_orders() == held
    assert shop.harness.server.log.orders == ["noon"]
    shop.check(dict.fromkeys([*orders, "noon"], (1000, "USD")))


@pytest.mark.sampled(1)
@ZONES
@pytest.mark.parametrize("at", CALENDAR_ENDS.values(), ids=CALENDAR_ENDS)
def test_64_an_order_at_the_ends_of_the_calendar_is_one_bad_row(
    shop: Shop, zone: str | None, at: str
) -> None:
    shop.naive_zone = zone
    shop.use_statement("completed_orders", EVERYTHING)
    shop.order("O1", completed_at=at)
    shop.order("noon")
    shop.run()
    assert shop.quarantined_orders()["O1"] in {
        "unreadable_completed_at",
        "placeholder_time",
        "future_time",
    }
    assert shop.harness.server.log.orders == ["noon"]


@ZONES
def test_64_a_placeholder_of_another_day_refuses_the_day(
    shop: Shop, zone: str | None
) -> None:
    shop.naive_zone = zone
    shop.use_statement("completed_orders", EVERYTHING)
    shop.order("O1", completed_at="1970-01-01 00:00:00+00")
    shop.order("noon")
    with pytest.raises(GuardError, match="got 1 of 2 outside"):
        shop.run()
    assert shop.harness.rows() == []
    assert shop.harness.server.seen == []


OF_VISITORS = ("0001-01-01 00:00:00+00", "9999-12-31 23:59:59+00", "infinity")


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_64_a_bad_time_of_a_visitor_does_not_break_the_day(
    shop: Shop, zone: str
) -> None:
    shop.naive_zone = zone
    shop.order("O1")
    shop.order("O2", visitor_id="v-2")
    for at in OF_VISITORS:
        shop.add(
            "visitor_identifiers",
            order_id="O2",
            kind="impact_click_id",
            value="c-1",
            captured_at=at,
        )
        shop.add(
            "visitor_bucketing",
            visitor_id="v-2",
            experience_id="e",
            variation_id="x",
            bucketed_at=at,
        )
        shop.add("visitor_segments", visitor_id="v-2", captured_at=at)
    shop.run()
    assert shop.harness.states()["O1"] == "accepted"
    # Only rows at or before an order are read.
    assert len(shop.reasons()) == 3


@pytest.mark.long
def test_64_the_first_year_is_not_in_the_day(shop: Shop) -> None:
    shop.order("O1", completed_at="0001-01-01 00:00:00+00")
    shop.order("O2")
    shop.run()
    assert shop.harness.states() == {"O2": "accepted"}
    shop.check({"O2": (1000, "USD")})
