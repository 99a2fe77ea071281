"""Fault matrix, rows 50 and 53: the clock jumps, the delivery tables are locked.

In doubt a run waits, or leaves an order to a person. It never sends early.
"""

from __future__ import annotations

from threading import Timer
from typing import TYPE_CHECKING, Any

import pytest

from support.engine import many
from support.raw_server import TAKEN, Response, always, in_turn, reset, respond

if TYPE_CHECKING:
    from collections.abc import Callable

    from assets.ledger.database import Database
    from support.harness import Harness


@pytest.mark.sampled(1)
def test_50_a_clock_that_jumps_back_brings_no_early_repeat(
    db_harness: Harness,
) -> None:
    harness, orders = db_harness, many(5)
    harness.server.script = always(respond(503, "", "retryable", Retry_After=600))
    harness.run(orders)
    harness.server.script = always(TAKEN)
    harness.clock.pass_by(hours=-1)
    assert (harness.run(orders).requests, len(harness.server.log.orders)) == (0, 5)
    harness.clock.pass_by(hours=2)
    assert harness.run(orders).unfinished == 0
    harness.check_finished(orders)


def test_50_a_clock_that_jumps_a_day_ahead_forgets_no_lost_reply(
    harness: Harness,
) -> None:
    """The provider may not know the order again: as if a day had really passed."""
    harness.server.script = in_turn(Response(reset, counts=True), TAKEN)
    harness.run(many(1), limit=1)
    harness.clock.pass_by(days=1, seconds=1)
    harness.run(many(1))
    row = harness.row("O00000")
    if harness.provider.resend.is_safe:
        reason = "dedup_window_over"
        assert (row["state"], row["state_reason"]) == ("exhausted", reason)
    else:
        assert row["state"] == "uncertain"
    assert harness.server.log.orders == ["O00000"]
    harness.check_finished(many(1))


def test_50_a_clock_that_jumps_in_mid_run_changes_no_outcome(
    harness: Harness,
) -> None:
    def jump(connection: Any) -> None:
        harness.clock.pass_by(hours=-1 if len(harness.server.log.orders) % 2 else 25)
        connection.sendall(TAKEN.wire)

    jumps = Response(jump, TAKEN.verdict, counts=True, keep_alive=True)
    harness.server.script = lambda order, _: jumps if order.endswith("5") else TAKEN
    assert harness.run(many(30)).unfinished == 0
    assert set(harness.states().values()) == {"accepted"}
    assert set(harness.server.log.counted.values()) == {1}
    harness.check_finished(many(30))


def lock_tables(database: Database) -> Callable[[], None]:
    """Keep everybody else from writing deliveries; return what ends it."""
    writer = database.engine.execution_options(write=True).connect()
    writer.begin()
    if database.folder is None:
        writer.exec_driver_sql("lock table delivery in exclusive mode")
    return writer.close


@pytest.mark.sampled(2)
@pytest.mark.parametrize("at", [1, 7])
def test_53_locked_delivery_tables_are_waited_for(db_harness: Harness, at: int) -> None:
    """Somebody writes while answers come in; outcomes and claims wait for him."""
    harness = db_harness

    def lock(connection: Any) -> None:
        Timer(0.3, lock_tables(harness.database)).start()
        connection.sendall(TAKEN.wire)

    locks = Response(lock, TAKEN.verdict, counts=True, keep_alive=True)
    harness.server.script = lambda order, _: locks if order == f"O{at:05}" else TAKEN
    assert harness.run(many(20)).unfinished == 0
    assert set(harness.states().values()) == {"accepted"}
    harness.check_finished(many(20))
