"""Fault matrix, rows 23 to 31: the provider rejects an order, or our credentials.

An order is never rejected because our settings are wrong, and wrong settings cost one
request, however large the day is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.engine import many
from support.raw_server import KNOWN, TAKEN, Response, always, http, in_turn, respond

if TYPE_CHECKING:
    from support.harness import Harness, MakeHarness

BAD = respond(400, '{"message": "amount is wrong"}', "rejected")


def check_stopped(harness: Harness, orders: int, reason: str) -> None:
    """One request was sent, no order rejected; good settings finish the day."""
    summary = harness.run(many(orders))
    assert (summary.requests, summary.unfinished) == (1, orders)
    assert summary.stop_reason == f"configuration: {reason}"
    assert len(harness.server.seen) == 1
    assert set(harness.states().values()) == {"pending"}
    harness.check()
    harness.server.script = always(TAKEN)
    if orders <= 100:
        assert harness.run(many(orders)).unfinished == 0
        harness.check_finished(many(orders))


@pytest.mark.sampled(8)
@pytest.mark.parametrize("host", ["same", "other"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_23_redirects_are_not_followed(
    harness: Harness, make_harness: MakeHarness, status: int, host: str
) -> None:
    other = make_harness(harness.database, harness.provider.resend).server
    to = f"{other.url}/orders" if host == "other" else "/elsewhere"
    harness.server.script = always(respond(status, "", "configuration", Location=to))
    check_stopped(harness, 5, f"http_{status}")
    assert other.connections == 0


@pytest.mark.sampled(6)
@pytest.mark.parametrize("status", [400, 418, 422])
def test_24_one_order_is_refused_and_the_others_go_on(
    db_harness: Harness, status: int
) -> None:
    harness, orders = db_harness, many(20)
    refusal = respond(status, '{"message": "no"}', "rejected")
    harness.server.script = lambda order, _: refusal if order == "O00007" else TAKEN
    assert harness.run(orders).unfinished == 0
    states = harness.states()
    assert states.pop("O00007") == "rejected"
    assert set(states.values()) == {"accepted"}
    assert harness.row("O00007")["state_reason"] == f"http_{status}"
    harness.check_finished(orders)


@pytest.mark.sampled(1)
def test_25_every_order_is_rejected_until_the_mapping_is_corrected(
    db_harness: Harness,
) -> None:
    harness, orders = db_harness, many(60)
    harness.server.script = always(BAD)
    summary = harness.run(orders)
    assert summary.stop_reason == "rejected: 25 of the last 25"
    assert (summary.requests, summary.unfinished) == (25, 35)
    states = list(harness.states().values())
    assert (states.count("rejected"), states.count("pending")) == (25, 35)
    harness.check()

    refused = {row["order_id"] for row in harness.rows() if row["state"] == "rejected"}
    harness.server.script = always(TAKEN)
    harness.provider.mapping = "m2"
    assert harness.run(orders).unfinished == 0
    assert set(harness.states().values()) == {"accepted"}
    harness.earlier = {one: [(1234, "USD")] for one in refused}
    harness.check()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("status", [401, 403, 407])
def test_26_refused_credentials_cost_one_request_of_ten_thousand(
    harness: Harness, status: int
) -> None:
    harness.server.script = always(respond(status, "", "configuration"))
    check_stopped(harness, 10_000 if status == 401 else 100, f"http_{status}")


@pytest.mark.long
def test_27_credentials_are_revoked_after_500_orders(harness: Harness) -> None:
    orders = many(600)
    gone = respond(401, "", "configuration")
    harness.server.script = lambda _order, _time: (
        gone if len(harness.server.log.journal) >= 500 else TAKEN
    )
    summary = harness.run(orders)
    in_flight = harness.provider.limits.in_flight
    assert 500 < len(harness.server.seen) <= 500 + in_flight
    assert summary.unfinished == 100
    states = list(harness.states().values())
    assert (states.count("accepted"), states.count("pending")) == (500, 100)
    harness.check()
    harness.server.script = always(TAKEN)
    assert harness.run(orders).unfinished == 0
    assert set(harness.server.log.counted.values()) == {1}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("status", [404, 405, 410])
def test_28_a_wrong_account_stops_the_run(harness: Harness, status: int) -> None:
    harness.server.script = always(respond(status, "", "configuration"))
    check_stopped(harness, 20, f"http_{status}")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("status", [408, 425])
def test_29_not_processed_is_sent_again(db_harness: Harness, status: int) -> None:
    harness = db_harness
    harness.server.script = always(respond(status, "", "retryable"))
    assert harness.run(many(3)).unfinished == 3
    assert set(harness.states().values()) == {"retryable"}
    harness.check()
    harness.server.script = always(TAKEN)
    harness.later()
    assert harness.run(many(3)).unfinished == 0
    assert set(harness.states().values()) == {"accepted"}
    harness.check_finished(many(3))


def test_30_already_there_without_an_attempt_of_ours(harness: Harness) -> None:
    harness.server.script = always(KNOWN)
    harness.run(many(1))
    row = harness.row("O00000")
    assert (row["state"], row["state_reason"]) == ("duplicate", "foreign")
    harness.check_finished(many(1))


def test_30_already_there_after_an_attempt_of_ours(
    db_harness: Harness,
) -> None:
    harness = db_harness
    busy = respond(503, "", "retryable", Retry_After=1)
    harness.server.script = in_turn(busy, KNOWN)
    harness.run(many(1))
    row = harness.row("O00000")
    assert (row["state"], row["state_reason"]) == ("duplicate", "own")
    harness.check_finished(many(1))


@pytest.mark.parametrize("status", [413, 414, 415])
def test_31_too_large_is_refused(harness: Harness, status: int) -> None:
    # A server that says 413 may close before it has read everything.
    too_large = Response(http(status, "<h1>too large</h1>"), "rejected")
    harness.server.script = in_turn(too_large)
    harness.run(many(1))
    row = harness.row("O00000")
    assert (row["state"], row["state_reason"]) == ("rejected", f"http_{status}")
    harness.check_finished(many(1))
