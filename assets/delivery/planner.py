"""What the source says about each order for one destination, before anything is sent.

Every order of the partition gets a delivery in exactly one state; what is due is handed
on. Nothing here sends.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from itertools import chain
from typing import Any, Protocol

from assets import money
from assets.delivery import event_change, missing_orders
from assets.delivery.assessment import Assessment, Assessor, end, may_be_reported
from assets.delivery.decision import Decider, fault_of, gone
from assets.delivery.recall import Memory
from assets.ledger import retry
from assets.ledger.ledger import Ledger
from assets.ledger.quarantine import issue, keep_issues
from assets.ledger.rows import Decision, Row, delivery_id
from assets.ledger.states import SOFT, State
from assets.providers.base import Provider, ReportsDataIssues
from assets.providers.conversion import Conversion
from assets.providers.shapes import ShapesByRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One configured account at a provider.

    Attributes:
        mapping_version: Changes when the settings that make payloads change.
        replies: How the provider's replies look, as far as its documents say.
        is_enabled: Switched on; else every order is withheld.
        account: Tells the account from others of the provider; a digest, since it may
            be secret. None: not known.
    """

    name: str
    provider_name: str
    provider: Provider
    mapping_version: str
    replies: ShapesByRequest = field(default_factory=dict)
    account: str | None = None
    is_enabled: bool = True


class Chunk(Protocol):
    """Some staged conversions, built one by one when they are needed."""

    order_ids: Sequence[str]
    source_hashes: Sequence[str]

    def conversion(self, index: int) -> Conversion:
        """Build one of them."""


