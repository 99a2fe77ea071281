"""One destination at the end of a real wire.

A line is: a bookkeeper (a raw server that counts orders), a provider module that speaks
JSON to it, delivery tables, a clock that stands still, and the product's own `deliver`
and transport between them.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any, Literal

from sqlalchemy import Table, select

from assets import money
from assets.delivery.dispatch import Summary
from assets.delivery.planner import Destination
from assets.delivery.run import deliver
from assets.ledger.database import Database
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
from support.invariants import Seen, check_invariants
from support.raw_server import Bookkeeper

TOKEN = "s3cret-token"


@dataclass
class JsonProvider:
    """A provider as the general table has it: JSON out, `{"status": ...}` back.

    Attributes:
        mapping: Goes into every payload, as configured fields do.
        padding: Bytes that make each payload larger.
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
class Line:
    """One destination, from its orders to the server that counts them.

    Attributes:
        provider: The module; by default one that speaks JSON.
        transport: Options of the transport: `read_seconds`, `deadline_seconds`.
        worth: Every order that was ever given to a run: minor units and currency,
            None where only the test can tell.
        earlier: Of orders that changed, what they were worth before.
    """

    database: Database
    server: Bookkeeper
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
        """Hold the delivery tables against what the server saw."""
        check_invariants(
            self.database,
            self.worth if worth is None else worth,
            {self.name: self.provider.resend},
            self.journal,
            earlier=self.earlier,
            **options,
        )

    @property
    def journal(self) -> list[Seen]:
        return self.server.books.journal

    def check_finished(self, orders: Sequence[Conversion]) -> None:
        """The same, and one more run sends and changes nothing."""
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
        """Let so much time pass that whatever is due again is due."""
        self.clock.pass_by(hours=1)


MakeLine = Callable[..., Line]


def check_together(lines: Sequence[Line]) -> None:
    """Hold the delivery tables that some lines share against what all servers saw."""
    check_invariants(
        lines[0].database,
        {key: worth for line in lines for key, worth in line.worth.items()},
        {line.name: line.provider.resend for line in lines},
        [replace(one, destination=line.name) for line in lines for one in line.journal],
        earlier={key: was for line in lines for key, was in line.earlier.items()},
        secrets={secret for line in lines for secret in line.provider.secrets},
    )
