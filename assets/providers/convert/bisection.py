"""Splits a refused Convert request until each bad order is refused alone.

A refusal covers the whole request and names no event (`convert.md`, section 5), so one
bad order would reject all others. Nothing of a refused request was counted. Accepted
orders are never sent again. Requests and replies are not known here.
"""

from collections.abc import Generator, Sequence

from assets.providers.replies import Outcome, Verdict

Bisection = Generator[Sequence[int], Outcome, dict[int, Outcome]]
"""Yields the next positions, receives their outcome, returns each order's outcome."""

_TOO_LARGE = "http_413"


def bisect_refused(positions: Sequence[int]) -> Bisection:
    """Find the bad orders of a batch with few requests.

    If a request is refused and its first half is accepted, the second half holds a bad
    order. It is split again without being sent. If the first half is refused, nothing
    is known about the second half. It is sent later, together with all other waiting
    orders; the more orders were bad, the smaller these requests are. Only an order that
    is refused alone is rejected, so a wrong conclusion costs a request, never an order.

    Any other outcome ends the bisection. It applies to the orders of that request. The
    waiting orders were refused, so they were not counted; a later run sends them.
    """
    outcomes: dict[int, Outcome] = {}
    waiting = list(positions)
    size = len(waiting)
    refused_count = 0
    while waiting:
        suspects, waiting = waiting[:size], waiting[size:]
        outcome = yield suspects
        if _is_too_large(outcome, suspects):
            # Refused for its size, not for an order: both halves may be good.
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
"""The assumed outcome of a half that is not sent. No order is given this outcome."""


def _is_too_large(outcome: Outcome, suspects: Sequence[int]) -> bool:
    return outcome.reason == _TOO_LARGE and len(suspects) > 1


def _not_sent(outcome: Outcome) -> Outcome:
    return Outcome(
        verdict=Verdict.RETRYABLE,
        reason="not_sent",
        retry_after_s=outcome.retry_after_s,
    )
