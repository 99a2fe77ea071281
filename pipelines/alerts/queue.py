"""The messages that wait for each channel, and when each channel is tried.

A tick has little time, and a channel may be slow or down. Messages that are not sent
wait in the cursor of the sensor. A channel that refused a message is tried again after
a backoff.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from pydantic import BaseModel

from pipelines.alerts.messages import Message, combine

SEND_SECONDS = 35
"""A tick begins no message later than this. Dagster ends a tick after 60 seconds and
drops its cursor, so that the alerts would be sent again; a message may take 15."""
MAX_QUEUED = 100
"""Messages that wait for one channel; beyond that the oldest are dropped."""
MAX_SEPARATE = 3
"""Up to this number, waiting messages are sent one by one; more are combined."""
MAX_COMBINED_CHARACTERS = 10_000
"""Length of the bodies that are combined into one message."""
MIN_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 60, 3_600
"""The backoff doubles with every failure."""

_log = logging.getLogger(__name__)


class Backoff(BaseModel):
    """The state of a channel that did not take a message.

    Attributes:
        failures: Number of consecutive failures.
        until: Time of the next try, in seconds since the epoch.
    """

    failures: int
    until: float


@dataclass(frozen=True, slots=True)
class MessageQueue:
    """Sends the messages that wait.

    Attributes:
        unsent: Waiting messages by channel.
        backoffs: Channels that are not tried at present.
        send: Sends a message to a channel; returns whether the channel took it.
        clock: Returns the time in seconds since the epoch.
    """

    unsent: dict[str, list[Message]]
    backoffs: dict[str, Backoff]
    send: Callable[[str, Message], bool]
    clock: Callable[[], float]

    def add(self, name: str, message: Message) -> None:
        """Queue a message for a channel."""
        waiting = self.unsent.setdefault(name, [])
        waiting.append(message)
        if len(waiting) > MAX_QUEUED:
            _log.warning(
                "Alerts for %s: %s wait, the oldest is dropped.", name, MAX_QUEUED
            )
            del waiting[:-MAX_QUEUED]

    def remove(self, name: str) -> None:
        """Drop the queue of a channel that is not configured."""
        self.unsent.pop(name, None)
        self.backoffs.pop(name, None)

    def send_waiting(self, until: float) -> None:
        """Send the waiting messages, oldest first, to each channel in turn.

        Channels without failures come first, so that none waits for one that is down.

        Args:
            until: No message is begun after this time, in seconds since the epoch.
        """
        now = self.clock()
        ready = (name for name in self.unsent if self._is_ready(name, now))
        turns = deque(sorted(ready, key=self._failures))
        while turns and self.clock() < until:
            name = turns.popleft()
            if self._send_next(name) and name in self.unsent:
                turns.append(name)

    def summaries(self) -> list[str]:
        """Return one sentence for each channel with waiting messages."""
        return [self._summary(name) for name in self.unsent]

    def _summary(self, name: str) -> str:
        waiting = len(self.unsent[name])
        count = f"{waiting} message{'s' * (waiting > 1)} for {name}"
        if name not in self.backoffs:
            return f"{count} left for the next tick."
        minutes = max(0, self.backoffs[name].until - self.clock()) / 60
        return (
            f"{count} not sent, failed tries: {self._failures(name)}; "
            f"next try in {minutes:.0f} min."
        )

    def _is_ready(self, name: str, now: float) -> bool:
        return name not in self.backoffs or self.backoffs[name].until <= now

    def _failures(self, name: str) -> int:
        return self.backoffs[name].failures if name in self.backoffs else 0

    def _send_next(self, name: str) -> bool:
        """Send one message, or several combined; return whether it was taken."""
        waiting = self.unsent[name]
        count = 1
        if len(waiting) > MAX_SEPARATE:
            lengths = accumulate(len(one.body) for one in waiting)
            fitting = sum(length <= MAX_COMBINED_CHARACTERS for length in lengths)
            count = max(1, fitting)
        if not self.send(name, combine(waiting[:count])):
            self._back_off(name)
            return False
        self.backoffs.pop(name, None)
        del waiting[:count]
        if not waiting:
            del self.unsent[name]
        return True

    def _back_off(self, name: str) -> None:
        failures = self._failures(name) + 1
        # A channel may be down for years; the bound keeps the power small.
        doublings = min(failures - 1, 10)
        seconds = min(MAX_BACKOFF_SECONDS, MIN_BACKOFF_SECONDS * 2**doublings)
        self.backoffs[name] = Backoff(failures=failures, until=self.clock() + seconds)
        _log.warning(
            "Sending alerts failed for the channel %s: expected the channel to take "
            "the message, got a refusal or no reply. %s Check its address with "
            "`attribution check`.",
            name,
            self._summary(name),
        )
