"""Many deliveries are settled at once; what may have counted is not sent unsaid."""

from typing import Any

import pytest

from assets.ledger.database import Database
from assets.ledger.states import State
from assets.resolution.resolve import Chosen, ResolveError, resolve_all
from support.engine import (
    DAY,
    LOST,
    NEVER,
    NOW,
    REFUSED,
    Bench,
    FakeTransport,
    answer,
    order,
)

ORDERS = [order(f"O{number}") for number in range(4)]


def close(bench: Bench, state: State, **changes: Any) -> list[str]:
    said: dict[str, Any] = {"is_delivered": False, "by": "ada", "why": "limit lifted"}
    which = {
        name: changes.pop(name) for name in ("reason", "order_ids") if name in changes
    }
    chosen = Chosen(destination="shop", first=DAY, last=DAY, state=state, **which)
    done = resolve_all(bench.database, chosen, **said | changes, clock=lambda: NOW)
    return [one.order_id for one in done]


@pytest.fixture
def refused(database: Database) -> Bench:
    """Orders that the provider refused."""
    replies = {one.order_id: answer(400) for one in ORDERS}
    bench = Bench(database, transport=FakeTransport(replies))
    bench.run(ORDERS)
    assert set(bench.states().values()) == {"rejected"}
    bench.transport = FakeTransport()
    return bench


@pytest.fixture
def exhausted(database: Database) -> Bench:
    """Orders that were tried for three nights, each connection refused."""
    replies = {one.order_id: answer(503) for one in ORDERS}
    bench = Bench(database, transport=FakeTransport(replies))
    bench.run(ORDERS)
    bench.clock.pass_by(hours=80)
    bench.run(ORDERS)
    assert set(bench.states().values()) == {"exhausted"}
    bench.transport = FakeTransport()
    return bench


def test_what_was_refused_is_sent_by_the_next_run(refused: Bench) -> None:
    assert close(refused, State.REJECTED) == ["O0", "O1", "O2", "O3"]
    refused.run(ORDERS)
    assert set(refused.states().values()) == {"accepted"}


def test_each_decision_is_kept(refused: Bench) -> None:
    close(refused, State.REJECTED)
    kept = refused.attempts("manual")
    assert [one["decided_by"] for one in kept] == ["ada"] * 4
    assert {one["detail"] for one in kept} == {"limit lifted"}


def test_doing_it_again_finds_none_and_changes_nothing(refused: Bench) -> None:
    close(refused, State.REJECTED)
    before = refused.rows()
    with pytest.raises(ResolveError, match="got none"):
        close(refused, State.REJECTED)
    assert refused.rows() == before


def test_only_those_with_a_reason(refused: Bench) -> None:
    with pytest.raises(ResolveError, match="got none"):
        close(refused, State.REJECTED, reason="other")
    reason = refused.row("O0")["state_reason"]
    assert len(close(refused, State.REJECTED, reason=reason)) == 4


def test_only_those_of_a_list_and_all_of_them(refused: Bench) -> None:
    with pytest.raises(ResolveError, match=r"1 that are not \(O9\)"):
        close(refused, State.REJECTED, order_ids=["O1", "O9"])
    assert set(refused.states().values()) == {"rejected"}
    assert close(refused, State.REJECTED, order_ids=["O1"]) == ["O1"]


def test_what_was_refused_is_not_called_delivered(refused: Bench) -> None:
    with pytest.raises(ResolveError, match="may become accepted"):
        close(refused, State.REJECTED, is_delivered=True)


def test_what_may_have_counted_is_not_sent_again_unsaid(exhausted: Bench) -> None:
    assert exhausted.row("O0")["first_sent_at"] is not None
    with pytest.raises(ResolveError, match="got 4 that were and may have counted"):
        close(exhausted, State.EXHAUSTED)
    assert set(exhausted.states().values()) == {"exhausted"}
    assert exhausted.attempts("manual") == []
    close(exhausted, State.EXHAUSTED, may_repeat=True)
    exhausted.run(ORDERS)
    assert set(exhausted.states().values()) == {"accepted"}


def test_nor_what_nobody_answered_for(database: Database) -> None:
    bench = Bench(database, transport=FakeTransport({"O1": LOST}))
    bench.provider.resend = NEVER
    bench.run([order()])
    with pytest.raises(ResolveError, match="may have counted"):
        close(bench, State.UNCERTAIN)
    assert close(bench, State.UNCERTAIN, is_delivered=True) == ["O1"]
    assert bench.states() == {"O1": "accepted"}


def test_what_was_never_sent_needs_no_more_words(database: Database) -> None:
    replies = {one.order_id: REFUSED for one in ORDERS}
    bench = Bench(database, transport=FakeTransport(replies))
    bench.run(ORDERS)
    assert bench.row("O0")["first_sent_at"] is None
    with bench.database.write() as connection:
        connection.exec_driver_sql("update delivery set state = 'exhausted'")
    assert len(close(bench, State.EXHAUSTED)) == 4