class Planner:
    """Decides, for one destination, which orders of a partition are to be sent.

    Args:
        destination: Where to.
        ledger: Its deliveries.
        partition_key: The day, `YYYY-MM-DD`.
        zone: In which `order_date` is read.
    """

    def __init__(
        self,
        destination: Destination,
        ledger: Ledger,
        *,
        partition_key: str,
        zone: tzinfo,
    ) -> None:
        self.destination = destination
        self.provider = destination.provider
        self.ledger = ledger
        self.partition_key = partition_key
        self._decider = Decider(self.provider, destination.mapping_version, zone)
        self._held: list[str] = []
        self._orders = 0
        self.memory = Memory(self.provider, ledger)

    def hold(self, quarantined: Iterable[Mapping[str, Any]]) -> None:
        """Give the orders of quarantined rows their delivery, so that none is missing.

        Args:
            quarantined: Rows of `quarantine_row` whose order is known.
        """
        by_order = {row["order_id"]: row for row in quarantined}
        self._held = list(by_order)
        known = self.ledger.rows(list(by_order))
        decisions = [
            (known.get(self._decider.key(order_id)), self._decider.quarantined(row))
            for order_id, row in by_order.items()
        ]
        self.ledger.plan(self.partition_key, decisions)
        decided = {decision.order_id: decision for _, decision in decisions}
        self._bring_here(
            [
                (row, decided[row.order_id])
                for row in known.values()
                if row.partition_key != self.partition_key
            ]
        )
        self._end([(row, why) for row, why in decisions if row is not None])

    def _bring_here(self, moved: Sequence[tuple[Row, Decision]]) -> None:
        """Move deliveries to the partition in which the source has their order now."""
        self.ledger.relocate(self.partition_key, moved)
        left: dict[str, list[str]] = defaultdict(list)
        for row, _ in moved:
            left[row.partition_key].append(row.order_id)
        for day, order_ids in left.items():
            missing_orders.forget(self.ledger, day, order_ids)

    def retire_gone(self, chunks: Iterable[Chunk]) -> None:
        """End the unfinished deliveries of orders that the source no longer has.

        Cancelled or deleted: no run would ever come to them again.
        """
        states = retry.sendable_states(self.provider.resend)
        left = {
            row.order_id: row
            for row in self.ledger.open_orders(self.partition_key, states)
        }
        if left:
            for chunk in chunks:
                for order_id in chunk.order_ids:
                    left.pop(order_id, None)
        ended = [(row, gone(row)) for row in left.values()]
        self.ledger.revise([(row, why) for row, why in ended if row.state in SOFT])
        self._end(ended)

    def _end(self, rows: Iterable[tuple[Row, Decision]]) -> None:
        """End open deliveries that the source does not let us send again."""
        found = Assessment()
        open_states = retry.sendable_states(self.provider.resend) - SOFT
        for row, decision in rows:
            if row.state in open_states and row.accepted_at is None:
                end(found, row, decision, self.provider.resend)
        self._close(found)

    def _close(self, found: Assessment) -> None:
        self.ledger.revise(found.revised)
        self.ledger.exhaust(found.given_up)
        asks = self.provider.resend.supports_lookup
        self.ledger.doubt(found.doubted, is_asked_about=asks)

    def report_gone(self, chunks: Iterable[Chunk]) -> None:
        """Keep account of the other orders that the source no longer has."""
        orders = chain([self._held], (chunk.order_ids for chunk in chunks))
        count = len(self._held) + self._orders
        unsent = missing_orders.keep_account(
            self.ledger, self.partition_key, orders, count
        )
        rows = self.ledger.rows(unsent).values()
        here = [row for row in rows if row.partition_key == self.partition_key]
        self.ledger.plan(self.partition_key, [(row, gone(row)) for row in here])

    def plan(self, chunk: Chunk, now: datetime) -> int:
        """Give every order of a chunk its delivery; return how many are due now."""
        self._orders += len(chunk.order_ids)
        found = self.assess(chunk, now)
        self.ledger.plan(self.partition_key, found.planned)
        self.ledger.refresh(found.refreshed)
        self._bring_here(found.moved)
        self.ledger.acknowledge(found.unchanged)
        self._close(found)
        self._keep_drifts(found.drifted, now)
        self._keep_doubts(found.due, now)
        self.memory.hold()
        return len(found.due)

    def due(self, chunk: Chunk, now: datetime) -> list[Conversion]:
        """Return the planned conversions of a chunk that are to be sent now."""
        known = self.ledger.rows(chunk.order_ids)
        rows = [known.get(self._decider.key(order_id)) for order_id in chunk.order_ids]
        policy = self.provider.resend
        conversions = self.memory.attach(
            [
                chunk.conversion(index)
                for index, row in enumerate(rows)
                if row is not None and retry.is_due(row, policy, now)
            ]
        )
        # It may have changed since it was planned: by a new extraction, or while its
        # delivery waited for its next attempt.
        return [
            one for one in conversions if self.provider.eligibility(one, now) is None
        ]

    def assess(self, chunk: Chunk, now: datetime) -> Assessment:
        """Return what is to be done about the orders of a chunk; write nothing."""
        known = self.ledger.rows(chunk.order_ids)
        chunk = self.memory.recalled(chunk)
        found = Assessment()
        earlier = event_change.by_order(known.values(), self.provider.event)
        for index, order_id in enumerate(chunk.order_ids):
            row = known.get(self._decider.key(order_id))
            before = earlier.get(order_id, [])
            event_change.end(found, before, self.provider)
            told = [one for one in before if may_be_reported(one)]
            if told and (row is None or not may_be_reported(row)):
                decision = self._decider.reported_before(
                    chunk.conversion(index), told[0]
                )
                event_change.leave(found, row, decision)
                # Their money belongs to the partition in which the order lies.
                self._move(found, [*told, *([row] if row else [])], decision)
            else:
                self._assess(found, row, chunk, index, now)
                self.memory.follow(found, chunk, index)
        return found

    def _assess(
        self,
        found: Assessment,
        row: Row | None,
        chunk: Chunk,
        index: int,
        now: datetime,
    ) -> None:
        source_hash = chunk.source_hashes[index]
        build = partial(chunk.conversion, index)
        decide = partial(self._decider.decide, source_hash=source_hash, now=now)
        if row is not None and row.partition_key != self.partition_key:
            self._move(found, [row], decide(build()))
        if row is None or row.state in SOFT:
            conversion = build()
            decision = decide(conversion)
            found.planned.append((row, decision))
            found.due += [conversion] if decision.state is State.PENDING else []
            return
        version = self.destination.mapping_version
        is_changed = (row.source_hash, row.mapping_version) != (source_hash, version)
        assessor = Assessor(self.provider, decide, now)
        assessor.assess(found, row, build, is_changed=is_changed)

    def _move(self, found: Assessment, rows: Iterable[Row], decision: Decision) -> None:
        moved = [row for row in rows if row.partition_key != self.partition_key]
        found.moved += [(row, decision) for row in moved]

    def content(self, conversion: Conversion, payload_hash: str) -> dict[str, Any]:
        """Return the columns that say what is reported of a conversion."""
        digits = conversion.currency_digits
        return {
            "amount_minor": money.to_minor(conversion.revenue, digits),
            "currency": conversion.currency,
            "currency_digits": digits,
            "source_hash": conversion.source_hash,
            "mapping_version": self.destination.mapping_version,
            "payload_hash": payload_hash,
        }

    def drift(self, order_id: str, state: State, now: datetime) -> dict[str, Any]:
        """Return the data issue of an order that changed after it was reported."""
        name = self.destination.name
        return issue(
            self.partition_key,
            now,
            order_id=order_id,
            code="drift",
            subject=name,
            destination=name,
            detail=f"changed after it was {state}; nothing was sent",
        )

    def _keep_drifts(
        self, drifted: Sequence[tuple[Row, Decision]], now: datetime
    ) -> None:
        self._keep([self.drift(row.order_id, row.state, now) for row, _ in drifted])

    def _keep_doubts(self, due: Sequence[Conversion], now: datetime) -> None:
        if not isinstance(self.provider, ReportsDataIssues):
            return
        name = self.destination.name
        self._keep(
            [
                issue(
                    self.partition_key,
                    now,
                    order_id=conversion.order_id,
                    code=doubt.code,
                    subject=f"{name} {doubt.subject}",
                    destination=name,
                    detail=doubt.detail,
                )
                for conversion in due
                for doubt in self.provider.data_issues(conversion)
            ]
        )

    def _keep(self, issues: Sequence[Mapping[str, Any]]) -> None:
        if issues:
            with self.ledger.database.write() as connection:
                keep_issues(connection, issues)

    def set_aside(self, conversion: Conversion, broken: Exception) -> None:
        """Quarantine a conversion of which no request can be built."""
        reason, detail = fault_of(broken)
        decision = self._decider.decision(
            conversion, state=State.QUARANTINED, reason=reason, detail=detail
        )
        known = self.ledger.rows([conversion.order_id])
        row = known[self._decider.key(conversion.order_id)]
        if row.state in SOFT:
            self.ledger.plan(self.partition_key, [(row, decision)])
        else:
            self._end([(row, decision)])

    def delivery_id(self, order_id: str) -> str:
        """Return the id of the delivery of an order."""
        names = self.destination.provider_name, self.destination.name
        return delivery_id(*names, self._decider.key(order_id))
