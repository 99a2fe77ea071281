"""Convert: how a refused batch is taken apart, and with how many requests."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import combinations

import pytest

from assets.providers.conversion import Conversion
from assets.providers.convert.bisection import bisect_refused
from assets.providers.replies import Outcome, Phase, Reply, Verdict
from support.convert_account import (
    answer,
    broken,
    converse,
    convert,
    one_order_per_visitor,
    refusing,
    verdicts,
)

MakeConversion = Callable[..., Conversion]

REFUSED = Outcome(verdict=Verdict.REJECTED, reason="http_400")
ACCEPTED = Outcome(verdict=Verdict.ACCEPTED)


def test_one_bad_order_is_found_by_bisection(conversion: MakeConversion) -> None:
    exchange = convert().exchange(one_order_per_visitor(conversion, *"abcdefgh"))
    asked, outcomes = converse(exchange, refusing("f"))
    # "efgh" holds the bad one, since "abcd" passed: it is not sent as a whole.
    assert ["".join(request) for request in asked] == [
        *("abcdefgh", "abcd", "ef", "e", "f", "gh")
    ]
    assert verdicts(outcomes) == [*["accepted"] * 5, "rejected", *["accepted"] * 2]
    assert outcomes[5].reason == "http_400"


def requests_for(count: int, *bad: int) -> int:
    """How many requests it takes to tell these bad orders of so many."""
    search = bisect_refused(range(count))
    asked = next(search)
    requests = 1
    told: list[int] = []
    try:
        while True:
            refused = set(bad) & set(asked)
            told += [] if refused else asked
            asked = search.send(REFUSED if refused else ACCEPTED)
            requests += 1
    except StopIteration as over:
        outcomes = over.value
    assert {one for one in outcomes if outcomes[one] is REFUSED} == set(bad)
    assert sorted(told) == sorted(set(range(count)) - set(bad))
    return requests


def test_all_good_takes_one_request() -> None:
    assert requests_for(50) == 1


def test_one_bad_of_fifty_takes_at_most_nine_requests() -> None:
    # The whole, six halvings, the bad one alone, what waited: 13 where all halves go.
    needed = [requests_for(50, bad) for bad in range(50)]
    assert max(needed) == 9
    assert sum(needed) / len(needed) < 8.5


def test_two_bad_of_fifty_take_at_most_eighteen_requests() -> None:
    # 23 where all halves go.
    needed = [requests_for(50, *bad) for bad in combinations(range(50), 2)]
    assert max(needed) == 18
    assert sum(needed) / len(needed) < 15.5


def test_fifty_bad_of_fifty_take_at_most_three_requests_each() -> None:
    assert requests_for(50, *range(50)) <= 150


@pytest.mark.parametrize("bad", range(50))
def test_one_bad_of_fifty_is_rejected_alone(
    conversion: MakeConversion, bad: int
) -> None:
    names = [f"{number:02}" for number in range(50)]
    exchange = convert().exchange(one_order_per_visitor(conversion, *names))
    asked, outcomes = converse(exchange, refusing(names[bad]))
    assert [names[bad]] in asked
    assert verdicts(outcomes) == [
        "rejected" if name == names[bad] else "accepted" for name in names
    ]


def test_each_refused_order_has_the_reason_it_was_refused_for_alone(
    conversion: MakeConversion,
) -> None:
    def reply_to(asked: list[str]) -> Reply:
        if "a" in asked:
            return answer(400)
        return answer(422 if "d" in asked else 200)

    exchange = convert().exchange(one_order_per_visitor(conversion, *"abcd"))
    _, outcomes = converse(exchange, reply_to)
    assert [one.reason for one in outcomes] == ["http_400", None, None, "http_422"]


def test_no_order_is_rejected_that_passes_alone(conversion: MakeConversion) -> None:
    """Convert may refuse two orders together of which it takes each."""
    exchange = convert().exchange(one_order_per_visitor(conversion, *"abcdef"))
    asked, outcomes = converse(
        exchange, lambda orders: answer(400 if {"b", "e"} <= set(orders) else 200)
    )
    assert verdicts(outcomes) == ["accepted"] * 6
    assert max(sum(one in request for request in asked[1:]) for one in "abcdef") == 1


def test_a_batch_that_is_too_large_is_sent_in_smaller_parts(
    conversion: MakeConversion,
) -> None:
    exchange = convert().exchange(one_order_per_visitor(conversion, *"abcdefg"))
    asked, outcomes = converse(
        exchange, lambda orders: answer(413 if len(orders) > 2 else 200)
    )
    assert ["".join(one) for one in asked] == [
        *("abcdefg", "abcd", "ab", "cd", "ef", "g")
    ]
    assert verdicts(outcomes) == ["accepted"] * 7


def test_an_order_that_is_too_large_alone_is_rejected(
    conversion: MakeConversion,
) -> None:
    exchange = convert().exchange(one_order_per_visitor(conversion, *"abc"))
    _, outcomes = converse(
        exchange, lambda orders: answer(413 if "b" in orders else 200)
    )
    assert [one.reason for one in outcomes] == [None, "http_413", None]


def test_what_was_accepted_is_never_sent_again(
    conversion: MakeConversion,
) -> None:
    bad = {"b", "e", "g"}
    taken: list[str] = []

    def reply_to(asked: list[str]) -> Reply:
        if bad & set(asked):
            return answer(422)
        taken.extend(asked)
        return answer(200)

    names = "abcdefg"
    _, outcomes = converse(
        convert().exchange(one_order_per_visitor(conversion, *names)), reply_to
    )
    assert sorted(taken) == sorted(set(names) - bad)
    assert verdicts(outcomes) == [
        "rejected" if name in bad else "accepted" for name in names
    ]


def test_outcomes_stand_in_the_order_of_the_batch(
    conversion: MakeConversion,
) -> None:
    batch = one_order_per_visitor(conversion, "c", "a", "b")
    _, outcomes = converse(convert().exchange(batch), refusing("c"))
    assert verdicts(outcomes) == ["rejected", "accepted", "accepted"]


def test_the_orders_of_one_visitor_are_bisected_as_well(
    conversion: MakeConversion,
) -> None:
    first = conversion(order_id="1")
    batch = [
        replace(
            first,
            order_id=str(number),
            completed_at=first.completed_at + timedelta(minutes=number),
        )
        for number in range(1, 4)
    ]
    asked, outcomes = converse(convert().exchange(batch), refusing("3"))
    assert asked == [["1", "2", "3"], ["1", "2"], ["3"]]
    assert verdicts(outcomes) == ["accepted", "accepted", "rejected"]


def test_a_half_stores_only_its_own_orders_at_their_positions(
    conversion: MakeConversion,
) -> None:
    exchange = convert().exchange(one_order_per_visitor(conversion, "a", "b"))
    whole = next(exchange)
    half = exchange.send(answer(400))
    assert (whole.positions, half.positions) == ((0, 1), (0,))
    assert [len(request.stored) for request in (whole, half)] == [2, 1]
    assert half.stored[0]["order_id"] == "a"


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (answer(500), "uncertain"),
        (answer(200, b"<html>"), "uncertain"),
        (answer(200, b'{"error": "x"}'), "uncertain"),
        (broken(Phase.WAITING), "uncertain"),
        (answer(429, retry_after="5"), "retryable"),
        (answer(503, retry_after="5"), "retryable"),
    ],
)
def test_trouble_with_a_half_is_about_that_half_only(
    conversion: MakeConversion, reply: Reply, verdict: str
) -> None:
    """The rest was refused with the whole batch, so none of it was counted."""
    replies = iter([answer(400), answer(200), reply])
    exchange = convert().exchange(one_order_per_visitor(conversion, *"abcdefgh"))
    asked, outcomes = converse(exchange, lambda _: next(replies))
    assert ["".join(one) for one in asked] == ["abcdefgh", "abcd", "ef"]
    assert verdicts(outcomes) == [
        *["accepted"] * 4,
        *[verdict] * 2,
        *["retryable"] * 2,
    ]
    assert {one.reason for one in outcomes[6:]} == {"not_sent"}
    assert {one.retry_after_s for one in outcomes[4:]} == (
        {5.0} if verdict == "retryable" else {None}
    )


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (answer(401), "configuration"),
        (answer(404), "configuration"),
        (broken(Phase.CONNECTING), "retryable"),
        (broken(Phase.NONE), "retryable"),
    ],
)
def test_what_could_not_be_sent_any_more_is_retried(
    conversion: MakeConversion, reply: Reply, verdict: str
) -> None:
    replies = iter([answer(400), answer(400), answer(200), reply])
    exchange = convert().exchange(one_order_per_visitor(conversion, "a", "b", "c", "d"))
    asked, outcomes = converse(exchange, lambda _: next(replies))
    assert asked == [["a", "b", "c", "d"], ["a", "b"], ["a"], ["b"]]
    assert verdicts(outcomes) == ["accepted", verdict, "retryable", "retryable"]
    assert [outcome.reason for outcome in outcomes[2:]] == ["not_sent", "not_sent"]
