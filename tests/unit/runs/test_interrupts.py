"""An interrupt stops the process, even if it arrives in a finaliser."""

import gc
import sys
import time
import weakref
from collections.abc import Iterator

import pytest

from pipelines.runs.interrupts import resend_lost_interrupts


@pytest.fixture(autouse=True)
def _hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    resend_lost_interrupts()
    yield
    gc.collect()


class Collected:
    """An object to be garbage collected."""


def raise_interrupt(_gone: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupt_lost_in_a_finaliser_is_sent_again() -> None:
    collected = Collected()
    reference = weakref.ref(collected, raise_interrupt)
    del collected
    with pytest.raises(KeyboardInterrupt):
        time.sleep(10)
    assert reference() is None


def test_other_errors_reach_the_previous_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda lost: errors.append(lost.exc_type)
    )
    resend_lost_interrupts()

    def fail(_gone: object) -> None:
        raise ValueError

    collected = Collected()
    reference = weakref.ref(collected, fail)
    del collected
    assert (errors, reference()) == ([ValueError], None)


def test_the_hook_is_installed_once() -> None:
    hook = sys.unraisablehook
    resend_lost_interrupts()
    assert sys.unraisablehook is hook
