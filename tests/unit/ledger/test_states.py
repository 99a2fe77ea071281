"""Which ways a delivery may go, and that there is no other."""

from itertools import product

import pytest

from assets.ledger.states import (
    DELIVERED,
    RERUN_HELPS,
    SOFT,
    TRANSITIONS,
    IllegalTransitionError,
    State,
    check,
)

BEFORE: list[State | None] = [None, *State]


def test_the_table_speaks_of_every_state() -> None:
    assert set(TRANSITIONS) == set(BEFORE)


@pytest.mark.parametrize(("before", "after"), list(product(BEFORE, State)))
def test_only_the_ways_of_the_table_exist(before: State | None, after: State) -> None:
    if after in TRANSITIONS[before]:
        check(before, after)
    else:
        with pytest.raises(IllegalTransitionError, match=f"to {after}"):
            check(before, after)


def test_every_state_can_be_reached_from_nothing() -> None:
    reached: set[State] = set()
    fresh = set(TRANSITIONS[None])
    while fresh:
        reached |= fresh
        fresh = {after for one in fresh for after in TRANSITIONS[one]} - reached
    assert reached == set(State)


def test_what_is_delivered_stays_delivered() -> None:
    assert all(not TRANSITIONS[state] for state in DELIVERED)


def test_bytes_leave_only_through_sending() -> None:
    answered = DELIVERED | {State.QUEUED, State.STAGED}
    unsent = SOFT | {State.RETRYABLE, State.REJECTED, State.EXHAUSTED}
    for state in unsent:
        assert not TRANSITIONS[state] & answered


def test_what_may_have_been_applied_never_becomes_fresh_again() -> None:
    assert not TRANSITIONS[State.UNCERTAIN] & SOFT
    assert not TRANSITIONS[State.QUEUED] & (SOFT | {State.SENDING, State.RETRYABLE})


def test_a_refused_order_comes_back_under_the_resend_rules_or_as_fresh() -> None:
    for ended in (State.REJECTED, State.EXHAUSTED):
        assert TRANSITIONS[ended] == {
            State.PENDING,
            State.SUPPRESSED,
            State.RETRYABLE,
        }


def test_a_final_state_never_calls_for_another_run() -> None:
    assert not RERUN_HELPS & (DELIVERED | {State.REJECTED, State.EXHAUSTED})


def test_the_refusal_names_the_legal_ways() -> None:
    with pytest.raises(IllegalTransitionError, match="legal: none"):
        check(State.ACCEPTED, State.SENDING)
    with pytest.raises(IllegalTransitionError, match=r"legal: pending\."):
        check(State.STAGED, State.ACCEPTED)
