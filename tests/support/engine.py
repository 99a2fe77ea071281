"""A provider, a transport and a clock that a test controls exactly.

Requests are JSON with their order ids, so that a transport can reply by order. A 200
has one word per order, the verdict. Without words all orders are accepted.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from threading import Lock
from typing import Any, Literal

from sqlalchemy import select

from assets.delivery.destination import Destination
from assets.delivery.destination_partition import DestinationPartition
from assets.delivery.dispatch import Dispatch, Summary
from assets.ledger.database import Database
from assets.ledger.ledger import Ledger
from assets.ledger.tables import delivery, delivery_attempt
from assets.providers.base import Exchange, Limits, Request, ResendPolicy
from assets.providers.conversion import Conversion
from assets.providers.eligibility import Ineligible
from assets.providers.replies import Outcome, Phase, Reply, Verdict, classify
from assets.transport.http import Transport

SECRET = "s3cret-token"
DAY = "2026-11-20"
NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
DEDUPE = ResendPolicy(kind="dedupe", window=timedelta(hours=24))
NEVER = ResendPolicy(kind="never")


class Clock:
    """Stands still until a test or a sleep moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now
        self.naps: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.pass_by(seconds=seconds)

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


def order(order_id: str = "O1", **changes: Any) -> Conversion:
    """A small order of 12.34 USD."""
    plain = {
        "completed_at": datetime(2026, 11, 20, 7, 55, tzinfo=UTC),
        "currency": "USD",
        "currency_digits": 2,
        "total": Decimal("12.34"),
        "revenue": Decimal("12.34"),
        "discount": Decimal(0),
        "shipping": Decimal(0),
        "tax": Decimal(0),
        "items": (),
    }
    return Conversion(order_id=order_id, **(plain | changes))


def many(count: int) -> list[Conversion]:
    return [order(f"O{number:05}") for number in range(count)]


