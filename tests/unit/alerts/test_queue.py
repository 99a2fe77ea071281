"""Messages that wait: in how much time they leave, and what a slow channel costs."""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import dagster as dg
import pytest
import requests

from pipelines.alerts.channels import TIMEOUT_SECONDS, send
from pipelines.alerts.queue import KEPT, LONGEST, LOOK_SECONDS, Posting, Rest
from pipelines.alerts.rules import Alerts, Channel
from pipelines.alerts.sensors import Cursor, Lookout
from pipelines.alerts.text import Message

SENSOR_SECONDS = 60
"""So long Dagster waits for a look."""


def messages(count: int, *, first: int = 1, size: int = 0) -> list[Message]:
    numbers = range(first, first + count)
    texts = [f"<{number}>".ljust(size, ".") for number in numbers]
    return [Message(title=text, body=text, is_good=False) for text in texts]


@dataclass
class Channels:
    """Channels that take as long as they are told to, and a clock they move."""

    now: float = 1_000.0
    seconds: dict[str, float] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    taken: list[tuple[str, str]] = field(default_factory=list)
    tries: list[tuple[str, float]] = field(default_factory=list)
    unsent: dict[str, list[Message]] = field(default_factory=dict)
    rests: dict[str, Rest] = field(default_factory=dict)

    def send(self, name: str, message: Message) -> bool:
        self.tries.append((name, self.now))
        self.now += self.seconds.get(name, 0)
        if name not in self.down:
            self.taken.append((name, message.body))
        return name not in self.down

    @property
    def posting(self) -> Posting:
        return Posting(self.unsent, self.rests, self.send, lambda: self.now)

    def look(self) -> float:
        """Post once; return the seconds it took."""
        begun = self.now
        self.posting.post(begun + LOOK_SECONDS)
        return self.now - begun


@pytest.fixture
def channels() -> Channels:
    return Channels()


def test_a_few_messages_leave_one_by_one_and_a_backlog_together(
    channels: Channels,
) -> None:
    channels.unsent = {"few": messages(3), "many": messages(KEPT)}
    channels.look()
    few = [body for name, body in channels.taken if name == "few"]
    (many,) = [body for name, body in channels.taken if name == "many"]
    assert few == ["<1>", "<2>", "<3>"]
    assert many.split() == [f"<{number}>" for number in range(1, KEPT + 1)]
    assert channels.unsent == {}


