"""How fast a destination is talked to: requests at once, requests per second, repeats.

What a run may do at this moment belongs here; when a delivery is tried again is the
business of `retry.py`, when a run stops that of `brake.py`.
"""

import threading
import time
from collections.abc import Callable, Sequence
from statistics import median

from assets.providers.base import Limits
from assets.providers.replies import Outcome, Phase, Reply, Verdict

SLOWER = 3.0
NOTICEABLE_SECONDS = 0.2
PROBE_AFTER = 20
_TROUBLE = frozenset({429, 503})
_BYTES_LEFT = frozenset({Phase.SENDING, Phase.WAITING, Phase.READING})
_GOOD = frozenset({Verdict.ACCEPTED, Verdict.QUEUED, Verdict.DUPLICATE, Verdict.STAGED})


class ConcurrencyWindow:
    """How many requests may be on the wire at once.

    One until something succeeded, so that wrong credentials cost one request and not a
    window of them. Then twice as many after each window, until there is trouble: a
    429, a 503, an unanswered request, or replies three times slower than the provider
    can do. Trouble halves it; after that it grows by one, and the size at which it
    happened is tried again only after twenty good windows.

    Args:
        cap: The most that the destination takes.
        interval: Seconds between requests; a window lasts at most half a minute, so
            that its claims do not outlive their lease.
    """

    def __init__(self, cap: int, interval: float = 0.0) -> None:
        self._cap = min(cap, max(1, int(30 / interval))) if interval else cap
        self._ceiling = self._cap
        self._proven = False
        self._clean = 0
        self._had_trouble = False
        self._fastest = float("inf")
        self.size = 1
        """Requests for the next round."""

    def note(self, replies: Sequence[Reply], outcomes: Sequence[Outcome]) -> None:
        """Take in a round: the replies of its requests and what they came to."""
        self._proven = self._proven or any(one.verdict in _GOOD for one in outcomes)
        if any(map(_is_trouble, replies)) or self._is_slower(replies):
            self._had_trouble = True
            self._ceiling = max(1, self.size - 1)
            self.size = max(1, self.size // 2)
            self._clean = 0
        elif self._proven:
            self._clean += 1
            if self._clean % PROBE_AFTER == 0:
                self._ceiling = min(self._cap, self._ceiling + 1)
            grown = self.size + 1 if self._had_trouble else self.size * 2
            self.size = min(self._ceiling, grown)

    def _is_slower(self, replies: Sequence[Reply]) -> bool:
        took = [one.duration_s for one in replies if one.phase is Phase.DONE]
        if not took:
            return False
        usual = median(took)
        self._fastest = min(self._fastest, usual)
        return usual > max(NOTICEABLE_SECONDS, SLOWER * self._fastest)


def _is_trouble(reply: Reply) -> bool:
    return reply.status in _TROUBLE or reply.phase in _BYTES_LEFT


class RetryBudget:
    """How often a run may repeat what failed in it: a tenth of its first sends.

    Without a limit, a provider that fails every other request would be sent every
    order several times over, and a provider in trouble gets more requests, not fewer.
    """

    def __init__(self) -> None:
        self._first_sends = 0
        self._repeats = 0

    def sent(self, count: int, *, repeats: bool) -> None:
        """Take in that conversions were sent."""
        if repeats:
            self._repeats += count
        else:
            self._first_sends += count

    @property
    def left(self) -> int:
        """Conversions that may still be repeated in this run."""
        return max(0, max(10, self._first_sends // 10) - self._repeats)


class RateLimit:
    """Spaces requests evenly, so that no limit of requests per time is passed.

    Attributes:
        interval: Seconds between two requests; 0 where nothing limits them.

    Args:
        limits: Per second and per hour; the slower one counts, None is no limit.
        monotonic: Seconds of a clock that never jumps.
        sleep: Waits for seconds.
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
        """Return when the next request may go out; threads take turns."""
        if not self.interval:
            return
        with self._lock:
            now = self._monotonic()
            slot = max(now, self._next)
            self._next = slot + self.interval
        if slot > now:
            self._sleep(slot - now)
