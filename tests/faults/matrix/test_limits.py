"""Fault matrix, rows 32 to 38: a provider that is busy, slow or down.

It gets fewer requests, not more, and a run ends where waiting would be longer than it
may take.
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
from support.raw_server import TAKEN, Act, always, http, in_turn, say

if TYPE_CHECKING:
    import socket

    from support.line import Line

DOWN = say(500, "", None)


class Ticking(Clock):
    """Never tells the same moment twice: the intents of a window share theirs."""

    def __call__(self) -> datetime:
        self.pass_by(milliseconds=1)
        return self.now


def windows(line: Line) -> list[int]:
    """How many requests each window held, in the order of sending."""
    sizes = Counter(one["happened_at"] for one in line.attempts("intent"))
    return [sizes[moment] for moment in sorted(sizes)]


def limited(**headers: object) -> Act:
    return say(429, '{"status": "slow down"}', "retryable", **headers)


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
    line: Line, told: str | None, least: float, most: float
) -> None:
    headers = {} if told is None else {"Retry-After": told}
    line.server.script = in_turn(limited(**headers), TAKEN)
    summary = line.run(many(1))
    assert (line.state(), summary.stop_reason) == ("accepted", None)
    assert least <= sum(line.clock.naps) <= most
    line.check_finished(many(1))


def test_32_a_date_is_waited_for(line: Line) -> None:
    line.server.script = in_turn(limited(Retry_After=date_in(seconds=8)), TAKEN)
    line.run(many(1))
    assert line.state() == "accepted"
    assert 5 < sum(line.clock.naps) < 9


@pytest.mark.parametrize(
    "told",
    ["1000000000000", date_in(days=9), "3600"],
    ids=["endless", "date", "an hour"],
)
def test_32_a_wait_that_is_too_long_ends_the_run(line: Line, told: str) -> None:
    line.server.script = always(limited(Retry_After=told))
    summary = line.run(many(10))
    assert str(summary.stop_reason).startswith("quota: resets in ")
    assert (summary.requests, line.clock.naps) == (1, [])
    assert Counter(line.states().values()) == {"retryable": 1, "pending": 9}
    line.check()
    line.server.script = always(TAKEN)
    line.clock.pass_by(days=1)
    assert line.run(many(10)).unfinished == 0
    line.check_finished(many(10))


@pytest.mark.parametrize("act", [limited(), say(503, "", "retryable", Retry_After=1)])
def test_32_the_window_is_halved(line: Line, act: Act) -> None:
    line.clock = Ticking()
    line.provider.limits = replace(line.provider.limits, in_flight=16)
    line.server.script = lambda order, time: (
        act if order == "O00030" and time == 1 else TAKEN
    )
    line.run(many(90))
    sizes, sent, position = windows(line), 0, 0
    while sent + sizes[position] <= 30:
        sent += sizes[position]
        position += 1
    assert sizes[position] > 3
    assert sizes[position + 1] == sizes[position] // 2
    assert set(line.states().values()) == {"accepted"}
    assert set(line.server.books.counted.values()) == {1}


def test_33_a_spent_quota_ends_the_run(line_anywhere: Line) -> None:
    line = line_anywhere
    spent = {"X-RateLimit-Remaining": 0, "X-RateLimit-Reset": 3600}
    line.server.script = always(limited(**spent))
    summary = line.run(many(10))
    assert summary.stop_reason == "quota: resets in 3600 s"
    assert (summary.requests, summary.unfinished) == (1, 10)
    line.check()
    line.server.script = always(TAKEN)
    line.clock.pass_by(seconds=3601)
    assert line.run(many(10)).unfinished == 0
    line.check_finished(many(10))


def test_33_the_last_request_of_a_quota_counts(line: Line) -> None:
    head = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "3600"}
    last = http(200, '{"status": "accepted"}', **head)
    line.server.script = always(Act(last, "accepted", applies=True, keeps=True))
    summary = line.run(many(10))
    assert summary.stop_reason == "quota: resets in 3600 s"
    assert Counter(line.states().values()) == {"accepted": 1, "pending": 9}
    line.check()


@pytest.mark.parametrize("status", [500, 502, 504, 520])
def test_34_five_percent_fail_once(line: Line, status: int) -> None:
    orders = many(100)
    failing = {one.order_id for one in orders[9::20]}
    broken = say(status, "", None)
    line.server.script = lambda order, time: (
        broken if order in failing and time == 1 else TAKEN
    )
    summary = line.run(orders)
    assert summary.stop_reason is None
    states = line.states()
    safe = line.provider.resend.is_safe
    lost = {order for order, state in states.items() if state != "accepted"}
    assert lost == (set() if safe else failing)
    assert {states[one] for one in lost} <= {"uncertain"}
    assert summary.requests == (105 if safe else 100)
    line.check_finished(orders)


def test_35_unavailable_for_a_long_time_costs_few_of_ten_thousand(line: Line) -> None:
    orders = many(10_000)
    line.server.script = always(say(503, "", None))
    summary = line.run(orders)
    assert str(summary.stop_reason).startswith("failing: ")
    assert len(line.server.seen) == summary.requests <= 20
    states = Counter(line.states().values())
    lost = "retryable" if line.provider.resend.is_safe else "uncertain"
    assert states == {lost: summary.requests, "pending": 10_000 - summary.requests}
    line.later()
    line.run(orders)
    assert len(line.server.seen) < 50
    line.check()


def test_36_unavailable_but_it_says_for_how_long(line_anywhere: Line) -> None:
    line = line_anywhere
    busy = say(503, "", "retryable", Retry_After=2)
    line.server.script = in_turn(busy, TAKEN)
    line.run(many(5))
    assert set(line.states().values()) == {"accepted"}
    assert sum(line.clock.naps) >= 2
    assert len(line.server.seen) == 10
    line.check_finished(many(5))


def test_36_unavailable_for_longer_than_a_run(line: Line) -> None:
    line.server.script = always(say(503, "", "retryable", Retry_After=600))
    line.run(many(3))
    assert set(line.states().values()) == {"retryable"}
    line.check()


def test_37_a_brown_out_above_eight_at_once(line: Line) -> None:
    line.clock = Ticking()
    line.provider.limits = replace(line.provider.limits, in_flight=32)
    line.transport = {"read_seconds": 2}

    def answer_late(connection: socket.socket) -> None:
        time.sleep(0.03)
        time.sleep(0.4 if line.server.busy > 8 else 0)
        connection.sendall(bytes(TAKEN.wire))  # type: ignore[arg-type]

    line.server.script = always(replace(TAKEN, wire=answer_late))
    assert line.run(many(300)).unfinished == 0
    sizes = windows(line)
    assert max(sizes[:10]) >= 8
    later = sizes[len(sizes) // 3 :]
    assert sum(size > 8 for size in later) <= len(later) // 10
    assert sum(later) / len(later) > 4
    assert {one["phase"] for one in line.attempts()} == {Phase.DONE}
    assert set(line.states().values()) == {"accepted"}
    assert set(line.server.books.counted.values()) == {1}


def test_38_every_other_request_fails(line: Line) -> None:
    orders = many(200)
    line.server.script = lambda _order, _time: (
        DOWN if len(line.server.books.journal) % 2 else TAKEN
    )
    summary = line.run(orders)
    assert str(summary.stop_reason).partition(":")[0] in {"failing", "uncertain"}
    assert summary.requests <= 40
    line.check()


def test_38_repeats_are_a_tenth_of_the_first_sends(line: Line) -> None:
    orders = many(300)
    refused = say(429, "", "retryable")
    line.server.script = lambda order, _time: refused if order[-1] in "3579" else TAKEN
    summary = line.run(orders)
    assert summary.stop_reason is None
    assert summary.requests == 300 + 30
    states = Counter(line.states().values())
    assert states == {"accepted": 180, "retryable": 120}
    line.check()
