"""Fault matrix, rows 17, 21 and 30: the reply bodies of the real providers.

Trackdesk and Convert document no body of a success; impact.com replies QUEUED or OK.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from assets.providers.convert.provider import Convert, ConvertSettings
from assets.providers.trackdesk.provider import Trackdesk, TrackdeskSettings
from support.engine import DEDUPE, NEVER
from support.raw_server import Response, always, http, in_turn, reset, respond
from support.shop_destinations import (
    orders_in_convert,
    orders_in_trackdesk,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from assets.ledger.database import Database
    from assets.providers.conversion import Conversion
    from support.harness import Harness, MakeHarness

ORDER = "O00000"


@pytest.fixture
def impact(make_impact: MakeHarness, tables: Database) -> Harness:
    """A harness for impact.com."""
    return make_impact(tables)


@pytest.fixture
def trackdesk(make_harness: MakeHarness, tables: Database) -> Harness:
    """A harness for Trackdesk."""
    harness = make_harness(tables, DEDUPE, orders_of=orders_in_trackdesk)
    settings: dict[str, Any] = {
        "provider": "trackdesk",
        "base_url": harness.server.url,
        "tenant_id": "demo",
        "conversion_type_code": "sale",
    }
    harness.provider = Trackdesk(TrackdeskSettings(**settings))
    return harness


@pytest.fixture
def convert(make_harness: MakeHarness, tables: Database) -> Harness:
    """A harness for Convert."""
    harness = make_harness(tables, NEVER, orders_of=orders_in_convert)
    settings: dict[str, Any] = {
        "provider": "convert",
        "base_url": harness.server.url,
        "account_id": "1",
        "project_id": "2",
        "goal_id": "3",
        "currency": "USD",
    }
    harness.provider = Convert(ConvertSettings(**settings))
    return harness


@pytest.fixture
def orders(conversion: Callable[..., Conversion]) -> list[Conversion]:
    """One order that every provider accepts."""
    cid = "2d2ce3d8-7c58-4f7f-9e07-0e1b2c3d4e5f"
    known = {
        "impact_click_id": "click",
        "trackdesk_cid": cid,
        "convert_visitor_id": "v1",
    }
    return [conversion(order_id=ORDER, identifiers=known)]


def test_17_an_error_in_a_200_refuses_the_order(
    impact: Harness, orders: list[Conversion]
) -> None:
    errors = [
        {"Field": "EventDate", "Message": "Invalid date"},
        {"Field": "ItemSku1", "Message": "is required"},
    ]
    body = json.dumps({"Status": "ERROR", "Errors": errors})
    impact.server.script = always(respond(200, body, "rejected"))
    impact.run(orders)
    row = impact.row(ORDER)
    assert (row["state"], row["state_reason"]) == ("rejected", "error_in_reply")
    assert row["state_detail"] == "EventDate: Invalid date; ItemSku1: is required"
    assert "ItemSku1" in impact.attempts()[0]["response_text"]
    impact.check_finished(orders)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("name", ["trackdesk", "convert"])
def test_21_no_body_is_success_where_none_is_published(
    request: pytest.FixtureRequest, orders: list[Conversion], name: str, status: int
) -> None:
    harness: Harness = request.getfixturevalue(name)
    empty = b"HTTP/1.1 204 No Content\r\n\r\n" if status == 204 else http(status)
    harness.server.script = always(
        Response(empty, "accepted", counts=True, keep_alive=True)
    )
    harness.run(orders)
    assert harness.state(ORDER) == "accepted"
    harness.check_finished(orders)


@pytest.mark.parametrize("empty", [b"HTTP/1.1 204 No Content\r\n\r\n", http(200)])
def test_21_no_body_is_no_success_at_impact(
    impact: Harness, orders: list[Conversion], empty: bytes
) -> None:
    impact.server.script = in_turn(
        Response(empty, counts=True, keep_alive=True),
        respond(409, '{"Status": "x"}', "duplicate"),
    )
    impact.run(orders)
    assert (impact.state(ORDER), len(impact.server.seen)) == ("uncertain", 1)
    impact.check()
    impact.later()
    impact.run(orders)
    row = impact.row(ORDER)
    assert (row["state"], row["state_reason"]) == ("duplicate", "own")
    impact.check_finished(orders)


@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize("lost", [False, True], ids=["foreign", "own"])
def test_30_trackdesk_says_already_exists(
    trackdesk: Harness, orders: list[Conversion], status: int, lost: bool
) -> None:
    exists = respond(status, '{"message": "Conversion already exists"}', "duplicate")
    first = [Response(reset, counts=True)] if lost else []
    trackdesk.server.script = in_turn(*first, exists)
    trackdesk.server.dedupes = False  # the script says it in Trackdesk's own words
    trackdesk.run(orders)
    row = trackdesk.row(ORDER)
    assert row["state"] == "duplicate"
    assert row["state_reason"] == ("own" if lost else "foreign")
    trackdesk.check_finished(orders)


def test_30_a_lost_reply_is_never_resent_to_convert(
    convert: Harness, orders: list[Conversion]
) -> None:
    convert.server.script = always(Response(reset, counts=True))
    convert.run(orders)
    convert.later()
    convert.run(orders)
    assert (convert.state(ORDER), len(convert.server.seen)) == ("uncertain", 1)
    convert.check_finished(orders)
