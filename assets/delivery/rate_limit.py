"""Rate limit, concurrency window and retry budget of a destination.

They decide what a run may send at this moment. `retry.py` decides when a delivery is
tried again, and `circuit_breaker.py` when a run stops.
"""

import threading
import time
from collections.abc import Callable, Sequence
from statistics import median

from assets.providers.base import Limits
from assets.providers.replies import Outcome, Phase, Reply, Verdict

SLOWDOWN_FACTOR = 3.0
MIN_SLOW_SECONDS = 0.2
PROBE_AFTER_WINDOWS = 20
MAX_WINDOW_SECONDS = 30
_OVERLOAD_STATUSES = frozenset({429, 503})
_BYTES_LEFT = frozenset({Phase.SENDING, Phase.WAITING, Phase.READING})
_DELIVERED = frozenset(
    {Verdict.ACCEPTED, Verdict.QUEUED, Verdict.DUPLICATE, Verdict.STAGED}
)


class ConcurrencyWindow:
    """How many requests may be in flight at once.

    The size is one until a request succeeded, so that wrong credentials cost one
    request and not a window of them. Then it doubles after each window until there is
    overload: a 429, a 503, a request without a reply, or replies three times slower
    than the fastest window. Overload halves the size. After that it grows by one, and
    the size that caused the overload is tried again only after twenty good windows.

    Args:
        cap: The maximum that the destination accepts.
        interval: Seconds between requests. A window lasts at most half a minute, so
            that its claims do not outlive their lease.
    """

    def __init__(self, cap: int, interval: float = 0.0) -> None:
        fits = max(1, int(MAX_WINDOW_SECONDS / interval)) if interval else cap
        self._cap = min(cap, fits)
        self._ceiling = self._cap
        self._has_succeeded = False
        self._good_windows = 0
        self._had_overload = False
        self._fastest = float("inf")
        self.size = 1
        """How many requests the next window may have."""

    def record(self, replies: Sequence[Reply], outcomes: Sequence[Outcome]) -> None:
        """Record a window: the replies to its requests and their outcomes."""
        self._has_succeeded = self._has_succeeded or any(
            one.verdict in _DELIVERED for one in outcomes
        )
        if any(map(_is_overload, replies)) or self._is_slow(replies):
            self._had_overload = True
            self._ceiling = max(1, self.size - 1)
            self.size = max(1, self.size // 2)
            self._good_windows = 0
        elif self._has_succeeded:
            self._good_windows += 1
            if self._good_windows % PROBE_AFTER_WINDOWS == 0:
                self._ceiling = min(self._cap, self._ceiling + 1)
            grown = self.size + 1 if self._had_overload else self.size * 2
            self.size = min(self._ceiling, grown)

    def _is_slow(self, replies: Sequence[Reply]) -> bool:
        durations = [one.duration_s for one in replies if one.phase is Phase.DONE]
        if not durations:
            return False
        usual = median(durations)
        self._fastest = min(self._fastest, usual)
        return usual > max(MIN_SLOW_SECONDS, SLOWDOWN_FACTOR * self._fastest)


def _is_overload(reply: Reply) -> bool:
    return reply.status in _OVERLOAD_STATUSES or reply.phase in _BYTES_LEFT


class RetryBudget:
    """How many conversions a run may send again: a tenth of its first sends.

    Without it, a provider that fails every other request would get every order several
    times, and a provider that is overloaded would get more requests, not fewer.
    """

    def __init__(self) -> None:
        self._first_sends = 0
        self._retries = 0

    def record(self, count: int, *, is_retry: bool) -> None:
        """Record that `count` conversions were sent."""
        if is_retry:
            self._retries += count
        else:
            self._first_sends += count

    @property
    def remaining(self) -> int:
        """How many conversions this run may still send again."""
        return max(0, max(10, self._first_sends // 10) - self._retries)


class RateLimit:
    """Spaces requests evenly, so that no limit of requests per time is exceeded.

    Attributes:
        interval: Seconds between two requests; 0 without a limit.

    Args:
        limits: Per second and per hour. The slower one applies; None is no limit.
        monotonic: Returns the seconds of a monotonic clock.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        per_second = limits.requests_per_second
        per_hour = limits.requests_per_hour
        self.interval = max(
            1 / per_second if per_second else 0.0, 3600 / per_hour if per_hour else 0.0
        )
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Return when the next request may be sent. Threads take turns."""
        if not self.interval:
            return
        with self._lock:
            now = self._monotonic()
            slot = max(now, self._next)
            self._next = slot + self.interval
        if slot > now:
            self._sleep(slot - now)
