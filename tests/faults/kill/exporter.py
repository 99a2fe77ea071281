"""The exporter as processes of their own, each a fork of one that has all imported.

Reads one job per line and forks a process that does it; says its process id, and how it
ended. A process that ended stays a zombie until the next line, so that its id cannot
meanwhile belong to somebody else.
"""

import json
import os
import signal
import sys
import time
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from assets.delivery import run as delivery_run
from assets.delivery import sender
from assets.ledger import database as database_module
from assets.ledger import lock
from assets.ledger.database import Database
from faults.kill.failpoints import FatalTransport, Fate, fatal_ledger, fatal_spool
from faults.kill.job import Job, destination, orders
from support.engine import DAY, Chunk

CHUNK_ROWS = 250
FAILED = 3


def run(job: Job) -> dict[str, Any]:
    """Do a job in this process."""
    lock.POLL_SECONDS = 0.02
    if job.lease is not None:
        sender.LEASE = timedelta(seconds=job.lease)
    fate = Fate(job)
    vars(delivery_run)["Ledger"] = fatal_ledger(fate)
    vars(delivery_run)["Spool"] = fatal_spool(fate)
    if job.busy_seconds is not None:
        vars(database_module)["BUSY_SECONDS"] = job.busy_seconds
    database = Database(job.database)
    fate.watch(database)
    held = orders(job.orders)
    starts = range(0, len(held), CHUNK_ROWS)
    chunks: Any = [Chunk(held[start : start + CHUNK_ROWS]) for start in starts]
    summary = delivery_run.deliver(
        destination(job.kind, job.host),
        database,
        FatalTransport(job.host, fate),
        lambda: chunks,
        partition_key=DAY,
        run_id=job.run_id,
        zone=UTC,
        spool_folder=Path(job.spool) if job.spool else None,
        patience=job.patience,
        sleep=lambda seconds: time.sleep(min(seconds, 0.01)),
    )
    return {
        "requests": summary.requests,
        "replayed": summary.replayed,
        "unfinished": summary.unfinished,
        "stop_reason": summary.stop_reason,
    }


def child(job: Job, results: int) -> None:
    code = 0
    try:
        told = run(job)
    except BaseException as broken:  # noqa: BLE001 - told to the parent
        told, code = {"error": type(broken).__name__, "message": str(broken)}, FAILED
    os.write(results, json.dumps(told).encode())
    os._exit(code)


def say(**told: Any) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def main() -> None:
    for line in iter(sys.stdin.readline, ""):
        job = Job.from_line(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.close(reading)
            child(job, writing)
        os.close(writing)
        say(pid=pid)
        with os.fdopen(reading) as results:
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            told = results.read()
        killed = ended is not None and ended.si_code != os.CLD_EXITED
        say(
            signal=ended.si_status if ended and killed else None,
            result=json.loads(told) if told else None,
        )
        sys.stdin.readline()
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
