"""The brake: when a run stops because sending on would do harm or no good.

There is no half-open game inside a run: it ends, says why, and the next run goes on
where it stopped. What is tried again later, and when, is the business of `retry.py`.
"""

from collections import deque
from collections.abc import Sequence

from assets.providers.replies import (
    SUCCESS,
    Outcome,
    Phase,
    Reply,
    Verdict,
)

UNREACHABLE_IN_A_ROW = 5
UNREADABLE_IN_A_ROW = 3
FAILURES_LOOKED_AT = 20
FAILURES_AT_LEAST = 10
FAILED_SHARE = 0.5
REJECTED_FIRST = 25
REJECTED_LAST = 100
REJECTED_SHARE = 0.8
UNCERTAIN_AT_LEAST = 10
UNCERTAIN_SHARE = 0.01

_UNSENT = frozenset({Phase.NONE, Phase.CONNECTING})
_UNKNOWN = frozenset({Verdict.RETRYABLE, Verdict.UNCERTAIN})
_LEARNED = frozenset(
    {Verdict.ACCEPTED, Verdict.QUEUED, Verdict.DUPLICATE, Verdict.STAGED}
)


class CircuitBreaker:
    """Watches the requests of one run.

    Args:
        resend_is_safe: A repeat is harmless; then an unanswered request is no harm.
    """

    def __init__(self, *, resend_is_safe: bool) -> None:
        self._resend_is_safe = resend_is_safe
        self._unreachable = 0
        self._unreadable = 0
        self._uncertain = 0
        self._requests = 0
        self._failed: deque[bool] = deque(maxlen=FAILURES_LOOKED_AT)
        self._rejected: deque[bool] = deque(maxlen=REJECTED_LAST)
        self._judged = 0
        self.reason: str | None = None
        """Why the run has to stop, or None."""

    def note(
        self, reply: Reply, outcomes: Sequence[Outcome], *, repeats: bool = False
    ) -> None:
        """Take in the last reply of a conversation and what it came to.

        Args:
            reply: The reply after which nothing more was said.
            outcomes: One per conversion.
            repeats: What failed before is tried again: that it fails once more says
                little about the provider.
        """
        verdicts = {one.verdict for one in outcomes}
        self._requests += 1
        self._note_reach(reply, verdicts)
        if not repeats:
            self._note_failure(reply, verdicts)
        for one in outcomes:
            self._note_rejection(one)
            self._judge_rejections()
        if Verdict.UNCERTAIN in verdicts:
            self._uncertain += 1
        for one in outcomes:
            if one.verdict is Verdict.CONFIGURATION:
                self._pull(f"configuration: {one.reason}")
        self._judge()

    def _note_reach(self, reply: Reply, verdicts: set[Verdict]) -> None:
        unreachable = reply.phase in _UNSENT
        self._unreachable = self._unreachable + 1 if unreachable else 0
        unreadable = _is_unreadable(reply, verdicts)
        self._unreadable = self._unreadable + 1 if unreadable else 0

    def _note_failure(self, reply: Reply, verdicts: set[Verdict]) -> None:
        if reply.status in _NOT_PROCESSED or _is_unreadable(reply, verdicts):
            return
        self._failed.append(bool(verdicts & _UNKNOWN))

    def _note_rejection(self, outcome: Outcome) -> None:
        if outcome.verdict is Verdict.REJECTED or outcome.verdict in _LEARNED:
            self._judged += 1
            self._rejected.append(outcome.verdict is Verdict.REJECTED)

    def _judge(self) -> None:
        if self._unreachable >= UNREACHABLE_IN_A_ROW:
            self._pull("unreachable: no connection five times in a row")
        if self._unreadable >= UNREADABLE_IN_A_ROW:
            self._pull("unreadable: three successes in a row could not be believed")
        if len(self._failed) >= FAILURES_AT_LEAST and sum(
            self._failed
        ) >= FAILED_SHARE * len(self._failed):
            self._pull(f"failing: {sum(self._failed)} of {len(self._failed)} requests")
        harm = max(UNCERTAIN_AT_LEAST, UNCERTAIN_SHARE * self._requests)
        if not self._resend_is_safe and self._uncertain >= harm:
            self._pull(f"uncertain: {self._uncertain} requests without an answer")

    def _judge_rejections(self) -> None:
        if self._judged == REJECTED_FIRST or len(self._rejected) == REJECTED_LAST:
            rejected = sum(self._rejected)
            if rejected >= REJECTED_SHARE * len(self._rejected):
                self._pull(f"rejected: {rejected} of the last {len(self._rejected)}")

    def _pull(self, reason: str) -> None:
        self.reason = self.reason or reason


_NOT_PROCESSED = frozenset({408, 425, 429})


def _is_unreadable(reply: Reply, verdicts: set[Verdict]) -> bool:
    """Tell whether a reply of success, whole or cut off, told of no conversion."""
    return reply.status in SUCCESS and verdicts <= _UNKNOWN
