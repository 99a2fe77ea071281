"""Sends an interrupt again if Python discarded its exception.

A signal can arrive while Python runs a finaliser or the callback of a weak reference.
Python only prints an exception that is raised there, so that the process would ignore
the request to stop.
"""

import os
import signal
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Callable
    from sys import UnraisableHookArgs

    Hook = Callable[[UnraisableHookArgs], object]

DELAY_SECONDS = 0.1
"""Long enough for the finaliser to return."""
_INTERRUPTS = (KeyboardInterrupt, dg.DagsterExecutionInterruptedError)


def resend_lost_interrupts() -> None:
    """Install the hook in this process; a second call changes nothing."""
    if getattr(sys.unraisablehook, "func", None) is not _resend:
        sys.unraisablehook = partial(_resend, sys.unraisablehook)


def _resend(previous_hook: "Hook", unraisable: "UnraisableHookArgs") -> None:
    if issubclass(unraisable.exc_type, _INTERRUPTS):
        interrupt = os.getpid(), signal.SIGINT
        timer = threading.Timer(DELAY_SECONDS, os.kill, interrupt)
        timer.daemon = True
        timer.start()
    else:
        previous_hook(unraisable)
