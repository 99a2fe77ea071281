"""The circuit breaker: stops a run when sending on would do harm or no good.

It has no half-open state. A run that was stopped ends and says why, and the next run
continues where it stopped. `retry.py` decides what is sent again, and when.
"""

from collections import deque
from collections.abc import Sequence

from assets.providers.replies import (
    SUCCESS,
    UNSENT,
    Outcome,
    Reply,
    Verdict,
)

MAX_UNREACHABLE_IN_A_ROW = 5
MAX_UNREADABLE_IN_A_ROW = 3
FAILURE_WINDOW = 20
MIN_REQUESTS_FOR_FAILURE = 10
MAX_FAILED_SHARE = 0.5
FIRST_REJECTION_CHECK = 25
REJECTION_WINDOW = 100
MAX_REJECTED_SHARE = 0.8
MIN_UNCERTAIN = 10
MAX_UNCERTAIN_SHARE = 0.01

_UNKNOWN = frozenset({Verdict.RETRYABLE, Verdict.UNCERTAIN})
_DELIVERED = frozenset(
    {Verdict.ACCEPTED, Verdict.QUEUED, Verdict.DUPLICATE, Verdict.STAGED}
)
_NOT_PROCESSED = frozenset({408, 425, 429})


class CircuitBreaker:
    """Counts the failures of one run.

    Args:
        resend_is_safe: A repeat does no harm, so a request without a reply does none.
    """

    def __init__(self, *, resend_is_safe: bool) -> None:
        self._resend_is_safe = resend_is_safe
        self._unreachable = 0
        self._unreadable = 0
        self._uncertain = 0
        self._requests = 0
        self._failed: deque[bool] = deque(maxlen=FAILURE_WINDOW)
        self._rejected: deque[bool] = deque(maxlen=REJECTION_WINDOW)
        self._decided = 0
        self.reason: str | None = None
        """Why the run has to stop, or None."""

    def record(
        self, reply: Reply, outcomes: Sequence[Outcome], *, is_retry: bool = False
    ) -> None:
        """Record the last reply of an exchange and the outcomes of its conversions.

        Args:
            reply: The last reply.
            outcomes: One per conversion.
            is_retry: The conversions failed before in this run. That they fail again
                says little about the provider.
        """
        verdicts = {one.verdict for one in outcomes}
        self._requests += 1
        self._count_reach(reply, verdicts)
        if not is_retry:
            self._count_failure(reply, verdicts)
        for one in outcomes:
            self._count_rejection(one)
            self._check_rejections()
        if Verdict.UNCERTAIN in verdicts:
            self._uncertain += 1
        for one in outcomes:
            if one.verdict is Verdict.CONFIGURATION:
                self._trip(f"configuration: {one.reason}")
        self._check_failures()

    def _count_reach(self, reply: Reply, verdicts: set[Verdict]) -> None:
        unreachable = reply.phase in UNSENT
        self._unreachable = self._unreachable + 1 if unreachable else 0
        unreadable = _is_unreadable(reply, verdicts)
        self._unreadable = self._unreadable + 1 if unreadable else 0

    def _count_failure(self, reply: Reply, verdicts: set[Verdict]) -> None:
        if reply.status in _NOT_PROCESSED or _is_unreadable(reply, verdicts):
            return
        self._failed.append(bool(verdicts & _UNKNOWN))

    def _count_rejection(self, outcome: Outcome) -> None:
        if outcome.verdict is Verdict.REJECTED or outcome.verdict in _DELIVERED:
            self._decided += 1
            self._rejected.append(outcome.verdict is Verdict.REJECTED)

    def _check_failures(self) -> None:
        if self._unreachable >= MAX_UNREACHABLE_IN_A_ROW:
            self._trip("unreachable: no connection five times in a row")
        if self._unreadable >= MAX_UNREADABLE_IN_A_ROW:
            self._trip("unreadable: three 2xx replies in a row could not be read")
        if len(self._failed) >= MIN_REQUESTS_FOR_FAILURE and sum(
            self._failed
        ) >= MAX_FAILED_SHARE * len(self._failed):
            self._trip(f"failing: {sum(self._failed)} of {len(self._failed)} requests")
        tolerated = max(MIN_UNCERTAIN, MAX_UNCERTAIN_SHARE * self._requests)
        if not self._resend_is_safe and self._uncertain >= tolerated:
            self._trip(f"uncertain: {self._uncertain} requests without an answer")

    def _check_rejections(self) -> None:
        is_first_check = self._decided == FIRST_REJECTION_CHECK
        if is_first_check or len(self._rejected) == REJECTION_WINDOW:
            rejected = sum(self._rejected)
            if rejected >= MAX_REJECTED_SHARE * len(self._rejected):
                self._trip(f"rejected: {rejected} of the last {len(self._rejected)}")

    def _trip(self, reason: str) -> None:
        self.reason = self.reason or reason


def _is_unreadable(reply: Reply, verdicts: set[Verdict]) -> bool:
    """Return whether a 2xx reply, whole or cut off, gave no outcome at all."""
    return reply.status in SUCCESS and verdicts <= _UNKNOWN
