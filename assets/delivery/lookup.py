"""Looks for deliveries that nobody answered for in the provider's own list.

Bulk: one look covers every such order of a range of days. What is found is settled.
What is not found may have been taken all the same, so it stays uncertain and waits for
a person.

Looked up are deliveries that are not sent again: the provider has forgotten them (its
dedup window is over), or it queued them and never said how they ended. Asking changes
nothing at the provider, so it needs no intent.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from assets.delivery import evidence
from assets.delivery.ledger import Ledger
from assets.delivery.settling import AGAIN, settle_attempt
from assets.delivery.states import State, check
from assets.delivery.tables import delivery, delivery_attempt
from assets.delivery.transport import Transport
from assets.providers.base import Findings, Request, Settling
from assets.providers.replies import Outcome, Phase, Reply, Verdict

NOT_FOUND = "not_found_at_provider"
ONCE = 10_000
"""Deliveries looked up in one run."""

_MARGIN = timedelta(hours=1)
_GAP = timedelta(days=1)
_SLICE = 500
_UNSENT = Reply(phase=Phase.NONE, error="budget")

Row = Mapping[str, Any]


class Lookup:
    """One look for the deliveries of a destination that nobody answered for.

    Attributes:
        calls: Pages that were asked for.
        found: Deliveries that the list has.
        problem: Why a range could not be read to its end, or None.

    Args:
        provider: Reads the list.
        ledger: The deliveries.
        transport: Where requests go.
        partition_key: On whose behalf it looks; kept with the attempts.
    """

    def __init__(
        self,
        provider: Settling,
        ledger: Ledger,
        transport: Transport,
        *,
        partition_key: str,
    ) -> None:
        self.provider = provider
        self.ledger = ledger
        self.transport = transport
        self.partition_key = partition_key
        self.calls = 0
        self.found = 0
        self.problem: str | None = None

    def run(self) -> str | None:
        """Look up what is to be looked up.

        Returns:
            Why it stopped early (our credentials are refused), or None.
        """
        rows = self._sought(self.ledger.clock())
        for group in together(rows, self.provider.lookup_span - 2 * _MARGIN):
            if self.calls >= self.provider.lookup_calls:
                break
            findings, request = self._look(group)
            self.problem = self.problem or findings.problem
            self._record(group, findings, request)
            if findings.refused:
                return f"configuration: {findings.problem}"
        return None

    def _sought(self, now: datetime) -> Sequence[Row]:
        statement = (
            select(delivery)
            .where(
                delivery.c.destination == self.ledger.destination,
                # Under an earlier event an order of the same id is another conversion.
                delivery.c.conversion_key.startswith(
                    f"{self.provider.event}:", autoescape=True
                ),
                delivery.c.order_at > now - self.provider.lookup_reach,
                or_(self._is_unanswered(now), _is_queued_blindly(now)),
            )
            .order_by(delivery.c.order_at, delivery.c.delivery_id)
            .limit(ONCE)
        )
        with self.ledger.database.read() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def _is_unanswered(self, now: datetime) -> ColumnElement[bool]:
        window = self.provider.resend.window
        forgotten = delivery.c.first_sent_at < now - window if window else None
        never_resent = delivery.c.accepted_at.is_not(None)
        handled = [NOT_FOUND, *self.provider.alarms]
        return and_(
            delivery.c.state == State.UNCERTAIN,
            func.coalesce(delivery.c.state_reason, "").not_in(handled),
            never_resent if forgotten is None else or_(never_resent, forgotten),
        )

    def _look(self, rows: Sequence[Row]) -> tuple[Findings, Request]:
        looking = self.provider.lookup(
            frozenset(row["order_id"] for row in rows),
            rows[0]["order_at"] - _MARGIN,
            rows[-1]["order_at"] + _MARGIN,
        )
        request = next(looking)
        try:
            while True:
                if self.calls >= self.provider.lookup_calls:
                    reply = _UNSENT
                else:
                    self.calls += 1
                    reply = self.transport.send(request)
                request = looking.send(reply)
        except StopIteration as done:
            findings: Findings = done.value
        return findings, request

    def _record(
        self, rows: Sequence[Row], findings: Findings, request: Request
    ) -> None:
        for start in range(0, len(rows), _SLICE):
            now = self.ledger.clock()
            with self.ledger.database.write() as connection:
                for row in rows[start : start + _SLICE]:
                    outcome = self._outcome(row, findings)
                    if outcome is None:
                        continue
                    moved = connection.execute(
                        update(delivery)
                        .where(
                            delivery.c.delivery_id == row["delivery_id"],
                            delivery.c.state == row["state"],
                            delivery.c.row_version == row["row_version"],
                        )
                        .values(self._changes(row, outcome, now))
                    )
                    if moved.rowcount and outcome.verdict is not Verdict.QUEUED:
                        self.found += outcome.verdict is Verdict.SETTLED
                        step = self._next_step(connection, row)
                        connection.execute(
                            delivery_attempt.insert(),
                            settle_attempt(
                                self.ledger,
                                row,
                                outcome,
                                now,
                                partition_key=self.partition_key,
                                step_no=step,
                            )
                            # The list speaks of other orders too: it is not kept.
                            | evidence.of_request(request),
                        )

    def _outcome(self, row: Row, findings: Findings) -> Outcome | None:
        """What the look says of a delivery; None: nothing yet."""
        found = findings.found.get(row["order_id"])
        if found is not None:
            return evidence.storable(found, self.provider.secrets)
        if not findings.is_complete:
            return None
        if row["state"] == State.QUEUED and not self._is_overdue(row):
            return Outcome(verdict=Verdict.QUEUED)
        return Outcome(
            verdict=Verdict.UNCERTAIN,
            reason=NOT_FOUND,
            detail=(
                f"not among {findings.seen} entries of the provider's list; that "
                "proves nothing: what no partner is credited for is not in it"
            ),
        )

    def _is_overdue(self, row: Row) -> bool:
        age: timedelta = self.ledger.clock() - row["accepted_at"]
        return age >= self.provider.settle_timeout

    def _changes(self, row: Row, outcome: Outcome, now: datetime) -> dict[str, Any]:
        touched = self.ledger.touched()
        if outcome.verdict is Verdict.QUEUED:
            return touched | {"next_attempt_at": now + AGAIN}
        told = {"state_reason": outcome.reason, "state_detail": outcome.detail}
        if outcome.verdict is Verdict.UNCERTAIN:
            if row["state"] != State.UNCERTAIN:
                check(row["state"], State.UNCERTAIN)
            # No date: no run looks again, v_needs_human shows it.
            ended = {"state": State.UNCERTAIN, "next_attempt_at": None}
            return touched | told | ended
        check(row["state"], State.SETTLED)
        sent = row["accepted_at"] or row["last_sent_at"] or now
        return (
            touched
            | told
            | {
                "state": State.SETTLED,
                "provider_ref": outcome.provider_ref,
                "provider_status": outcome.provider_status,
                "settled_at": now,
                "settle_seconds": int((now - sent).total_seconds()),
                "next_attempt_at": None,
            }
        )

    def _next_step(self, connection: Connection, row: Row) -> int:
        """A delivery may be settled to uncertain, and looked up after that."""
        statement = select(func.max(delivery_attempt.c.step_no)).where(
            delivery_attempt.c.delivery_id == row["delivery_id"],
            delivery_attempt.c.attempt_no == row["attempts"],
            delivery_attempt.c.event == "settle",
        )
        last = connection.execute(statement).scalar()
        return 0 if last is None else last + 1


def together(rows: Sequence[Row], span: timedelta) -> Iterator[Sequence[Row]]:
    """Cut rows, sorted by order time, into ranges that one look covers.

    Days without such an order are not asked for: the list of a day may be long.
    """
    start = 0
    for position, (row, following) in enumerate(pairwise(rows), start=1):
        gap = following["order_at"] - row["order_at"]
        if gap > _GAP or following["order_at"] - rows[start]["order_at"] > span:
            yield rows[start:position]
            start = position
    if rows:
        yield rows[start:]


def _is_queued_blindly(now: datetime) -> ColumnElement[bool]:
    return and_(
        delivery.c.state == State.QUEUED,
        delivery.c.provider_ref.is_(None),
        delivery.c.next_attempt_at <= now,
    )
