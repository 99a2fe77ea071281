"""Fault matrix, rows 48 and 49: a partition is a window that may be run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.engine import many, order
from support.raw_server import TAKEN, Act, always, reset, say

if TYPE_CHECKING:
    from support.line import Line

NEXT_DAY = "2026-11-21"


def test_48_only_what_is_unfinished_is_sent_again(line_anywhere: Line) -> None:
    line, orders = line_anywhere, many(40)
    failing = {one.order_id for one in orders[::8]}
    busy = say(429, "", "retryable")
    line.server.script = lambda one, _: busy if one in failing else TAKEN
    assert line.run(orders).unfinished == len(failing)
    line.check()
    line.server.script = always(TAKEN)
    line.later()
    before = len(line.server.books.orders)
    assert line.run(orders).unfinished == 0
    assert sorted(line.server.books.orders[before:]) == sorted(failing)
    line.check_finished(orders)


def test_48_a_good_day_run_again_sends_nothing(line_anywhere: Line) -> None:
    orders = many(30)
    line_anywhere.run(orders)
    line_anywhere.clock.pass_by(days=2)
    line_anywhere.check_finished(orders)
    assert len(line_anywhere.server.seen) == 30


def test_48_what_may_have_counted_is_in_no_rerun_of_a_never_provider(
    line: Line,
) -> None:
    orders = many(30)
    lost = {one.order_id for one in orders[::10]}
    line.server.script = lambda one, time: (
        Act(reset, applies=True) if one in lost and time == 1 else TAKEN
    )
    line.run(orders)
    for _ in range(3):
        line.later()
        line.run(orders)
    state = "duplicate" if line.provider.resend.is_safe else "uncertain"
    assert {line.state(one) for one in lost} == {state}
    assert set(line.server.books.counted.values()) == {1}
    line.check_finished(orders)


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "lost"])
def test_49_an_order_that_moved_to_another_day_is_sent_once(
    line_anywhere: Line, lost: bool
) -> None:
    line, moved = line_anywhere, order("O00003")
    if lost:
        line.server.script = lambda one, time: (
            Act(reset, applies=True) if one == "O00003" and time == 1 else TAKEN
        )
    line.run(many(5))
    before = line.state("O00003")
    line.later()
    line.run([moved, order("O00009")], partition_key=NEXT_DAY)
    assert len(line.rows()) == 6
    assert line.row("O00003")["partition_key"] == NEXT_DAY
    assert line.state("O00003") == before
    assert set(line.server.books.counted.values()) == {1}
    line.run(many(5))
    line.run([moved, order("O00009")], partition_key=NEXT_DAY)
    assert set(line.server.books.counted.values()) == {1}
    line.check()
