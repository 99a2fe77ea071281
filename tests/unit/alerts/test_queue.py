"""Waiting messages: how long a tick may take, and what a slow channel costs."""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import dagster as dg
import pytest
import requests

from pipelines.alerts.channels import TIMEOUT_SECONDS, send
from pipelines.alerts.messages import Message
from pipelines.alerts.notifier import Cursor, Notifier
from pipelines.alerts.queue import (
    MAX_COMBINED_CHARACTERS,
    MAX_QUEUED,
    SEND_SECONDS,
    Backoff,
    MessageQueue,
)
from pipelines.configuration.alerts import AlertSettings, Channel

SENSOR_SECONDS = 60
"""Dagster ends a tick after this time."""


def messages(count: int, *, first: int = 1, size: int = 0) -> list[Message]:
    numbers = range(first, first + count)
    texts = [f"<{number}>".ljust(size, ".") for number in numbers]
    return [Message(title=text, body=text, is_good=False) for text in texts]


@dataclass
class Channels:
    """Channels with configurable delays that move a fake clock."""

    now: float = 1_000.0
    seconds: dict[str, float] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    taken: list[tuple[str, str]] = field(default_factory=list)
    tries: list[tuple[str, float]] = field(default_factory=list)
    unsent: dict[str, list[Message]] = field(default_factory=dict)
    backoffs: dict[str, Backoff] = field(default_factory=dict)

    def send(self, name: str, message: Message) -> bool:
        self.tries.append((name, self.now))
        self.now += self.seconds.get(name, 0)
        if name not in self.down:
            self.taken.append((name, message.body))
        return name not in self.down

    @property
    def queue(self) -> MessageQueue:
        return MessageQueue(self.unsent, self.backoffs, self.send, lambda: self.now)

    def tick(self) -> float:
        """Send what waits; return the seconds it took."""
        begun = self.now
        self.queue.send_waiting(begun + SEND_SECONDS)
        return self.now - begun


@pytest.fixture
def channels() -> Channels:
    return Channels()


def test_a_few_messages_are_sent_one_by_one_and_a_backlog_combined(
    channels: Channels,
) -> None:
    channels.unsent = {"few": messages(3), "many": messages(MAX_QUEUED)}
    channels.tick()
    few = [body for name, body in channels.taken if name == "few"]
    (many,) = [body for name, body in channels.taken if name == "many"]
    assert few == ["<1>", "<2>", "<3>"]
    assert many.split() == [f"<{number}>" for number in range(1, MAX_QUEUED + 1)]
    assert channels.unsent == {}


