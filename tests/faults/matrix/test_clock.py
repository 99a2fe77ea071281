"""Fault matrix, rows 50 and 53: the clock jumps, the delivery tables are locked.

When in doubt a run waits, or leaves an order to a person; it never sends early.
"""

from __future__ import annotations

from threading import Timer
from typing import TYPE_CHECKING, Any

import pytest

from support.engine import many
from support.raw_server import TAKEN, Act, always, in_turn, reset, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from assets.ledger.database import Database
    from support.line import Line


def test_50_a_clock_that_jumps_back_brings_no_early_repeat(line_anywhere: Line) -> None:
    line, orders = line_anywhere, many(5)
    line.server.script = always(say(503, "", "retryable", Retry_After=600))
    line.run(orders)
    line.server.script = always(TAKEN)
    line.clock.pass_by(hours=-1)
    assert (line.run(orders).requests, len(line.server.books.orders)) == (0, 5)
    line.clock.pass_by(hours=2)
    assert line.run(orders).unfinished == 0
    line.check_finished(orders)


def test_50_a_clock_that_jumps_a_day_ahead_forgets_no_lost_reply(line: Line) -> None:
    """The provider may not know the order again: as if a day had really passed."""
    line.server.script = in_turn(Act(reset, applies=True), TAKEN)
    line.run(many(1), limit=1)
    line.clock.pass_by(days=1, seconds=1)
    line.run(many(1))
    row = line.row("O00000")
    if line.provider.resend.is_safe:
        reason = "dedup_window_over"
        assert (row["state"], row["state_reason"]) == ("exhausted", reason)
    else:
        assert row["state"] == "uncertain"
    assert line.server.books.orders == ["O00000"]
    line.check_finished(many(1))


def test_50_a_clock_that_jumps_in_mid_run_changes_no_outcome(line: Line) -> None:
    def jump(connection: Any) -> None:
        line.clock.pass_by(hours=-1 if len(line.server.books.orders) % 2 else 25)
        connection.sendall(TAKEN.wire)

    jumps = Act(jump, TAKEN.says, applies=True, keeps=True)
    line.server.script = lambda order, _: jumps if order.endswith("5") else TAKEN
    assert line.run(many(30)).unfinished == 0
    assert set(line.states().values()) == {"accepted"}
    assert set(line.server.books.counted.values()) == {1}
    line.check_finished(many(30))


def lock_tables(database: Database) -> Callable[[], None]:
    """Keep everybody else from writing deliveries; return what ends it."""
    writer = database.engine.execution_options(write=True).connect()
    writer.begin()
    if database.folder is None:
        writer.exec_driver_sql("lock table delivery in exclusive mode")
    return writer.close


@pytest.mark.parametrize("at", [1, 7])
def test_53_locked_delivery_tables_are_waited_for(line_anywhere: Line, at: int) -> None:
    """Somebody writes while answers come in; outcomes and claims wait for him."""
    line = line_anywhere

    def lock(connection: Any) -> None:
        Timer(0.3, lock_tables(line.database)).start()
        connection.sendall(TAKEN.wire)

    locks = Act(lock, TAKEN.says, applies=True, keeps=True)
    line.server.script = lambda order, _: locks if order == f"O{at:05}" else TAKEN
    assert line.run(many(20)).unfinished == 0
    assert set(line.states().values()) == {"accepted"}
    line.check_finished(many(20))
