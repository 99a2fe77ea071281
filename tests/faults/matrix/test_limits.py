"""Fault matrix, rows 32 to 38: a provider that is busy, slow or down.

It gets fewer requests, not more. A run ends where it would have to wait too long.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from assets.providers.replies import Phase
from support.engine import Clock, many
from support.raw_server import TAKEN, Response, always, http, in_turn, respond

if TYPE_CHECKING:
    import socket

    from support.harness import Harness

DOWN = respond(500, "", None)


class Ticking(Clock):
    """Returns each time once, so that the intents of a window share one."""

    def __call__(self) -> datetime:
        self.pass_by(milliseconds=1)
        return self.now


def windows(harness: Harness) -> list[int]:
    """How many requests each window had, in the order of sending."""
    sizes = Counter(one["happened_at"] for one in harness.attempts("intent"))
    return [sizes[moment] for moment in sorted(sizes)]


def limited(**headers: object) -> Response:
    return respond(429, '{"status": "slow down"}', "retryable", **headers)


def date_in(**time: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(**time), usegmt=True)


@pytest.mark.parametrize(
    ("told", "least", "most"),
    [
        ("2", 2, 2),
        (date_in(seconds=-3600), 0, 2),
        ("-1", 0, 2),
        ("soon", 0, 2),
        (None, 0, 2),
        ("nan", 0, 2),
        ("1e999", 0, 2),
    ],
    ids=["2", "past", "-1", "soon", "absent", "nan", "1e999"],
)
def test_32_too_many_requests_are_waited_for(
    harness: Harness, told: str | None, least: float, most: float
) -> None:
    headers = {} if told is None else {"Retry-After": told}
    harness.server.script = in_turn(limited(**headers), TAKEN)
    summary = harness.run(many(1))
    assert (harness.state(), summary.stop_reason) == ("accepted", None)
    assert least <= sum(harness.clock.naps) <= most
    harness.check_finished(many(1))


def test_32_a_date_is_waited_for(harness: Harness) -> None:
    harness.server.script = in_turn(limited(Retry_After=date_in(seconds=8)), TAKEN)
    harness.run(many(1))
    assert harness.state() == "accepted"
    assert 5 < sum(harness.clock.naps) < 9


@pytest.mark.parametrize(
    "told",
    ["1000000000000", date_in(days=9), "3600"],
    ids=["endless", "date", "an hour"],
)
def test_32_a_wait_that_is_too_long_ends_the_run(harness: Harness, told: str) -> None:
    harness.server.script = always(limited(Retry_After=told))
    summary = harness.run(many(10))
    assert str(summary.stop_reason).startswith("quota: resets in ")
    assert (summary.requests, harness.clock.naps) == (1, [])
    assert Counter(harness.states().values()) == {"retryable": 1, "pending": 9}
    harness.check()
    harness.server.script = always(TAKEN)
    harness.clock.pass_by(days=1)
    assert harness.run(many(10)).unfinished == 0
    harness.check_finished(many(10))


@pytest.mark.parametrize(
    "response", [limited(), respond(503, "", "retryable", Retry_After=1)]
)
def test_32_the_window_is_halved(harness: Harness, response: Response) -> None:
    harness.clock = Ticking()
    harness.provider.limits = replace(harness.provider.limits, in_flight=16)
    harness.server.script = lambda order, time: (
        response if order == "O00030" and time == 1 else TAKEN
    )
    harness.run(many(90))
    sizes, sent, position = windows(harness), 0, 0
    while sent + sizes[position] <= 30:
        sent += sizes[position]
        position += 1
    assert sizes[position] > 3
    assert sizes[position + 1] == sizes[position] // 2
    assert set(harness.states().values()) == {"accepted"}
    assert set(harness.server.log.counted.values()) == {1}


def test_33_a_spent_quota_ends_the_run(db_harness: Harness) -> None:
    harness = db_harness
    spent = {"X-RateLimit-Remaining": 0, "X-RateLimit-Reset": 3600}
    harness.server.script = always(limited(**spent))
    summary = harness.run(many(10))
    assert summary.stop_reason == "quota: resets in 3600 s"
    assert (summary.requests, summary.unfinished) == (1, 10)
    harness.check()
    harness.server.script = always(TAKEN)
    harness.clock.pass_by(seconds=3601)
    assert harness.run(many(10)).unfinished == 0
    harness.check_finished(many(10))


def test_33_the_last_request_of_a_quota_counts(harness: Harness) -> None:
    head = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "3600"}
    last = http(200, '{"status": "accepted"}', **head)
    harness.server.script = always(
        Response(last, "accepted", counts=True, keep_alive=True)
    )
    summary = harness.run(many(10))
    assert summary.stop_reason == "quota: resets in 3600 s"
    assert Counter(harness.states().values()) == {"accepted": 1, "pending": 9}
    harness.check()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("status", [500, 502, 504, 520])
def test_34_five_percent_fail_once(harness: Harness, status: int) -> None:
    orders = many(100)
    failing = {one.order_id for one in orders[9::20]}
    broken = respond(status, "", None)
    harness.server.script = lambda order, time: (
        broken if order in failing and time == 1 else TAKEN
    )
    summary = harness.run(orders)
    assert summary.stop_reason is None
    states = harness.states()
    safe = harness.provider.resend.is_safe
    lost = {order for order, state in states.items() if state != "accepted"}
    assert lost == (set() if safe else failing)
    assert {states[one] for one in lost} <= {"uncertain"}
    assert summary.requests == (105 if safe else 100)
    harness.check_finished(orders)


@pytest.mark.long
def test_35_unavailable_for_a_long_time_costs_few_of_ten_thousand(
    harness: Harness,
) -> None:
    orders = many(10_000)
    harness.server.script = always(respond(503, "", None))
    summary = harness.run(orders)
    assert str(summary.stop_reason).startswith("failing: ")
    assert len(harness.server.seen) == summary.requests <= 20
    states = Counter(harness.states().values())
    lost = "retryable" if harness.provider.resend.is_safe else "uncertain"
    assert states == {lost: summary.requests, "pending": 10_000 - summary.requests}
    harness.later()
    harness.run(orders)
    assert len(harness.server.seen) < 50
    harness.check()


def test_36_unavailable_but_it_says_for_how_long(
    db_harness: Harness,
) -> None:
    harness = db_harness
    busy = respond(503, "", "retryable", Retry_After=2)
    harness.server.script = in_turn(busy, TAKEN)
    harness.run(many(5))
    assert set(harness.states().values()) == {"accepted"}
    assert sum(harness.clock.naps) >= 2
    assert len(harness.server.seen) == 10
    harness.check_finished(many(5))


def test_36_unavailable_for_longer_than_a_run(harness: Harness) -> None:
    harness.server.script = always(respond(503, "", "retryable", Retry_After=600))
    harness.run(many(3))
    assert set(harness.states().values()) == {"retryable"}
    harness.check()


@pytest.mark.long
def test_37_a_brown_out_above_eight_at_once(harness: Harness) -> None:
    harness.clock = Ticking()
    harness.provider.limits = replace(harness.provider.limits, in_flight=32)
    harness.transport = {"read_seconds": 2}

    def answer_late(connection: socket.socket) -> None:
        time.sleep(0.03)
        time.sleep(0.4 if harness.server.busy > 8 else 0)
        connection.sendall(bytes(TAKEN.wire))  # type: ignore[arg-type]

    harness.server.script = always(replace(TAKEN, wire=answer_late))
    assert harness.run(many(300)).unfinished == 0
    sizes = windows(harness)
    assert max(sizes[:10]) >= 8
    later = sizes[len(sizes) // 3 :]
    assert sum(size > 8 for size in later) <= len(later) // 10
    assert sum(later) / len(later) > 4
    assert {one["phase"] for one in harness.attempts()} == {Phase.DONE}
    assert set(harness.states().values()) == {"accepted"}
    assert set(harness.server.log.counted.values()) == {1}


def test_38_every_other_request_fails(harness: Harness) -> None:
    orders = many(200)
    harness.server.script = lambda _order, _time: (
        DOWN if len(harness.server.log.journal) % 2 else TAKEN
    )
    summary = harness.run(orders)
    assert str(summary.stop_reason).partition(":")[0] in {"failing", "uncertain"}
    assert summary.requests <= 40
    harness.check()


@pytest.mark.long
def test_38_repeats_are_a_tenth_of_the_first_sends(harness: Harness) -> None:
    orders = many(300)
    refused = respond(429, "", "retryable")
    harness.server.script = lambda order, _time: (
        refused if order[-1] in "3579" else TAKEN
    )
    summary = harness.run(orders)
    assert summary.stop_reason is None
    assert summary.requests == 300 + 30
    states = Counter(harness.states().values())
    assert states == {"accepted": 180, "retryable": 120}
    harness.check()
