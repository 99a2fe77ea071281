"""A process that was told to stop stops, whatever it did at that moment."""

import gc
import sys
import time
import weakref
from collections.abc import Iterator

import pytest

from pipelines.runs.lost_interrupts import send_again


@pytest.fixture(autouse=True)
def _watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    send_again()
    yield
    gc.collect()


class Thing:
    """Something that goes."""


def be_told_to_stop(_gone: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupt_that_nothing_lets_out_comes_again() -> None:
    thing = Thing()
    watch = weakref.ref(thing, be_told_to_stop)
    del thing
    with pytest.raises(KeyboardInterrupt):
        time.sleep(10)
    assert watch() is None


def test_other_errors_are_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_type))
    send_again()

    def fail(_gone: object) -> None:
        raise ValueError

    thing = Thing()
    watch = weakref.ref(thing, fail)
    del thing
    assert (told, watch()) == ([ValueError], None)


def test_a_process_is_watched_once() -> None:
    watching = sys.unraisablehook
    send_again()
    assert sys.unraisablehook is watching