def test_a_long_backlog_is_split_and_loses_no_message(
    channels: Channels,
) -> None:
    channels.unsent = {"hook": messages(MAX_QUEUED, size=MAX_COMBINED_CHARACTERS // 9)}
    channels.tick()
    bodies = [body for _, body in channels.taken]
    found = re.findall(r"<(\d+)>", "".join(bodies))
    assert found == [str(number) for number in range(1, MAX_QUEUED + 1)]
    assert 10 < len(bodies) < 15
    assert max(map(len, bodies)) < MAX_COMBINED_CHARACTERS * 1.01


def test_a_single_message_may_exceed_the_combined_length(channels: Channels) -> None:
    channels.unsent = {"hook": messages(5, size=MAX_COMBINED_CHARACTERS + 1)}
    channels.tick()
    assert len(channels.taken) == 5


@pytest.mark.parametrize("down", [set(), {"a", "b", "c"}])
def test_a_tick_ends_before_the_timeout_of_dagster(
    channels: Channels, down: set[str]
) -> None:
    channels.seconds = dict.fromkeys("abc", TIMEOUT_SECONDS)
    channels.down = down
    for name in "abc":
        channels.unsent[name] = messages(MAX_QUEUED, size=MAX_COMBINED_CHARACTERS)
    assert channels.tick() <= SEND_SECONDS + TIMEOUT_SECONDS < SENSOR_SECONDS
    assert len(channels.tries) == 3


def test_messages_without_time_are_sent_at_the_next_tick(channels: Channels) -> None:
    channels.seconds = {"slow": 10}
    channels.unsent = {"slow": messages(9, size=MAX_COMBINED_CHARACTERS)}
    ticks = 0
    while channels.unsent:
        channels.tick()
        ticks += 1
        assert ticks < 9
    assert [body[:3] for _, body in channels.taken] == [f"<{n}>" for n in range(1, 10)]


def test_a_channel_that_is_down_does_not_delay_another(channels: Channels) -> None:
    channels.seconds = {"down": TIMEOUT_SECONDS}
    channels.down = {"down"}
    channels.unsent = {"down": messages(9), "good": messages(3)}
    channels.tick()
    assert [name for name, _ in channels.taken] == ["good"] * 3
    assert len(channels.unsent["down"]) == 9


def test_channels_without_failures_come_first(channels: Channels) -> None:
    channels.backoffs = {"down": Backoff(failures=2, until=0)}
    channels.unsent = {"down": messages(1), "good": messages(1)}
    channels.tick()
    assert [name for name, _ in channels.tries] == ["good", "down"]


def test_the_backoff_of_a_channel_doubles_and_tries_go_on(
    channels: Channels,
) -> None:
    channels.down = {"hook"}
    channels.unsent = {"hook": messages(1)}
    for _ in range(24 * 60):
        channels.tick()
        channels.now += 60
    times = [at for _, at in channels.tries]
    gaps = [(after - before) / 60 for before, after in pairwise(times)]
    assert gaps[:6] == [1, 2, 4, 8, 16, 32]
    assert set(gaps[6:]) == {60}
    channels.down = set()
    channels.now += 3600
    channels.tick()
    assert (channels.unsent, channels.backoffs) == ({}, {})


def test_the_backoff_is_at_most_an_hour(channels: Channels) -> None:
    channels.down = {"hook"}
    channels.unsent = {"hook": messages(1)}
    channels.backoffs = {"hook": Backoff(failures=10_000, until=0)}
    channels.tick()
    assert channels.backoffs["hook"].until == channels.now + 3600


def test_a_failed_try_is_logged_with_the_next_action(
    channels: Channels, caplog: pytest.LogCaptureFixture
) -> None:
    channels.down = {"hook"}
    channels.unsent = {"hook": messages(2)}
    channels.tick()
    (line,) = caplog.messages
    assert "the channel hook" in line
    assert "2 messages for hook not sent, failed tries: 1; next try in 1 min." in line
    assert "`attribution check`" in line
    assert channels.queue.summaries() == [
        "2 messages for hook not sent, failed tries: 1; next try in 1 min."
    ]


def test_a_dropped_message_is_logged(
    channels: Channels, caplog: pytest.LogCaptureFixture
) -> None:
    for message in messages(MAX_QUEUED + 1):
        channels.queue.add("hook", message)
    assert [one.body for one in channels.unsent["hook"]] == [
        one.body for one in messages(MAX_QUEUED, first=2)
    ]
    assert caplog.messages == ["Alerts for hook: 100 wait, the oldest is dropped."]


def test_the_cursor_keeps_waiting_messages_and_backoffs() -> None:
    channels = Channels(down={"down"}, seconds=dict.fromkeys(["down", "slow"], 1.0))
    names = ("down", "slow")
    alerts = AlertSettings.model_validate(
        {"channels": {name: {"url": "json://x"} for name in names}}
    )
    graph = dg.Definitions().resolve_asset_graph()
    notifier = Notifier(
        alerts,
        lambda: graph,
        lambda *_: "",
        send=channels.send,
        clock=lambda: channels.now,
    )
    waiting = {name: messages(MAX_QUEUED) for name in (*names, "not configured")}
    with dg.DagsterInstance.ephemeral() as instance:
        text = Cursor(unsent=waiting).to_json()
        for _ in range(2):
            text, summary = notifier.tick(instance, text)
    cursor = Cursor.model_validate_json(text)
    assert {name: len(left) for name, left in cursor.unsent.items()} == {
        "down": MAX_QUEUED
    }
    assert cursor.backoffs["down"].failures == 1
    assert [name for name, _ in channels.tries] == ["down", "slow"]
    assert (
        summary == "New alerts: 0. "
        "100 messages for down not sent, failed tries: 1; next try in 1 min."
    )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("json://hook.example/path", (5, 10)),
        ("json://hook.example/path?rto=1&cto=1", (5, 10)),
        ("json://hook.example/path?rto=13&cto=6", (6, 13)),
    ],
)
def test_a_webhook_has_ten_seconds_to_answer_or_more_by_its_address(
    monkeypatch: pytest.MonkeyPatch, address: str, expected: tuple[float, float]
) -> None:
    asked: list[Any] = []

    def request(*args: Any, **options: Any) -> requests.Response:
        asked.append(options["timeout"])
        reply = requests.Response()
        reply.status_code = 200
        return reply

    monkeypatch.setattr(requests, "request", request)
    (message,) = messages(1)
    assert send(Channel.model_validate({"url": address}), message)
    assert asked == [expected]