def test_a_long_backlog_is_several_messages_none_too_long_and_none_lost(
    channels: Channels,
) -> None:
    channels.unsent = {"hook": messages(KEPT, size=LONGEST // 9)}
    channels.look()
    bodies = [body for _, body in channels.taken]
    found = re.findall(r"<(\d+)>", "".join(bodies))
    assert found == [str(number) for number in range(1, KEPT + 1)]
    assert 10 < len(bodies) < 15
    assert max(map(len, bodies)) < LONGEST * 1.01


def test_one_message_that_is_too_long_leaves_nevertheless(channels: Channels) -> None:
    channels.unsent = {"hook": messages(5, size=LONGEST + 1)}
    channels.look()
    assert len(channels.taken) == 5


@pytest.mark.parametrize("down", [set(), {"a", "b", "c"}])
def test_a_look_ends_long_before_dagster_gives_up_on_it(
    channels: Channels, down: set[str]
) -> None:
    channels.seconds = dict.fromkeys("abc", TIMEOUT_SECONDS)
    channels.down = down
    for name in "abc":
        channels.unsent[name] = messages(KEPT, size=LONGEST)
    assert channels.look() <= LOOK_SECONDS + TIMEOUT_SECONDS < SENSOR_SECONDS
    assert len(channels.tries) == 3


def test_what_one_look_has_no_time_for_leaves_with_the_next(channels: Channels) -> None:
    channels.seconds = {"slow": 10}
    channels.unsent = {"slow": messages(9, size=LONGEST)}
    looks = 0
    while channels.unsent:
        channels.look()
        looks += 1
        assert looks < 9
    assert [body[:3] for _, body in channels.taken] == [f"<{n}>" for n in range(1, 10)]


def test_a_channel_that_is_down_does_not_hold_up_another(channels: Channels) -> None:
    channels.seconds = {"down": TIMEOUT_SECONDS}
    channels.down = {"down"}
    channels.unsent = {"down": messages(9), "good": messages(3)}
    channels.look()
    assert [name for name, _ in channels.taken] == ["good"] * 3
    assert len(channels.unsent["down"]) == 9


def test_those_that_took_their_last_message_come_first(channels: Channels) -> None:
    channels.rests = {"down": Rest(failures=2, until=0)}
    channels.unsent = {"down": messages(1), "good": messages(1)}
    channels.look()
    assert [name for name, _ in channels.tries] == ["good", "down"]


def test_a_channel_that_is_down_is_tried_ever_more_seldom_and_never_given_up(
    channels: Channels,
) -> None:
    channels.down = {"hook"}
    channels.unsent = {"hook": messages(1)}
    for _ in range(24 * 60):
        channels.look()
        channels.now += 60
    times = [at for _, at in channels.tries]
    gaps = [(after - before) / 60 for before, after in pairwise(times)]
    assert gaps[:6] == [1, 2, 4, 8, 16, 32]
    assert set(gaps[6:]) == {60}
    channels.down = set()
    channels.now += 3600
    channels.look()
    assert (channels.unsent, channels.rests) == ({}, {})


def test_an_hour_s_rest_is_never_exceeded(channels: Channels) -> None:
    channels.down = {"hook"}
    channels.unsent = {"hook": messages(1)}
    channels.rests = {"hook": Rest(failures=10_000, until=0)}
    channels.look()
    assert channels.rests["hook"].until == channels.now + 3600


def test_what_is_not_taken_is_logged_with_the_next_action(
    channels: Channels, caplog: pytest.LogCaptureFixture
) -> None:
    channels.down = {"hook"}
    channels.unsent = {"hook": messages(2)}
    channels.look()
    (line,) = caplog.messages
    assert "the channel hook" in line
    assert "2 messages for hook not taken, tries: 1; the next in 1 min." in line
    assert "`attribution check`" in line
    assert channels.posting.said() == [
        "2 messages for hook not taken, tries: 1; the next in 1 min."
    ]


def test_a_message_that_is_dropped_is_logged(
    channels: Channels, caplog: pytest.LogCaptureFixture
) -> None:
    for message in messages(KEPT + 1):
        channels.posting.add("hook", message)
    assert [one.body for one in channels.unsent["hook"]] == [
        one.body for one in messages(KEPT, first=2)
    ]
    assert caplog.messages == ["Alerts for hook: 100 wait, the oldest is dropped."]


def test_the_cursor_keeps_what_waits_and_who_rests() -> None:
    channels = Channels(down={"down"}, seconds=dict.fromkeys(["down", "slow"], 1.0))
    names = ("down", "slow")
    alerts = Alerts.model_validate(
        {"channels": {name: {"url": "json://x"} for name in names}}
    )
    graph = dg.Definitions().resolve_asset_graph()
    lookout = Lookout(
        alerts,
        lambda: graph,
        lambda *_: "",
        send=channels.send,
        clock=lambda: channels.now,
    )
    waiting = {name: messages(KEPT) for name in (*names, "no longer configured")}
    with dg.DagsterInstance.ephemeral() as instance:
        text = Cursor(unsent=waiting).model_dump_json()
        for _ in range(2):
            text, said = lookout.look(instance, text)
    cursor = Cursor.model_validate_json(text)
    assert {name: len(left) for name, left in cursor.unsent.items()} == {"down": KEPT}
    assert cursor.rests["down"].failures == 1
    assert [name for name, _ in channels.tries] == ["down", "slow"]
    assert (
        said == "0 news. 100 messages for down not taken, tries: 1; the next in 1 min."
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
