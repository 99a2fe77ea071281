"""Decides how much a run may send next, and when it has to stop."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from assets.delivery.circuit_breaker import CircuitBreaker
from assets.delivery.rate_limit import ConcurrencyWindow, RetryBudget
from assets.delivery.sender import WindowResult
from assets.providers.base import Provider
from assets.providers.replies import Reply, seconds_until_quota

MAX_WAIT = timedelta(seconds=30)
"""The longest wait for a retry or a quota. Later ones are left to the next run."""


class FlowControl:
    """Keeps to the limits of a run: conversions, time, retries, failures and quotas.

    Attributes:
        requests: Requests sent by this run.
        sent: Conversions sent by this run; a retry counts again.
        stop_reason: Why the run has to end early, or None.

    Args:
        provider: The provider, with its limits and resend policy.
        interval: Seconds between two requests.
        limit: Send at most this many conversions; None: all.
        stop_requested: Checked after each window; true ends the run.
        sleep: Waits for some seconds.
        monotonic: Returns the seconds of a monotonic clock.
    """

    def __init__(
        self,
        provider: Provider,
        interval: float,
        *,
        limit: int | None,
        stop_requested: Callable[[], bool],
        sleep: Callable[[float], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._limit = limit
        self._time_budget = provider.limits.time_budget_s
        self._stop_requested = stop_requested
        self._sleep = sleep
        self._monotonic = monotonic
        self._started = monotonic()
        self._window = ConcurrencyWindow(provider.limits.in_flight, interval)
        self._breaker = CircuitBreaker(resend_is_safe=provider.resend.is_safe)
        self._retry_budget = RetryBudget()
        self.requests = 0
        self.sent = 0
        self.stop_reason: str | None = None

    @property
    def window_size(self) -> int:
        """How many requests the next window may have."""
        return self._window.size

    @property
    def is_over(self) -> bool:
        """Whether this run sends nothing more."""
        is_limit_reached = self._limit is not None and self.sent >= self._limit
        return is_limit_reached or self.stop_reason is not None

    @property
    def may_retry(self) -> bool:
        """Whether the retry budget allows another retry."""
        return self._retry_budget.remaining > 0

    def allowance(self, *, is_retry: bool) -> int | None:
        """Return how many conversions may be sent next; None: any number."""
        by_limit = None if self._limit is None else self._limit - self.sent
        if not is_retry:
            return by_limit
        remaining = self._retry_budget.remaining
        return remaining if by_limit is None else min(remaining, by_limit)

    def record(self, window: WindowResult, *, is_retry: bool) -> None:
        """Record the result of a window.

        Args:
            window: The result.
            is_retry: Its conversions failed before in this run.
        """
        self._retry_budget.record(len(window.outcomes), is_retry=is_retry)
        self.requests += window.requests
        self.sent += len(window.outcomes)
        for reply, outcomes in window.exchanges:
            self._breaker.record(reply, outcomes, is_retry=is_retry)
        self._window.record(window.replies, window.outcomes)

    def check(self, replies: Sequence[Reply]) -> None:
        """Set `stop_reason` where the run has to stop, else wait for a quota.

        Args:
            replies: The last reply of each exchange of the window.
        """
        self.stop_reason = self.stop_reason or self._breaker.reason
        self.stop_reason = self.stop_reason or self._interruption()
        self._wait_for_quota(replies)

    def _interruption(self) -> str | None:
        if self._stop_requested():
            return "interrupted: this run was told to stop"
        budget = self._time_budget
        if budget is not None and self._monotonic() - self._started >= budget:
            return f"time: the {budget / 60:.0f} minutes of this run are over"
        return None

    def _wait_for_quota(self, replies: Sequence[Reply]) -> None:
        seconds = [seconds_until_quota(reply) for reply in replies]
        wait = max((one for one in seconds if one is not None), default=0.0)
        if self.stop_reason is not None or wait <= 0:
            return
        if wait > MAX_WAIT.total_seconds():
            self.stop_reason = f"quota: resets in {wait:.0f} s"
        else:
            self._sleep(wait)
