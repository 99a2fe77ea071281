"""The legal transitions of a delivery."""

from itertools import product

import pytest

from assets.ledger.states import (
    DELIVERED,
    REPLANNABLE,
    TRANSITIONS,
    UNFINISHED,
    IllegalTransitionError,
    State,
    check_transition,
)

BEFORE: list[State | None] = [None, *State]


def test_the_table_covers_every_state() -> None:
    assert set(TRANSITIONS) == set(BEFORE)


@pytest.mark.parametrize(("before", "after"), list(product(BEFORE, State)))
def test_only_transitions_of_the_table_are_legal(
    before: State | None, after: State
) -> None:
    if after in TRANSITIONS[before]:
        check_transition(before, after)
    else:
        with pytest.raises(IllegalTransitionError, match=f"to {after}"):
            check_transition(before, after)


def test_every_state_is_reachable_from_a_new_delivery() -> None:
    reached: set[State] = set()
    fresh = set(TRANSITIONS[None])
    while fresh:
        reached |= fresh
        fresh = {after for one in fresh for after in TRANSITIONS[one]} - reached
    assert reached == set(State)


def test_delivered_states_are_final() -> None:
    assert all(not TRANSITIONS[state] for state in DELIVERED)


def test_a_reply_state_follows_only_from_sending() -> None:
    answered = DELIVERED | {State.QUEUED, State.STAGED}
    unsent = REPLANNABLE | {State.RETRYABLE, State.REJECTED, State.EXHAUSTED}
    for state in unsent:
        assert not TRANSITIONS[state] & answered


def test_a_possibly_applied_delivery_is_never_planned_again() -> None:
    assert not TRANSITIONS[State.UNCERTAIN] & REPLANNABLE
    assert not TRANSITIONS[State.QUEUED] & (
        REPLANNABLE | {State.SENDING, State.RETRYABLE}
    )


def test_a_rejected_order_is_planned_again_or_resent_under_the_resend_rules() -> None:
    for ended in (State.REJECTED, State.EXHAUSTED):
        assert TRANSITIONS[ended] == {
            State.PENDING,
            State.SUPPRESSED,
            State.RETRYABLE,
        }


def test_a_final_state_needs_no_other_run() -> None:
    assert not UNFINISHED & (DELIVERED | {State.REJECTED, State.EXHAUSTED})


def test_the_error_names_the_legal_transitions() -> None:
    with pytest.raises(IllegalTransitionError, match="legal: none"):
        check_transition(State.ACCEPTED, State.SENDING)
    with pytest.raises(IllegalTransitionError, match=r"legal: pending\."):
        check_transition(State.STAGED, State.ACCEPTED)
