"""Looks up deliveries with unknown outcome in the provider's own list.

One look-up covers every such order of a time range. An order that is found is settled.
An order that is not found may have been accepted all the same, so its delivery stays
uncertain and waits for a person.

Looked up are deliveries that are not sent again: their dedup window is over, or the
provider queued them and never reported their end (`candidates.py`). A look-up changes
nothing at the provider, so it needs no intent.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from assets.delivery import evidence
from assets.ledger.bind_limit import bind_batches
from assets.ledger.ledger import Ledger
from assets.ledger.states import State, check_transition
from assets.ledger.tables import delivery, delivery_attempt
from assets.providers.base import LookupResult, QueueingProvider, Request
from assets.providers.replies import Outcome, Phase, Reply, Verdict
from assets.settlement.call_budget import CallBudget
from assets.settlement.candidates import (
    NOT_FOUND,
    Row,
    group_by_order_time,
    lookup_candidates,
)
from assets.settlement.outcome import settle_attempt
from assets.settlement.submissions import POLL_INTERVAL
from assets.transport.http import Transport

_MARGIN = timedelta(hours=1)
_NOT_SENT = Reply(phase=Phase.NONE, error="budget")


class Lookup:
    """One look-up of the deliveries of a destination with unknown outcome.

    Attributes:
        calls: How many pages were requested.
        found: How many deliveries are in the list.
        problem: Why a range could not be read to its end, or None.

    Args:
        provider: Reads the list.
        ledger: The deliveries.
        transport: Sends the requests.
        partition_key: The partition of the run; stored with the attempts.
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
        self._budget = CallBudget(ledger, "lookup")
        self._is_budget_used_up = False

    def run(self) -> str | None:
        """Look up the candidates of the destination.

        Returns:
            Why it stopped early (our credentials are refused), or None.
        """
        ledger = self.ledger
        rows = lookup_candidates(
            ledger.database, ledger.destination, self.provider, ledger.clock()
        )
        span = self.provider.lookup_max_range - 2 * _MARGIN
        for group in group_by_order_time(rows, span):
            if self._is_budget_used_up:
                break
            findings, columns = self._read_list(group)
            self.problem = self.problem or findings.problem
            for some in bind_batches(group):
                self._record(some, findings, columns)
            if findings.is_configuration_error:
                return f"configuration: {findings.problem}"
        return None

    def _read_list(self, rows: Sequence[Row]) -> tuple[LookupResult, dict[str, Any]]:
        """Read the list for these orders.

        Returns:
            The findings, and the columns that record the last page.
        """
        lookup = self.provider.lookup(
            frozenset(row["order_id"] for row in rows),
            rows[0]["order_at"] - _MARGIN,
            rows[-1]["order_at"] + _MARGIN,
        )
        request = next(lookup)
        columns: dict[str, Any] = {}
        try:
            while True:
                reply = self._send(request)
                # The list contains other orders too, so its text is not stored.
                columns = evidence.request_columns(request)
                columns |= evidence.reply_columns(reply, (), shown=b"")
                request = lookup.send(reply)
        except StopIteration as end:
            findings: LookupResult = end.value
        return findings, columns

    def _send(self, request: Request) -> Reply:
        if not self._budget.take(1, self.provider.lookup_calls):
            self._is_budget_used_up = True
            return _NOT_SENT
        self.calls += 1
        return self.transport.send(request)

    def _record(
        self, rows: Sequence[Row], findings: LookupResult, columns: dict[str, Any]
    ) -> None:
        now = self.ledger.clock()
        outcomes = ((row, self._outcome(row, findings, now)) for row in rows)
        with self.ledger.database.write() as connection:
            for row, outcome in outcomes:
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
                    connection.execute(delivery_attempt.insert(), attempt | columns)

    def _outcome(
        self, row: Row, findings: LookupResult, now: datetime
    ) -> Outcome | None:
        """Return what the look-up says of a delivery; None: nothing."""
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
        """Write an outcome; return False where another run was faster."""
        changes = _changes(row, outcome, now)
        if changes.get("state", row["state"]) != row["state"]:
            check_transition(row["state"], changes["state"])
        moved = connection.execute(
            update(delivery)
            .where(
                delivery.c.delivery_id == row["delivery_id"],
                delivery.c.state == row["state"],
                delivery.c.row_version == row["row_version"],
            )
            .values(changes | self.ledger.change_columns())
        )
        return bool(moved.rowcount)


def _changes(row: Row, outcome: Outcome, now: datetime) -> dict[str, Any]:
    if outcome.verdict is Verdict.QUEUED:
        return {"next_attempt_at": now + POLL_INTERVAL}
    changes = {
        "state_reason": outcome.reason,
        "state_detail": outcome.detail,
        # Without a date no run looks again. v_needs_human shows what is uncertain.
        "next_attempt_at": None,
    }
    if outcome.verdict is Verdict.UNCERTAIN:
        return changes | {"state": State.UNCERTAIN}
    sent = row["accepted_at"] or row["last_sent_at"] or now
    return changes | {
        "state": State.SETTLED,
        "provider_ref": outcome.provider_ref,
        "provider_status": outcome.provider_status,
        "settled_at": now,
        "settle_seconds": int((now - sent).total_seconds()),
    }


def _next_step(connection: Connection, row: Row) -> int:
    """Return the next step: a delivery may be settled to uncertain, then looked up."""
    statement = select(func.max(delivery_attempt.c.step_no)).where(
        delivery_attempt.c.delivery_id == row["delivery_id"],
        delivery_attempt.c.attempt_no == row["attempts"],
        delivery_attempt.c.event == "settle",
    )
    last = connection.execute(statement).scalar()
    return 0 if last is None else last + 1
