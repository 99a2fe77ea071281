"""An interrupt that was raised where no exception gets out is sent again.

A signal interrupts whatever runs, also what Python calls when an object goes: a
finaliser, the callback of a weak reference. What is raised there is only printed, and a
process that was told to stop would go on.
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

PAUSE_SECONDS = 0.1
"""By then the finaliser is over."""
_INTERRUPTS = (KeyboardInterrupt, dg.DagsterExecutionInterruptedError)


def resend_lost_interrupts() -> None:
    """Watch this process for lost interrupts, from now on; once is enough."""
    if getattr(sys.unraisablehook, "func", None) is not _look:
        sys.unraisablehook = partial(_look, sys.unraisablehook)


def _look(before: "Hook", lost: "UnraisableHookArgs") -> None:
    if issubclass(lost.exc_type, _INTERRUPTS):
        again = threading.Timer(PAUSE_SECONDS, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()
    else:
        before(lost)
