"""Long steps say how far they are, now and then."""

from assets.progress import Progress
from support.engine import Clock


class LogRecorder:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.clock = Clock()
        self.progress = Progress(
            self.lines.append,
            "conversions sent",
            monotonic=lambda: self.clock().timestamp(),
        )


def test_rate_and_time_left_are_logged() -> None:
    told = LogRecorder()
    told.clock.pass_by(seconds=40)
    told.progress.at(2_000, 5_000)
    line = "2,000 of 5,000 conversions sent, 50.0 a second, about 60 s left."
    assert told.lines == [line]


def test_a_line_is_written_every_thirty_seconds_and_not_per_row() -> None:
    told = LogRecorder()
    for sent in range(1, 1_001):
        told.clock.pass_by(seconds=0.1)
        told.progress.at(sent, 1_000)
    assert len(told.lines) == 3


def test_without_a_whole_no_time_left_is_made_up() -> None:
    told = LogRecorder()
    for _ in range(2):
        told.clock.pass_by(seconds=20)
        told.progress.add(50_000)
    assert told.lines == ["100,000 conversions sent, 2,500.0 a second."]


def test_repeats_beyond_the_whole_leave_nothing() -> None:
    told = LogRecorder()
    told.clock.pass_by(seconds=30)
    told.progress.at(110, 100)
    assert told.lines[0].endswith("about 0 s left.")


def test_nothing_done_yet_is_no_division() -> None:
    told = LogRecorder()
    told.clock.pass_by(seconds=30)
    told.progress.at(0, 100)
    assert told.lines == ["0 of 100 conversions sent, 0.0 a second."]
