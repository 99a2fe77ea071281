"""Takes a refused Convert request apart until each refused order stood alone.

A refusal covers the whole request and names no event (`convert.md`, section 5), so one
bad order must not take the others with it. Nothing of a refused request was counted;
what was accepted is never sent again. Requests and replies are not known here.
"""

from collections.abc import Generator, Sequence

from assets.providers.replies import Outcome, Verdict

Bisection = Generator[Sequence[int], Outcome, dict[int, Outcome]]
"""Yields what to send next, is sent its outcome, returns the outcome of each order."""

_TOO_LARGE = "http_413"


def bisect_refused(positions: Sequence[int]) -> Bisection:
    """Send all, and of what is refused as few parts as tell the bad orders.

    Where a request was refused and its first half passed, the second half holds the bad
    order: it is cut again without being sent. Where the first half was refused, nothing
    is known of the second: it waits and goes out with all else that waits, unless so
    many were bad that smaller requests find them sooner. Only an order that was refused
    alone is rejected, so that a wrong conclusion costs a request and never an order.

    Trouble of any other kind ends it. What the trouble was about has that outcome, and
    the rest, which was refused and so not counted, is sent by a later run.
    """
    outcomes: dict[int, Outcome] = {}
    waiting = list(positions)
    size = len(waiting)
    refused_count = 0
    while waiting:
        suspects, waiting = waiting[:size], waiting[size:]
        outcome = yield suspects
        if _is_too_large(outcome, suspects):
            # Refused for its size, not for an order: no half of it need be bad.
            waiting = suspects + waiting
            size = (len(suspects) + 1) // 2
            continue
        while outcome.verdict is Verdict.REJECTED and len(suspects) > 1:
            middle = (len(suspects) + 1) // 2
            first, second = suspects[:middle], suspects[middle:]
            outcome = yield first
            if outcome.verdict is Verdict.REJECTED:
                suspects, waiting = first, second + waiting
            elif outcome.verdict is Verdict.ACCEPTED:
                outcomes.update(dict.fromkeys(first, outcome))
                suspects = second
                outcome = (yield suspects) if len(second) == 1 else _ASSUMED_REFUSED
            else:
                suspects, waiting = first, second + waiting
        outcomes.update(dict.fromkeys(suspects, outcome))
        if outcome.verdict is Verdict.REJECTED:
            refused_count += 1
            size = max(1, min(size, len(positions) // refused_count))
        elif outcome.verdict is not Verdict.ACCEPTED:
            return outcomes | dict.fromkeys(waiting, _not_sent(outcome))
    return outcomes


_ASSUMED_REFUSED = Outcome(verdict=Verdict.REJECTED)
"""What is concluded of a half that is not sent; no order ever gets it."""


def _is_too_large(outcome: Outcome, suspects: Sequence[int]) -> bool:
    return outcome.reason == _TOO_LARGE and len(suspects) > 1


def _not_sent(outcome: Outcome) -> Outcome:
    return Outcome(
        verdict=Verdict.RETRYABLE,
        reason="not_sent",
        retry_after_s=outcome.retry_after_s,
    )