@dataclass
class FakeProvider:
    """A provider module; each set has the orders on which it misbehaves."""

    resend: ResendPolicy = DEDUPE
    limits: Limits = field(default_factory=lambda: Limits(in_flight=4))
    steps: int = 1
    event: str = "sale"
    channel: Literal["http", "outbox"] = "http"
    secrets: tuple[str, ...] = (SECRET,)
    url: str = "http://127.0.0.1:1/orders"
    unbuildable: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)
    ineligible: dict[str, Ineligible] = field(default_factory=dict)
    outcome_fields: dict[str, str] = field(default_factory=dict)

    def eligibility(self, conversion: Conversion, now: datetime) -> Ineligible | None:
        return self.ineligible.get(conversion.order_id)

    def batches(
        self, conversions: Sequence[Conversion]
    ) -> Iterable[Sequence[Conversion]]:
        size = self.limits.conversions_per_request
        starts = range(0, len(conversions), size)
        return (conversions[start : start + size] for start in starts)

    def payload(self, conversion: Conversion) -> bytes:
        return repr((self.event, conversion)).encode()

    def exchange(self, batch: Sequence[Conversion]) -> Exchange:
        ids = [one.order_id for one in batch]
        if self.unbuildable.intersection(ids):
            message = "the mapping has no such field"
            raise ValueError(message)
        reply = yield self._request(0, ids)
        for step in range(1, self.steps):
            if reply.status != 200:
                break
            reply = yield self._request(step, ids)
        if self.unreadable.intersection(ids):
            message = "the module is broken"
            raise RuntimeError(message)
        outcomes = [self._read(reply, one) for one in ids]
        return outcomes[1:] if self.incomplete.intersection(ids) else outcomes

    def _request(self, step: int, ids: Sequence[str]) -> Request:
        return Request(
            method="POST",
            url=self.url,
            headers={"Authorization": SECRET},
            body=json.dumps({"step": step, "orders": ids}).encode(),
            path_template="/orders",
            stored=tuple({"order_id": one} for one in ids),
            order_id=",".join(ids),
        )

    def _read(self, reply: Reply, order_id: str) -> Outcome:
        general = classify(reply, resend_is_safe=self.resend.is_safe)
        if reply.phase is not Phase.DONE or reply.status != 200:
            return general
        words = json.loads(reply.body or b"{}")
        verdict = Verdict(words.get(order_id, Verdict.ACCEPTED))
        return Outcome(verdict=verdict, **self.outcome_fields)


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Reply:
    """A complete reply."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(phase=Phase.DONE, status=status, headers=named, body=body, at=NOW)


def words(**verdicts: str) -> Reply:
    """A 200 with a verdict for some orders of the request."""
    return answer(body=json.dumps(verdicts).encode())


LOST = Reply(phase=Phase.WAITING, error="ReadTimeout", at=NOW)
REFUSED = Reply(phase=Phase.CONNECTING, error="ConnectionError", at=NOW)


class FakeTransport:
    """Stores every request and replies by order.

    Args:
        script: For an order, its replies in turn, or one for all requests; an
            exception is raised. An order without one is accepted.
        witness: Called with each request before it counts as sent.
    """

    def __init__(
        self,
        script: Mapping[str, Any] | None = None,
        witness: Callable[[Request], None] = lambda _request: None,
    ) -> None:
        self.script = dict(script or {})
        self.witness = witness
        self.sent: list[Request] = []
        self._lock = Lock()

    def send(self, request: Request) -> Reply:
        self.witness(request)
        with self._lock:
            self.sent.append(request)
            reply = self._next(orders_of(request))
        if isinstance(reply, Exception):
            raise reply
        return reply

    def close(self) -> None: ...

    @property
    def orders(self) -> list[str]:
        """The order ids of all requests, in the order of sending."""
        return [one for request in self.sent for one in orders_of(request)]

    def _next(self, ids: Sequence[str]) -> Any:
        for one in ids:
            replies = self.script.get(one)
            if isinstance(replies, list) and replies:
                return replies.pop(0)
            if replies:
                return replies
        return answer()


def orders_of(request: Request) -> list[str]:
    return list(json.loads(request.body)["orders"])


class Chunk:
    """Orders in the form of a staged chunk."""

    def __init__(self, conversions: Sequence[Conversion]) -> None:
        self.conversions = conversions
        self.order_ids = [one.order_id for one in conversions]
        self.source_hashes = [
            sha256(repr(one).encode()).hexdigest() for one in conversions
        ]

    def conversion(self, index: int) -> Conversion:
        return replace(self.conversions[index], source_hash=self.source_hashes[index])


@dataclass
class Bench:
    """A test bench for one destination: ledger, provider, transport and clock."""

    database: Database
    provider: FakeProvider = field(default_factory=FakeProvider)
    transport: Transport = field(default_factory=FakeTransport)
    clock: Clock = field(default_factory=Clock)
    runs: int = 0

    def ledger(self) -> Ledger:
        self.runs += 1
        return Ledger(
            self.database,
            destination="shop",
            provider="fake",
            run_id=f"run-{self.runs}",
            clock=self.clock,
        )

    def dispatch(self, *, partition_key: str = DAY, **options: Any) -> Dispatch:
        destination = Destination(
            name="shop",
            provider_name="fake",
            provider=self.provider,
            mapping_version="m1",
        )
        partition = DestinationPartition(
            destination, self.ledger(), partition_key=partition_key, zone=UTC
        )
        plain = {"sleep": self.clock.sleep}
        return Dispatch(partition, self.transport, **plain | options)

    def run(
        self,
        orders: Sequence[Conversion],
        *,
        chunk_rows: int = 1000,
        quarantined: Iterable[Mapping[str, Any]] = (),
        **options: Any,
    ) -> Summary:
        starts = range(0, len(orders), chunk_rows)
        chunks = [Chunk(orders[start : start + chunk_rows]) for start in starts]
        return self.dispatch(**options).run(lambda: chunks, quarantined)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Every delivery, by order id."""
        with self.database.read() as connection:
            found = connection.execute(select(delivery)).mappings()
            return {row["order_id"]: dict(row) for row in found}

    def states(self) -> dict[str, str]:
        return {order_id: row["state"] for order_id, row in self.rows().items()}

    def row(self, order_id: str = "O1") -> dict[str, Any]:
        return self.rows()[order_id]

    def attempts(self, event: str | None = None) -> list[dict[str, Any]]:
        """Every attempt, oldest first."""
        statement = select(delivery_attempt).order_by(
            delivery_attempt.c.attempt_no,
            delivery_attempt.c.step_no,
            delivery_attempt.c.batch_index,
        )
        with self.database.read() as connection:
            rows = [dict(row) for row in connection.execute(statement).mappings()]
        return [row for row in rows if event in {None, row["event"]}]
