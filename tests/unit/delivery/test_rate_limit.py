"""Rate limit, concurrency window and retry budget."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from assets.delivery.rate_limit import ConcurrencyWindow, RateLimit, RetryBudget
from assets.providers.base import Limits
from assets.providers.replies import Outcome, Phase, Reply, Verdict


class Seconds:
    """A clock of seconds; sleeping moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.naps.append(seconds)
        self.now += seconds

    def pace(self, limits: Limits) -> RateLimit:
        return RateLimit(limits, monotonic=lambda: self.now, sleep=self.sleep)


@pytest.mark.parametrize(
    ("limits", "interval"),
    [
        (Limits(), 0),
        (Limits(requests_per_second=4), 0.25),
        (Limits(requests_per_hour=1000), 3.6),
        (Limits(requests_per_second=10, requests_per_hour=3600), 1),
        (Limits(requests_per_second=0.5, requests_per_hour=36_000), 2),
    ],
)
def test_the_slower_limit_counts(limits: Limits, interval: float) -> None:
    assert Seconds().pace(limits).interval == interval


def test_without_a_limit_there_is_no_wait() -> None:
    seconds = Seconds()
    pace = seconds.pace(Limits())
    for _ in range(10):
        pace.wait()
    assert seconds.naps == []


def test_requests_are_spaced_and_the_first_goes_at_once() -> None:
    seconds = Seconds()
    pace = seconds.pace(Limits(requests_per_second=4))
    for _ in range(5):
        pace.wait()
    assert seconds.naps == [0.25] * 4


def test_time_spent_elsewhere_shortens_the_wait_and_is_not_saved() -> None:
    seconds = Seconds()
    pace = seconds.pace(Limits(requests_per_second=4))
    pace.wait()
    seconds.now += 10
    for _ in range(3):
        pace.wait()
    assert seconds.naps == [0.25, 0.25]


def test_threads_take_turns() -> None:
    naps: list[float] = []
    pace = RateLimit(
        Limits(requests_per_second=10), monotonic=lambda: 0.0, sleep=naps.append
    )
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: pace.wait(), range(20)))
    slots = sorted(round(nap, 6) for nap in naps)
    assert slots == [round(number / 10, 6) for number in range(1, 20)]


GOOD = Reply(phase=Phase.DONE, status=200, duration_s=0.05)
SLOW = Reply(phase=Phase.DONE, status=200, duration_s=1.0)
BUSY = Reply(phase=Phase.DONE, status=429)
LOST = Reply(phase=Phase.WAITING)
TAKEN = Outcome(verdict=Verdict.ACCEPTED)
REFUSED = Outcome(verdict=Verdict.REJECTED)


def grown(window: ConcurrencyWindow, rounds: int) -> ConcurrencyWindow:
    for _ in range(rounds):
        window.record([GOOD], [TAKEN])
    return window


def test_a_window_is_one_until_something_succeeded() -> None:
    window = ConcurrencyWindow(32)
    for _ in range(5):
        window.record([GOOD], [REFUSED])
    assert window.size == 1
    window.record([GOOD], [TAKEN])
    assert window.size == 2


def test_a_window_doubles_up_to_its_cap() -> None:
    assert [grown(ConcurrencyWindow(32), rounds).size for rounds in range(7)] == [
        *(1, 2, 4, 8, 16, 32, 32)
    ]
    assert grown(ConcurrencyWindow(8), 50).size == 8


@pytest.mark.parametrize("reply", [BUSY, LOST, SLOW])
def test_overload_halves_the_window(reply: Reply) -> None:
    window = grown(ConcurrencyWindow(32), 4)
    window.record([GOOD, reply, reply], [TAKEN])
    assert window.size == 8
    assert grown(window, 3).size == 11


def test_the_size_that_caused_overload_is_tried_again_late() -> None:
    window = grown(ConcurrencyWindow(10), 4)
    window.record([LOST], [TAKEN])
    assert grown(window, 19).size == 9
    assert grown(window, 2).size == 10


@pytest.mark.parametrize(
    ("interval", "size"), [(0.0, 32), (0.5, 32), (3.6, 8), (20.0, 1), (90.0, 1)]
)
def test_a_window_lasts_at_most_half_a_minute(interval: float, size: int) -> None:
    assert grown(ConcurrencyWindow(32, interval), 60).size == size


def test_a_tenth_may_be_repeated_and_never_less_than_ten() -> None:
    budget = RetryBudget()
    assert budget.remaining == 10
    budget.record(1_000, is_retry=False)
    budget.record(60, is_retry=True)
    assert budget.remaining == 40
    budget.record(60, is_retry=True)
    assert budget.remaining == 0
