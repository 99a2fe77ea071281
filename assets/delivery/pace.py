"""How fast a destination is talked to: requests at once, requests per second.

What a run may do at this moment belongs here; when a delivery is tried again is the
business of `retry.py`.
"""

import threading
import time
from collections.abc import Callable

from assets.providers.base import Limits


class Window:
    """How many requests may be on the wire at once.

    It starts at one until something succeeded, so that wrong credentials cost one
    request and not a window of them.

    Args:
        cap: The most that the destination takes.
        interval: Seconds between requests; a window lasts at most half a minute, so
            that its claims do not outlive their lease.
    """

    def __init__(self, cap: int, interval: float = 0.0) -> None:
        self._cap = min(cap, max(1, int(30 / interval))) if interval else cap
        self._proven = False

    @property
    def size(self) -> int:
        """Requests for the next round."""
        return self._cap if self._proven else 1

    def succeeded(self) -> None:
        """A request was answered well."""
        self._proven = True


class Pace:
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
