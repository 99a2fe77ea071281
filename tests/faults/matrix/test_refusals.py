"""Fault matrix, rows 23 to 31: the provider refuses an order, or refuses us.

An order is never marked bad because our settings were, and wrong settings cost one
request whatever the size of the day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.engine import many
from support.raw_server import KNOWN, TAKEN, Act, always, http, in_turn, say

if TYPE_CHECKING:
    from support.line import Line, MakeLine

BAD = say(400, '{"message": "amount is wrong"}', "rejected")


def check_stopped(line: Line, orders: int, reason: str) -> None:
    """One request was sent and no order was marked; mended, the day is finished."""
    summary = line.run(many(orders))
    assert (summary.requests, summary.unfinished) == (1, orders)
    assert summary.stop_reason == f"configuration: {reason}"
    assert len(line.server.seen) == 1
    assert set(line.states().values()) == {"pending"}
    line.check()
    line.server.script = always(TAKEN)
    if orders <= 100:
        assert line.run(many(orders)).unfinished == 0
        line.check_finished(many(orders))


@pytest.mark.parametrize("host", ["same", "other"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_23_redirects_are_not_followed(
    line: Line, make_line: MakeLine, status: int, host: str
) -> None:
    other = make_line(line.database, line.provider.resend).server
    to = f"{other.url}/orders" if host == "other" else "/elsewhere"
    line.server.script = always(say(status, "", "configuration", Location=to))
    check_stopped(line, 5, f"http_{status}")
    assert other.connections == 0


@pytest.mark.parametrize("status", [400, 418, 422])
def test_24_one_order_is_refused_and_the_others_go_on(
    line_anywhere: Line, status: int
) -> None:
    line, orders = line_anywhere, many(20)
    refusal = say(status, '{"message": "no"}', "rejected")
    line.server.script = lambda order, _: refusal if order == "O00007" else TAKEN
    assert line.run(orders).unfinished == 0
    states = line.states()
    assert states.pop("O00007") == "rejected"
    assert set(states.values()) == {"accepted"}
    assert line.row("O00007")["state_reason"] == f"http_{status}"
    line.check_finished(orders)


def test_25_every_order_is_refused_until_the_mapping_is_mended(
    line_anywhere: Line,
) -> None:
    line, orders = line_anywhere, many(60)
    line.server.script = always(BAD)
    summary = line.run(orders)
    assert summary.stop_reason == "rejected: 25 of the last 25"
    assert (summary.requests, summary.unfinished) == (25, 35)
    states = list(line.states().values())
    assert (states.count("rejected"), states.count("pending")) == (25, 35)
    line.check()

    refused = {row["order_id"] for row in line.rows() if row["state"] == "rejected"}
    line.server.script = always(TAKEN)
    line.provider.mapping = "m2"
    assert line.run(orders).unfinished == 0
    assert set(line.states().values()) == {"accepted"}
    line.earlier = {one: [(1234, "USD")] for one in refused}
    line.check()


@pytest.mark.parametrize("status", [401, 403, 407])
def test_26_refused_credentials_cost_one_request_of_ten_thousand(
    line: Line, status: int
) -> None:
    line.server.script = always(say(status, "", "configuration"))
    check_stopped(line, 10_000 if status == 401 else 100, f"http_{status}")


def test_27_credentials_are_revoked_after_500_orders(line: Line) -> None:
    orders = many(600)
    gone = say(401, "", "configuration")
    line.server.script = lambda _order, _time: (
        gone if len(line.server.books.journal) >= 500 else TAKEN
    )
    summary = line.run(orders)
    in_flight = line.provider.limits.in_flight
    assert 500 < len(line.server.seen) <= 500 + in_flight
    assert summary.unfinished == 100
    states = list(line.states().values())
    assert (states.count("accepted"), states.count("pending")) == (500, 100)
    line.check()
    line.server.script = always(TAKEN)
    assert line.run(orders).unfinished == 0
    assert set(line.server.books.counted.values()) == {1}


@pytest.mark.parametrize("status", [404, 405, 410])
def test_28_a_wrong_account_stops_the_run(line: Line, status: int) -> None:
    line.server.script = always(say(status, "", "configuration"))
    check_stopped(line, 20, f"http_{status}")


@pytest.mark.parametrize("status", [408, 425])
def test_29_not_processed_is_sent_again(line_anywhere: Line, status: int) -> None:
    line = line_anywhere
    line.server.script = always(say(status, "", "retryable"))
    assert line.run(many(3)).unfinished == 3
    assert set(line.states().values()) == {"retryable"}
    line.check()
    line.server.script = always(TAKEN)
    line.later()
    assert line.run(many(3)).unfinished == 0
    assert set(line.states().values()) == {"accepted"}
    line.check_finished(many(3))


def test_30_already_there_without_an_attempt_of_ours(line: Line) -> None:
    line.server.script = always(KNOWN)
    line.run(many(1))
    row = line.row("O00000")
    assert (row["state"], row["state_reason"]) == ("duplicate", "foreign")
    line.check_finished(many(1))


def test_30_already_there_after_an_attempt_of_ours(line_anywhere: Line) -> None:
    line = line_anywhere
    busy = say(503, "", "retryable", Retry_After=1)
    line.server.script = in_turn(busy, KNOWN)
    line.run(many(1))
    row = line.row("O00000")
    assert (row["state"], row["state_reason"]) == ("duplicate", "own")
    line.check_finished(many(1))


@pytest.mark.parametrize("status", [413, 414, 415])
def test_31_too_large_is_refused(line: Line, status: int) -> None:
    # A server that says 413 may close before it has read everything.
    too_large = Act(http(status, "<h1>too large</h1>"), "rejected")
    line.server.script = in_turn(too_large)
    line.run(many(1))
    row = line.row("O00000")
    assert (row["state"], row["state_reason"]) == ("rejected", f"http_{status}")
    line.check_finished(many(1))
