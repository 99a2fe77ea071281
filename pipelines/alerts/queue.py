"""What waits for each channel, and when it is tried.

A look has little time, and a channel may be slow or down: what is not sent now waits in
the sensor's cursor, and a channel that took nothing rests before it is tried again.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from pydantic import BaseModel

from pipelines.alerts.text import Message, together

LOOK_SECONDS = 35
"""Later in a look nothing more is sent. Dagster gives up on one that takes 60, forgets
what it told, and would tell it again; the last message may take 15."""
KEPT = 100
"""Messages that wait for one channel; the oldest go first."""
APART = 3
"""So many waiting messages are sent one by one; more are put together."""
LONGEST = 10_000
"""Characters of messages that are put together."""
SHORTEST_REST, LONGEST_REST = 60, 3_600
"""Seconds; doubled with every failure."""

_log = logging.getLogger(__name__)


class Rest(BaseModel):
    """Of a channel that did not take a message.

    Attributes:
        failures: How often, one after the other.
        until: When it is tried again, in seconds since the epoch.
    """

    failures: int
    until: float


@dataclass(frozen=True, slots=True)
class Posting:
    """Sends what waits.

    Attributes:
        unsent: Messages by channel that it has not taken.
        rests: Channels that are not tried for a while.
        send: Sends a message to a channel; tells whether it was taken.
        clock: Seconds since the epoch.
    """

    unsent: dict[str, list[Message]]
    rests: dict[str, Rest]
    send: Callable[[str, Message], bool]
    clock: Callable[[], float]

    def add(self, name: str, message: Message) -> None:
        """Let a message wait for a channel."""
        waiting = self.unsent.setdefault(name, [])
        waiting.append(message)
        if len(waiting) > KEPT:
            _log.warning("Alerts for %s: %s wait, the oldest is dropped.", name, KEPT)
            del waiting[:-KEPT]

    def forget(self, name: str) -> None:
        """Drop what waits for a channel that is no longer configured."""
        self.unsent.pop(name, None)
        self.rests.pop(name, None)

    def post(self, until: float) -> None:
        """Send what waits, oldest first, to each channel in turn.

        Channels that took their last message come first: none waits for one that is
        down.

        Args:
            until: Nothing is begun after it, in seconds since the epoch.
        """
        now = self.clock()
        ready = (name for name in self.unsent if self._is_ready(name, now))
        turns = deque(sorted(ready, key=self._failures))
        while turns and self.clock() < until:
            name = turns.popleft()
            if self._send_next(name) and name in self.unsent:
                turns.append(name)

    def said(self) -> list[str]:
        """Say what waits, and until when."""
        return [self._said(name, waiting) for name, waiting in self.unsent.items()]

    def _said(self, name: str, waiting: list[Message]) -> str:
        count = f"{len(waiting)} message{'s' * (len(waiting) > 1)} for {name}"
        if name not in self.rests:
            return f"{count} left for the next look."
        minutes = max(0, self.rests[name].until - self.clock()) / 60
        return (
            f"{count} not taken, tries: {self._failures(name)}; "
            f"the next in {minutes:.0f} min."
        )

    def _is_ready(self, name: str, now: float) -> bool:
        return name not in self.rests or self.rests[name].until <= now

    def _failures(self, name: str) -> int:
        return self.rests[name].failures if name in self.rests else 0

    def _send_next(self, name: str) -> bool:
        """Send one message, or several in one; tell whether it was taken."""
        waiting = self.unsent[name]
        count = 1
        if len(waiting) > APART:
            lengths = accumulate(len(one.body) for one in waiting)
            count = max(1, sum(length <= LONGEST for length in lengths))
        if not self.send(name, together(waiting[:count])):
            self._rest(name)
            return False
        self.rests.pop(name, None)
        del waiting[:count]
        if not waiting:
            del self.unsent[name]
        return True

    def _rest(self, name: str) -> None:
        failures = self._failures(name) + 1
        # The exponent is bounded: a channel may be down for years.
        seconds = min(LONGEST_REST, SHORTEST_REST * 2 ** min(failures - 1, 10))
        self.rests[name] = Rest(failures=failures, until=self.clock() + seconds)
        _log.warning(
            "Telling failed for the channel %s: expected it to take a message, got "
            "a refusal or no answer. %s See its address, and `attribution check`.",
            name,
            self._said(name, self.unsent[name]),
        )
