"""Fault matrix, row 70: a hundred thousand orders, stopped half way.

Each run is a process of its own, so that its memory can be measured.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from assets.ledger.states import State
from assets.ledger.tables import export_run
from assets.providers.base import Limits
from support.engine import DAY, DEDUPE, NEVER, order
from support.project import ROOT, TESTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assets.delivery.chunk import Chunk
    from assets.providers.conversion import Conversion
    from support.harness import Harness

CHUNK = 5_000
POLICIES = {"dedupe": DEDUPE, "never": NEVER}
TOGETHER = Limits(conversions_per_request=100, in_flight=4)
"""Many orders a request, because it is not requests that are counted here."""


class Numbers:
    """Orders by number, built when they are needed, as staging does."""

    def __init__(self, first: int, last: int) -> None:
        self.order_ids: Sequence[str] = [
            f"O{number:06}" for number in range(first, last)
        ]
        self.source_hashes: Sequence[str] = self.order_ids

    def conversion(self, index: int) -> Conversion:
        return order(self.order_ids[index])


def chunks(count: int) -> Iterator[Chunk]:
    return (Numbers(start, start + CHUNK) for start in range(0, count, CHUNK))


def run_delivery(ledger: str, url: str, policy: str, count: int) -> dict[str, Any]:
    """Run in a process of its own: deliver `count` orders, say what it took."""
    from datetime import UTC

    from assets.delivery.destination import Destination
    from assets.delivery.run import deliver
    from assets.ledger.database import Database
    from assets.transport.http import HttpTransport
    from support.harness import JsonProvider

    provider = JsonProvider(url, POLICIES[policy], TOGETHER)
    destination = Destination(
        name="shop", provider_name="json", provider=provider, mapping_version="m1"
    )
    summary = deliver(
        destination,
        Database(ledger),
        HttpTransport([url.partition("//")[2]]),
        lambda: chunks(count),
        partition_key=DAY,
        run_id=f"run-{os.getpid()}",
        zone=UTC,
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"peak": peak, "left": summary.unfinished}


def start(harness: Harness, policy: str, count: int) -> subprocess.Popen[str]:
    ledger = harness.database.engine.url.render_as_string(hide_password=False)
    words = [ledger, harness.server.url, policy, str(count)]
    path = os.pathsep.join(map(str, (ROOT, TESTS)))
    return subprocess.Popen(
        [sys.executable, __file__, *words],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(run: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = run.communicate(timeout=240)
    assert said, run.returncode
    return dict(json.loads(said))


def stop_half_way(harness: Harness, run: subprocess.Popen[str], count: int) -> None:
    while len(harness.server.log.counted) < count // 2:
        assert run.poll() is None
        time.sleep(0.02)
    run.terminate()
    run.communicate(timeout=60)
    assert run.returncode == -signal.SIGTERM
    (entry,) = harness.rows(export_run)
    assert entry["stop_reason"] == "interrupted: this run was told to stop"


@pytest.mark.timeout(900)
@pytest.mark.long
@pytest.mark.parametrize(
    "count", [10_000, pytest.param(100_000, marks=pytest.mark.long)]
)
def test_70_a_run_stopped_half_way_is_finished_by_the_next_one(
    harness: Harness, count: int
) -> None:
    policy = harness.provider.resend.kind
    first = start(harness, policy, count)
    stop_half_way(harness, first, count)
    sent = set(harness.server.log.counted)
    assert count // 2 <= len(sent) < count
    states = Counter(harness.states().values())
    assert states == {State.ACCEPTED: len(sent), State.PENDING: count - len(sent)}

    before = len(harness.server.log.journal)
    assert finish(start(harness, policy, count))["left"] == 0
    rest = [one for seen in harness.server.log.journal[before:] for one in seen.orders]
    assert len(rest) == count - len(sent)
    assert sent.isdisjoint(rest)
    assert set(harness.server.log.counted.values()) == {1}
    assert Counter(harness.states().values()) == {State.ACCEPTED: count}
    harness.check(worth={f"O{number:06}": (1234, "USD") for number in range(count)})


@pytest.mark.long
@pytest.mark.parametrize("policy", [NEVER], indirect=True, ids=["never"])
def test_70_memory_does_not_grow_with_the_day(harness: Harness) -> None:
    small = finish(start(harness, "never", 20_000))
    large = finish(start(harness, "never", 100_000))
    assert (small["left"], large["left"]) == (0, 0)
    assert large["peak"] - small["peak"] < 30
    harness.check(worth={f"O{number:06}": (1234, "USD") for number in range(100_000)})


if __name__ == "__main__":
    _, ledger, url, policy, count = sys.argv
    print(json.dumps(run_delivery(ledger, url, policy, int(count))))  # noqa: T201
