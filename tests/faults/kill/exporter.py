"""Runs the exporter in processes, each forked from one that has imported everything.

It reads one job per line, forks a process that does it, and writes its process id and
how it ended. An ended process stays a zombie until the next line, so that its id cannot
belong to another process in the meantime.
"""

import json
import os
import signal
import sys
import time
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from assets.delivery import lease
from assets.delivery import run as delivery_run
from assets.ledger import database as database_module
from assets.ledger import lock
from assets.ledger.database import Database
from faults.kill.failpoints import (
    CrashingTransport,
    CrashPlan,
    crashing_ledger,
    crashing_spool,
)
from faults.kill.job import Job, destination, orders
from support.engine import DAY, Chunk

CHUNK_ROWS = 250
FAILED = 3


def run(job: Job) -> dict[str, Any]:
    """Do a job in this process."""
    lock.POLL_SECONDS = 0.02
    if job.lease is not None:
        lease.LEASE = timedelta(seconds=job.lease)
    plan = CrashPlan(job)
    vars(delivery_run)["Ledger"] = crashing_ledger(plan)
    vars(delivery_run)["Spool"] = crashing_spool(plan)
    if job.busy_seconds is not None:
        vars(database_module)["BUSY_SECONDS"] = job.busy_seconds
    database = Database(job.database)
    plan.watch(database)
    held = orders(job.orders)
    starts = range(0, len(held), CHUNK_ROWS)
    chunks: Any = [Chunk(held[start : start + CHUNK_ROWS]) for start in starts]
    summary = delivery_run.deliver(
        destination(job.kind, job.host),
        database,
        CrashingTransport(job.host, plan),
        lambda: chunks,
        partition_key=DAY,
        run_id=job.run_id,
        zone=UTC,
        spool_folder=Path(job.spool) if job.spool else None,
        lock_timeout_s=job.lock_timeout,
        sleep=lambda seconds: time.sleep(min(seconds, 0.01)),
    )
    return {
        "requests": summary.requests,
        "replayed": summary.replayed,
        "unfinished": summary.unfinished,
        "stop_reason": summary.stop_reason,
    }


def run_child(job: Job, results: int) -> None:
    code = 0
    try:
        output = run(job)
    except BaseException as error:  # noqa: BLE001 - told to the parent
        output, code = {"error": type(error).__name__, "message": str(error)}, FAILED
    os.write(results, json.dumps(output).encode())
    os._exit(code)


def write(**output: Any) -> None:
    sys.stdout.write(json.dumps(output) + "\n")
    sys.stdout.flush()


def main() -> None:
    for line in iter(sys.stdin.readline, ""):
        job = Job.from_line(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.close(reading)
            run_child(job, writing)
        os.close(writing)
        write(pid=pid)
        with os.fdopen(reading) as results:
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            output = results.read()
        killed = ended is not None and ended.si_code != os.CLD_EXITED
        write(
            signal=ended.si_status if ended and killed else None,
            result=json.loads(output) if output else None,
        )
        sys.stdin.readline()
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
