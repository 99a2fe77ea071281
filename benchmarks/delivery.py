"""What the ledger costs: conversions per second with it and without, in the same run.

    python -m benchmarks.delivery [ORDERS]

The baseline sends the same requests through the same transport with as many threads
and keeps nothing. Rounds alternate; medians and their ratio are printed. A second part
counts what is delivered against a provider that fails five times in a hundred.
"""

import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from assets.delivery.destination import Destination
from assets.delivery.dispatch import Summary
from assets.delivery.run import deliver
from assets.ledger.database import Database
from assets.ledger.states import DELIVERED
from assets.providers.conversion import Conversion
from assets.providers.trackdesk.provider import Trackdesk
from assets.providers.trackdesk.settings import TrackdeskSettings
from assets.transport.http import HttpTransport
from benchmarks.processes import free_port

LATENCY = 0.05
IN_FLIGHT = 32
ROUNDS = 3
CHUNK = 5_000
DAY = "2026-11-20"
ORDER = Conversion(
    order_id="",
    completed_at=datetime(2026, 11, 20, 12, tzinfo=UTC),
    currency="USD",
    currency_digits=2,
    total=Decimal("12.34"),
    revenue=Decimal("12.34"),
    discount=Decimal(0),
    shipping=Decimal(0),
    tax=Decimal(0),
    items=(),
    identifiers={"trackdesk_cid": "2d2ce3d8-7c58-4f7f-9e07-0e1b2c3d4e5f"},
)


class Orders:
    """Some staged orders, made when they are asked for."""

    def __init__(self, first: int, count: int) -> None:
        ids = [f"O{first + number:08}" for number in range(count)]
        self.order_ids: Sequence[str] = ids
        self.source_hashes: Sequence[str] = ["-"] * count

    def conversion(self, index: int) -> Conversion:
        """Build one of them."""
        return replace(ORDER, order_id=self.order_ids[index])


@contextmanager
def stub(failing: float = 0.0, latency: float = LATENCY) -> Iterator[str]:
    """Run the provider stub; yield its URL."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.stub"]
    server = subprocess.Popen([*command, str(port), str(latency), str(failing)])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def provider(url: str) -> Trackdesk:
    """Return the provider that is measured."""
    settings = TrackdeskSettings(
        provider="trackdesk",
        base_url=url,
        tenant_id="bench",
        conversion_type_code="sale",
        in_flight=IN_FLIGHT,
    )
    return Trackdesk(settings)


def with_ledger(url: str, orders: int, folder: Path) -> tuple[float, Summary]:
    """Deliver; return seconds and what came of it."""
    database = Database(f"sqlite:///{folder}/{time.monotonic_ns()}.db")
    database.migrate()
    target = Destination(
        name="bench",
        provider_name="trackdesk",
        provider=provider(url),
        mapping_version="1",
    )
    transport = HttpTransport([urlsplit(url).netloc], connections=IN_FLIGHT)
    starts = range(0, orders, CHUNK)
    start = time.perf_counter()
    summary = deliver(
        target,
        database,
        transport,
        lambda: (Orders(first, min(CHUNK, orders - first)) for first in starts),
        partition_key=DAY,
        run_id=f"bench-{time.monotonic_ns()}",
        zone=UTC,
    )
    return time.perf_counter() - start, summary


def without_ledger(url: str, orders: int) -> float:
    """Send the same requests and keep nothing; return seconds."""
    target = provider(url)
    transport = HttpTransport([urlsplit(url).netloc], connections=IN_FLIGHT)
    batch = Orders(0, orders)

    def send(index: int) -> None:
        transport.send(next(target.exchange([batch.conversion(index)])))

    start = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(send, range(orders)))
    transport.close()
    return time.perf_counter() - start


def measure_cost(orders: int) -> None:
    """Print conversions per second with the ledger and without."""
    ours, bare = [], []
    with tempfile.TemporaryDirectory() as folder, stub() as url:
        for _ in range(ROUNDS):
            ours.append(orders / with_ledger(url, orders, Path(folder))[0])
            bare.append(orders / without_ledger(url, orders))
    print(f"with ledger     {median(ours):8.0f} conversions/s")
    print(f"without ledger  {median(bare):8.0f} conversions/s")
    print(f"ratio           {median(ours) / median(bare):8.2f}")


def measure_failures(orders: int) -> None:
    """Print what is delivered against a provider that fails at random."""
    with tempfile.TemporaryDirectory() as folder, stub(0.05, 0.0) as url:
        seconds, summary = with_ledger(url, orders, Path(folder))
    delivered = sum(one.orders for one in summary.totals if one.state in DELIVERED)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"delivered in one run {delivered} of {orders}, {summary.requests} requests")
    print(f"stop reason          {summary.stop_reason}")
    print(f"seconds {seconds:.0f}, peak memory {memory:.0f} MB")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
    measure_cost(count)
    measure_failures(count * 10)
