"""A test harness for one destination over a real network connection.

It has a provider server (a raw server that counts orders), a provider module that sends
it JSON, delivery tables, a clock that stands still, and the product's own `deliver` and
transport between them.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any, Literal

from sqlalchemy import Table, select

from assets import money
from assets.delivery.destination import Destination
from assets.delivery.dispatch import Summary
from assets.delivery.run import deliver
from assets.ledger.database import Database
from assets.ledger.ledger import Ledger
from assets.ledger.tables import delivery, delivery_attempt
from assets.providers.base import Exchange, Limits, Request, ResendPolicy
from assets.providers.conversion import Conversion
from assets.providers.eligibility import Ineligible
from assets.providers.replies import (
    Outcome,
    Reply,
    Verdict,
    classify,
    is_complete_2xx,
    read_json,
)
from assets.transport.http import HttpTransport
from support.engine import DAY, Chunk, Clock
from support.invariants import SeenRequest, check_invariants
from support.raw_server import ProviderServer

TOKEN = "s3cret-token"


@dataclass
class JsonProvider:
    """A provider with the general outcomes: it sends JSON, and gets `{"status": ...}`.

    Attributes:
        mapping: Part of every payload, like configured fields.
        padding: Bytes added to each payload.
    """

    url: str
    resend: ResendPolicy
    limits: Limits = field(default_factory=lambda: Limits(in_flight=8))
    mapping: str = "m1"
    padding: int = 0
    event: str = "sale"
    channel: Literal["http", "outbox"] = "http"
    secrets: tuple[str, ...] = (TOKEN,)

    def eligibility(self, conversion: Conversion, now: Any) -> Ineligible | None:
        return None

    def batches(
        self, conversions: Sequence[Conversion]
    ) -> Iterable[Sequence[Conversion]]:
        size = self.limits.conversions_per_request
        starts = range(0, len(conversions), size)
        return (conversions[start : start + size] for start in starts)

    def payload(self, conversion: Conversion) -> bytes:
        return self._body([conversion])

    def exchange(self, batch: Sequence[Conversion]) -> Exchange:
        reply = yield Request(
            method="POST",
            url=f"{self.url}/orders",
            headers={"Authorization": TOKEN, "Content-Type": "application/json"},
            body=self._body(batch),
            path_template="/orders",
            stored=tuple({"order_id": one.order_id} for one in batch),
        )
        return [self._read(reply)] * len(batch)

    def _body(self, batch: Sequence[Conversion]) -> bytes:
        orders = [one.order_id for one in batch]
        amounts = [f"{one.revenue:f}" for one in batch]
        said = {"orders": orders, "amounts": amounts, "mapping": self.mapping}
        padding = {"padding": "x" * self.padding} if self.padding else {}
        return json.dumps(said | padding).encode()

    def _read(self, reply: Reply) -> Outcome:
        general = classify(reply, resend_is_safe=self.resend.is_safe)
        body = read_json(reply.body)
        status = body.get("status") if isinstance(body, dict) else None
        if is_complete_2xx(reply) and status == "accepted":
            return Outcome(verdict=Verdict.ACCEPTED)
        return general


@dataclass
class Harness:
    """One destination, from its orders to the server that counts them.

    Attributes:
        provider: The provider module; by default `JsonProvider`.
        transport: Options of the transport: `read_seconds`, `deadline_seconds`.
        worth: The amount of every order that a run ever got: minor units and currency;
            None where only the test knows.
        earlier: Earlier amounts of orders that changed.
    """

    database: Database
    server: ProviderServer
    provider: Any
    clock: Clock = field(default_factory=Clock)
    name: str = "shop"
    transport: dict[str, Any] = field(default_factory=dict)
    worth: dict[str, tuple[int, str] | None] = field(default_factory=dict)
    earlier: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    runs: int = 0

    def run(self, orders: Sequence[Conversion], **options: Any) -> Summary:
        """Deliver these orders as one partition."""
        self.worth |= {
            one.order_id: (
                money.to_minor(one.revenue, one.currency_digits),
                one.currency,
            )
            for one in orders
        }
        starts = range(0, len(orders), 1000)
        chunks = [Chunk(orders[start : start + 1000]) for start in starts]
        return self.run_chunks(lambda: chunks, **options)

    def run_chunks(
        self, chunks: Callable[[], Iterable[Any]], **options: Any
    ) -> Summary:
        self.runs += 1
        destination = Destination(
            name=self.name,
            provider_name=type(self.provider).__name__.lower()[:16],
            provider=self.provider,
            mapping_version=getattr(self.provider, "mapping", "m1"),
        )
        plain: dict[str, Any] = {
            "partition_key": DAY,
            "run_id": f"run-{self.runs}",
            "zone": UTC,
        }
        timing = {"clock": self.clock, "sleep": self.clock.sleep}
        transport = HttpTransport([self.host], **self.transport)  # type: ignore[arg-type]
        held = options.get("quarantined", ())
        self._note(row["order_id"] for row in held)

        def noted() -> Iterator[Any]:
            for chunk in chunks():
                self._note(chunk.order_ids)
                yield chunk

        return deliver(
            destination, self.database, transport, noted, **plain | timing | options
        )

    def ledger(self, run_id: str) -> Ledger:
        """Return the ledger of another run of an impact.com destination."""
        return Ledger(
            self.database,
            destination=self.name,
            provider="impact",
            run_id=run_id,
            clock=self.clock,
        )

    def _note(self, order_ids: Iterable[str]) -> None:
        for order_id in order_ids:
            self.worth.setdefault(order_id, None)

    @property
    def host(self) -> str:
        url = getattr(self.provider, "url", self.server.url)
        return str(url.partition("//")[2].partition("/")[0])

    def check(
        self,
        *,
        worth: Mapping[str, tuple[int, str] | None] | None = None,
        **options: Any,
    ) -> None:
        """Compare the delivery tables with what the server received."""
        check_invariants(
            self.database,
            self.worth if worth is None else worth,
            {self.name: self.provider.resend},
            self.journal,
            earlier=self.earlier,
            **options,
        )

    @property
    def journal(self) -> list[SeenRequest]:
        return self.server.log.journal

    def check_finished(self, orders: Sequence[Conversion]) -> None:
        """Check, and check that one more run sends and changes nothing."""
        self.check(rerun=lambda: self.run(orders))

    def rows(self, table: Table = delivery) -> list[dict[str, Any]]:
        statement = select(table).order_by(*table.primary_key)
        with self.database.read() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def row(self, order_id: str) -> dict[str, Any]:
        return next(one for one in self.rows() if one["order_id"] == order_id)

    def states(self) -> dict[str, str]:
        return {row["order_id"]: row["state"] for row in self.rows()}

    def state(self, order_id: str = "O00000") -> str:
        return self.states()[order_id]

    def attempts(self, event: str = "outcome") -> list[dict[str, Any]]:
        return [row for row in self.rows(delivery_attempt) if row["event"] == event]

    def later(self) -> None:
        """Let so much time pass that every retry is due."""
        self.clock.pass_by(hours=1)


MakeHarness = Callable[..., Harness]


def check_shared_tables(harnesses: Sequence[Harness]) -> None:
    """Compare delivery tables that harnesses share with what all servers received."""
    check_invariants(
        harnesses[0].database,
        {key: worth for harness in harnesses for key, worth in harness.worth.items()},
        {harness.name: harness.provider.resend for harness in harnesses},
        [
            replace(one, destination=harness.name)
            for harness in harnesses
            for one in harness.journal
        ],
        earlier={
            key: was for harness in harnesses for key, was in harness.earlier.items()
        },
        secrets={
            secret for harness in harnesses for secret in harness.provider.secrets
        },
    )
