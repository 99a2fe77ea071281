"""Looks for deliveries that nobody answered for in the provider's own list.

Bulk: one look covers every such order of a range of days. What is found is settled.
What is not found may have been taken all the same, so it stays uncertain and waits for
a person.

Looked up are deliveries that are not sent again: the provider has forgotten them (its
dedup window is over), or it queued them and never said how they ended (`sought.py`).
Asking changes nothing at the provider, so it needs no intent.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from assets.delivery import evidence
from assets.ledger.bind_limit import slices
from assets.ledger.ledger import Ledger
from assets.ledger.states import State, check
from assets.ledger.tables import delivery, delivery_attempt
from assets.providers.base import LookupResult, QueueingProvider, Request
from assets.providers.replies import Outcome, Phase, Reply, Verdict
from assets.settlement.call_budget import Allowance
from assets.settlement.candidates import NOT_FOUND, Row, sought, together
from assets.settlement.follow import AGAIN
from assets.settlement.outcome import settle_attempt
from assets.transport.http import Transport

_MARGIN = timedelta(hours=1)
_UNSENT = Reply(phase=Phase.NONE, error="budget")


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
        provider: QueueingProvider,
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
        self._allowance = Allowance(ledger, "lookup")
        self._is_spent = False

    def run(self) -> str | None:
        """Look up what is to be looked up.

        Returns:
            Why it stopped early (our credentials are refused), or None.
        """
        ledger = self.ledger
        rows = sought(
            ledger.database, ledger.destination, self.provider, ledger.clock()
        )
        for group in together(rows, self.provider.lookup_max_range - 2 * _MARGIN):
            if self._is_spent:
                break
            findings, said = self._look(group)
            self.problem = self.problem or findings.problem
            for some in slices(group):
                self._record(some, findings, said)
            if findings.is_configuration_error:
                return f"configuration: {findings.problem}"
        return None

    def _look(self, rows: Sequence[Row]) -> tuple[LookupResult, dict[str, Any]]:
        """Read the list for these orders; return what is kept of the last page too."""
        looking = self.provider.lookup(
            frozenset(row["order_id"] for row in rows),
            rows[0]["order_at"] - _MARGIN,
            rows[-1]["order_at"] + _MARGIN,
        )
        request = next(looking)
        said: dict[str, Any] = {}
        try:
            while True:
                reply = self._ask(request)
                # The list speaks of other orders too: its text is not kept.
                said = evidence.of_request(request)
                said |= evidence.of_reply(reply, (), shown=b"")
                request = looking.send(reply)
        except StopIteration as done:
            findings: LookupResult = done.value
        return findings, said

    def _ask(self, request: Request) -> Reply:
        if not self._allowance.take(1, self.provider.lookup_calls):
            self._is_spent = True
            return _UNSENT
        self.calls += 1
        return self.transport.send(request)

    def _record(
        self, rows: Sequence[Row], findings: LookupResult, said: dict[str, Any]
    ) -> None:
        now = self.ledger.clock()
        told = ((row, self._outcome(row, findings, now)) for row in rows)
        with self.ledger.database.write() as connection:
            for row, outcome in told:
                if outcome is None or not self._move(connection, row, outcome, now):
                    continue
                self.found += outcome.verdict is Verdict.SETTLED
                if outcome.verdict is not Verdict.QUEUED:
                    attempt = settle_attempt(
                        self.ledger,
                        row,
                        outcome,
                        now,
                        partition_key=self.partition_key,
                        step_no=_next_step(connection, row),
                    )
                    connection.execute(delivery_attempt.insert(), attempt | said)

    def _outcome(
        self, row: Row, findings: LookupResult, now: datetime
    ) -> Outcome | None:
        """What the look says of a delivery; None: nothing."""
        found = findings.outcomes.get(row["order_id"])
        if found is not None:
            return evidence.storable(found, self.provider.secrets)
        if not findings.is_complete:
            return None
        if (
            row["state"] == State.QUEUED
            and now - row["accepted_at"] < self.provider.settle_timeout
        ):
            return Outcome(verdict=Verdict.QUEUED)
        return Outcome(
            verdict=Verdict.UNCERTAIN,
            reason=NOT_FOUND,
            detail=(
                f"not among {findings.entries_read} entries of the provider's list; "
                "that proves nothing: what no partner is credited for is not in it"
            ),
        )

    def _move(
        self, connection: Connection, row: Row, outcome: Outcome, now: datetime
    ) -> bool:
        """Write an outcome; False where another run was faster."""
        changes = _changes(row, outcome, now)
        if changes.get("state", row["state"]) != row["state"]:
            check(row["state"], changes["state"])
        moved = connection.execute(
            update(delivery)
            .where(
                delivery.c.delivery_id == row["delivery_id"],
                delivery.c.state == row["state"],
                delivery.c.row_version == row["row_version"],
            )
            .values(changes | self.ledger.touched())
        )
        return bool(moved.rowcount)


def _changes(row: Row, outcome: Outcome, now: datetime) -> dict[str, Any]:
    if outcome.verdict is Verdict.QUEUED:
        return {"next_attempt_at": now + AGAIN}
    told = {
        "state_reason": outcome.reason,
        "state_detail": outcome.detail,
        # Without a date no run looks again; v_needs_human shows what is uncertain.
        "next_attempt_at": None,
    }
    if outcome.verdict is Verdict.UNCERTAIN:
        return told | {"state": State.UNCERTAIN}
    sent = row["accepted_at"] or row["last_sent_at"] or now
    return told | {
        "state": State.SETTLED,
        "provider_ref": outcome.provider_ref,
        "provider_status": outcome.provider_status,
        "settled_at": now,
        "settle_seconds": int((now - sent).total_seconds()),
    }


def _next_step(connection: Connection, row: Row) -> int:
    """A delivery may be settled to uncertain, and looked up after that."""
    statement = select(func.max(delivery_attempt.c.step_no)).where(
        delivery_attempt.c.delivery_id == row["delivery_id"],
        delivery_attempt.c.attempt_no == row["attempts"],
        delivery_attempt.c.event == "settle",
    )
    last = connection.execute(statement).scalar()
    return 0 if last is None else last + 1
