"""Campaigns of kills, and a report of their results.

The report is made from the journal of the server: what it counted is what happened.
"""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from assets.ledger.database import Database
from assets.ledger.lock import destination_lock
from assets.ledger.states import DELIVERED
from assets.ledger.tables import delivery, delivery_attempt, export_run
from faults.kill.harness import Exporter, JobResult
from faults.kill.job import BATCH, IN_FLIGHT, MINOR, Job, Kind, Point, destination
from faults.kill.server import CountingServer
from support.invariants import check_invariants

LATEST_SECONDS = 0.35
FINISHING_RUNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What so many kills came to, once a run was allowed to finish.

    Attributes:
        lost: Orders without a delivery, or called delivered and never counted.
        double: Orders that the server counted more than once.
        repeated: Orders of which the server saw more than one request.
        uncertain: Deliveries that a person has to look at.
        bound: The most that may be uncertain: kills x conversions on the wire.
    """

    name: str
    orders: int
    kills: int
    lost: int
    double: int
    repeated: int
    uncertain: int
    bound: int
    seconds: float


class Shop:
    """One destination that is exported to, over and over, with kills in between."""

    def __init__(
        self, kind: Kind, database: Database, server: CountingServer, orders: int
    ) -> None:
        self.kind = kind
        self.database = database
        self.server = server
        self.orders = orders
        self.runs = 0
        self.latest_seconds = LATEST_SECONDS

    def job(self, **options: Any) -> Job:
        self.runs += 1
        url = self.database.engine.url.render_as_string(hide_password=False)
        plain: dict[str, Any] = {
            "database": url,
            "host": self.server.host,
            "kind": self.kind,
            "orders": self.orders,
            "run_id": f"run-{self.runs}",
        }
        return Job(**plain | options)

    def kill(self, exporter: Exporter, point: Point, window: int) -> JobResult:
        """Run until killed at `point` of a window, or to the end."""
        if point is Point.AFTER_BYTES:
            # One request in the first window, then one more in each.
            last = window * (window + 1) // 2
            return self.signal_at(exporter, last, signal.SIGKILL)
        if point is Point.RANDOM:
            exporter.start(self.job())
            time.sleep(random.uniform(0, self.latest_seconds))
            exporter.signal(signal.SIGKILL)
            return exporter.wait()
        return exporter.run(self.job(point=point, window=window))

    def signal_at(self, exporter: Exporter, request: int, number: int) -> JobResult:
        """Run, and send a signal while a request of the run waits for its answer."""
        fatal = len(self.server.journal) + request
        began = threading.Event()

        def on_request(count: int) -> bool:
            began.wait()
            if count == fatal:
                exporter.signal(number)
            return number == signal.SIGKILL and count >= fatal

        self.server.on_request = on_request
        exporter.start(self.job())
        began.set()
        ended = exporter.wait()
        self.server.on_request = lambda _count: False
        return ended

    def await_last_commit(self) -> None:
        """Return when the server is done with what a killed run had sent to it."""
        with destination_lock(self.database, "shop"):
            pass

    def finish(self, exporter: Exporter) -> None:
        """Let runs end until nothing is left to do."""
        for _ in range(FINISHING_RUNS):
            ended = exporter.run(self.job())
            assert "error" not in ended.output, ended.output
            assert ended.output["stop_reason"] is None
            if not ended.output["unfinished"]:
                return
        raise AssertionError(ended.output)

    def check(
        self, *, complete: bool = True, rerun: Callable[[], Any] | None = None
    ) -> None:
        check_invariants(
            self.database,
            {f"O{number:05}": (MINOR, "USD") for number in range(self.orders)},
            {"shop": destination(self.kind).provider.resend},
            self.server.journal,
            complete=complete,
            rerun=rerun,
        )

    def states(self) -> Counter[str]:
        statement = select(delivery.c.state, func.count().label("n")).group_by(
            delivery.c.state
        )
        with self.database.read() as connection:
            return Counter({row.state: row.n for row in connection.execute(statement)})

    def run_outcomes(self) -> Counter[str | None]:
        with self.database.read() as connection:
            return Counter(connection.execute(select(export_run.c.outcome)).scalars())

    def has_begun(self) -> bool:
        """Tell whether the last run came so far as to say that it began."""
        self.await_last_commit()
        is_last = export_run.c.run_id == f"run-{self.runs}"
        with self.database.read() as connection:
            return (
                connection.execute(select(export_run).where(is_last)).first()
                is not None
            )

    def orders_in(self, *states: str) -> set[str]:
        statement = select(delivery.c.order_id).where(delivery.c.state.in_(states))
        with self.database.read() as connection:
            return set(connection.execute(statement).scalars())

    def last_window(self) -> set[str]:
        """The orders that were claimed together last."""
        at = delivery_attempt.c.happened_at
        is_intent = delivery_attempt.c.event == "intent"
        last = select(func.max(at)).where(is_intent).scalar_subquery()
        statement = (
            select(delivery.c.order_id)
            .join(delivery_attempt)
            .where(is_intent, at == last)
        )
        with self.database.read() as connection:
            return set(connection.execute(statement).scalars())


@contextmanager
def open_shop(
    kind: Kind, database: Database, *, orders: int, latency: float = 0.003
) -> Iterator[Shop]:
    """Yield a shop with a server of its own."""
    server = CountingServer(drops_repeats=kind == "dedupe", latency=latency)
    try:
        yield Shop(kind, database, server, orders)
    finally:
        server.close()


def campaign(
    shop: Shop, exporter: Exporter, points: Iterable[Point], name: str
) -> Account:
    """Kill a run at every point, finish, and draw up the account."""
    start = time.monotonic()
    kills = 0
    for point in points:
        is_hit, shop.latest_seconds = False, LATEST_SECONDS
        while not is_hit:
            was_killed = shop.kill(exporter, point, random.randint(1, 9)).was_killed
            is_hit = was_killed and shop.has_begun()
            if not was_killed:
                # It came through before its time: so new orders come in.
                shop.orders += 100 * BATCH[shop.kind]
            elif not is_hit:
                # It died before it had begun, on a busy machine: more time to the next.
                shop.latest_seconds *= 1.5
        kills += 1
    shop.finish(exporter)
    shop.server.wait_until_quiet()
    shop.check(rerun=lambda: exporter.run(shop.job()))
    outcomes = shop.run_outcomes()
    assert None not in outcomes
    assert 0 < outcomes["crashed"] <= kills
    return _account(shop, kills, name, time.monotonic() - start)


def _account(shop: Shop, kills: int, name: str, seconds: float) -> Account:
    server, states = shop.server, shop.states()
    never_counted = shop.orders_in(*DELIVERED) - server.effects.keys()
    requests = Counter(one for seen in server.journal for one in seen.orders)
    return Account(
        name=name,
        orders=shop.orders,
        kills=kills,
        lost=shop.orders - states.total() + len(never_counted),
        double=sum(times > 1 for times in server.effects.values()),
        repeated=sum(times > 1 for times in requests.values()),
        uncertain=states["uncertain"],
        bound=0 if shop.kind == "dedupe" else kills * IN_FLIGHT * BATCH[shop.kind],
        seconds=seconds,
    )


def table(accounts: Sequence[Account]) -> str:
    """The accounts, and their sum, for a person to read."""
    names = ("orders", "kills", "lost", "double", "uncertain", "bound", "seconds")
    lines: list[tuple[str, ...]] = [("run", *names)]
    for one in accounts:
        figures = (f"{getattr(one, name):.0f}" for name in names)
        lines.append((one.name, *figures))
    sums = (f"{sum(getattr(one, name) for one in accounts):.0f}" for name in names)
    lines.append(("all", *sums))
    return "\n".join(
        f"{name:<20}" + "".join(f"{x:>11}" for x in rest) for name, *rest in lines
    )
