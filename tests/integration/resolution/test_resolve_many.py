"""Many deliveries are resolved at once; repeats that may count twice need a flag."""

from typing import Any

import pytest

from assets.ledger.database import Database
from assets.ledger.states import State
from assets.resolution.resolve import ResolveError, Selection, resolve_all
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

LONG = {"postgresql"}

ORDERS = [order(f"O{number}") for number in range(4)]


def resolve_orders(bench: Bench, state: State, **changes: Any) -> list[str]:
    options: dict[str, Any] = {
        "is_delivered": False,
        "by": "ada",
        "why": "limit lifted",
    }
    which = {
        name: changes.pop(name) for name in ("reason", "order_ids") if name in changes
    }
    selection = Selection(destination="shop", first=DAY, last=DAY, state=state, **which)
    done = resolve_all(
        bench.database, selection, **options | changes, clock=lambda: NOW
    )
    return [one.order_id for one in done]


@pytest.fixture
def rejected(database: Database) -> Bench:
    """Orders that the provider rejected."""
    replies = {one.order_id: answer(400) for one in ORDERS}
    bench = Bench(database, transport=FakeTransport(replies))
    bench.run(ORDERS)
    assert set(bench.states().values()) == {"rejected"}
    bench.transport = FakeTransport()
    return bench


@pytest.fixture
def exhausted(database: Database) -> Bench:
    """Orders that were tried for three nights, each answered with 503."""
    replies = {one.order_id: answer(503) for one in ORDERS}
    bench = Bench(database, transport=FakeTransport(replies))
    bench.run(ORDERS)
    bench.clock.pass_by(hours=80)
    bench.run(ORDERS)
    assert set(bench.states().values()) == {"exhausted"}
    bench.transport = FakeTransport()
    return bench


def test_reopened_rejected_orders_are_sent_by_the_next_run(rejected: Bench) -> None:
    assert resolve_orders(rejected, State.REJECTED) == ["O0", "O1", "O2", "O3"]
    rejected.run(ORDERS)
    assert set(rejected.states().values()) == {"accepted"}


def test_each_decision_is_stored(rejected: Bench) -> None:
    resolve_orders(rejected, State.REJECTED)
    stored = rejected.attempts("manual")
    assert [one["decided_by"] for one in stored] == ["ada"] * 4
    assert {one["detail"] for one in stored} == {"limit lifted"}


def test_resolving_again_finds_none_and_changes_nothing(rejected: Bench) -> None:
    resolve_orders(rejected, State.REJECTED)
    before = rejected.rows()
    with pytest.raises(ResolveError, match="got none"):
        resolve_orders(rejected, State.REJECTED)
    assert rejected.rows() == before


def test_only_deliveries_with_the_given_reason_are_resolved(rejected: Bench) -> None:
    with pytest.raises(ResolveError, match="got none"):
        resolve_orders(rejected, State.REJECTED, reason="other")
    reason = rejected.row("O0")["state_reason"]
    assert len(resolve_orders(rejected, State.REJECTED, reason=reason)) == 4


def test_only_listed_orders_are_resolved_and_all_must_exist(rejected: Bench) -> None:
    with pytest.raises(ResolveError, match=r"1 that are not \(O9\)"):
        resolve_orders(rejected, State.REJECTED, order_ids=["O1", "O9"])
    assert set(rejected.states().values()) == {"rejected"}
    assert resolve_orders(rejected, State.REJECTED, order_ids=["O1"]) == ["O1"]


def test_rejected_orders_cannot_be_resolved_as_delivered(rejected: Bench) -> None:
    with pytest.raises(ResolveError, match="may become accepted"):
        resolve_orders(rejected, State.REJECTED, is_delivered=True)


def test_orders_that_may_have_counted_are_resent_only_with_may_repeat(
    exhausted: Bench,
) -> None:
    assert exhausted.row("O0")["first_sent_at"] is not None
    with pytest.raises(ResolveError, match="got 4 that were and may have counted"):
        resolve_orders(exhausted, State.EXHAUSTED)
    assert set(exhausted.states().values()) == {"exhausted"}
    assert exhausted.attempts("manual") == []
    resolve_orders(exhausted, State.EXHAUSTED, may_repeat=True)
    exhausted.run(ORDERS)
    assert set(exhausted.states().values()) == {"accepted"}


def test_orders_without_a_reply_are_not_resent_without_may_repeat(
    database: Database,
) -> None:
    bench = Bench(database, transport=FakeTransport({"O1": LOST}))
    bench.provider.resend = NEVER
    bench.run([order()])
    with pytest.raises(ResolveError, match="may have counted"):
        resolve_orders(bench, State.UNCERTAIN)
    assert resolve_orders(bench, State.UNCERTAIN, is_delivered=True) == ["O1"]
    assert bench.states() == {"O1": "accepted"}


def test_never_sent_orders_need_no_may_repeat(database: Database) -> None:
    replies = {one.order_id: REFUSED for one in ORDERS}
    bench = Bench(database, transport=FakeTransport(replies))
    bench.run(ORDERS)
    assert bench.row("O0")["first_sent_at"] is None
    with bench.database.write() as connection:
        connection.exec_driver_sql("update delivery set state = 'exhausted'")
    assert len(resolve_orders(bench, State.EXHAUSTED)) == 4
