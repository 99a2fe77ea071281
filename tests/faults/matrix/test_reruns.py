"""Fault matrix, rows 48 and 49: a partition may be run again at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.engine import many, order
from support.raw_server import TAKEN, Response, always, reset, respond

if TYPE_CHECKING:
    from support.harness import Harness

NEXT_DAY = "2026-11-21"


@pytest.mark.sampled(1)
def test_48_only_what_is_unfinished_is_sent_again(
    db_harness: Harness,
) -> None:
    harness, orders = db_harness, many(40)
    failing = {one.order_id for one in orders[::8]}
    busy = respond(429, "", "retryable")
    harness.server.script = lambda one, _: busy if one in failing else TAKEN
    assert harness.run(orders).unfinished == len(failing)
    harness.check()
    harness.server.script = always(TAKEN)
    harness.later()
    before = len(harness.server.log.orders)
    assert harness.run(orders).unfinished == 0
    assert sorted(harness.server.log.orders[before:]) == sorted(failing)
    harness.check_finished(orders)


@pytest.mark.sampled(2)
def test_48_a_rerun_of_a_finished_day_sends_nothing(
    db_harness: Harness,
) -> None:
    orders = many(30)
    db_harness.run(orders)
    db_harness.clock.pass_by(days=2)
    db_harness.check_finished(orders)
    assert len(db_harness.server.seen) == 30


@pytest.mark.sampled(1)
def test_48_what_may_have_counted_is_in_no_rerun_of_a_never_provider(
    harness: Harness,
) -> None:
    orders = many(30)
    lost = {one.order_id for one in orders[::10]}
    harness.server.script = lambda one, time: (
        Response(reset, counts=True) if one in lost and time == 1 else TAKEN
    )
    harness.run(orders)
    for _ in range(3):
        harness.later()
        harness.run(orders)
    state = "duplicate" if harness.provider.resend.is_safe else "uncertain"
    assert {harness.state(one) for one in lost} == {state}
    assert set(harness.server.log.counted.values()) == {1}
    harness.check_finished(orders)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("lost", [False, True], ids=["answered", "lost"])
def test_49_an_order_that_moved_to_another_day_is_sent_once(
    db_harness: Harness, lost: bool
) -> None:
    harness, moved = db_harness, order("O00003")
    if lost:
        harness.server.script = lambda one, time: (
            Response(reset, counts=True) if one == "O00003" and time == 1 else TAKEN
        )
    harness.run(many(5))
    before = harness.state("O00003")
    harness.later()
    harness.run([moved, order("O00009")], partition_key=NEXT_DAY)
    assert len(harness.rows()) == 6
    assert harness.row("O00003")["partition_key"] == NEXT_DAY
    assert harness.state("O00003") == before
    assert set(harness.server.log.counted.values()) == {1}
    harness.run(many(5))
    harness.run([moved, order("O00009")], partition_key=NEXT_DAY)
    assert set(harness.server.log.counted.values()) == {1}
    harness.check()
