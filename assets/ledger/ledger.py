"""The ledger of one destination: which run may send a delivery, and what came of it.

The ledger stores rows and knows no provider: the meaning of a reply is decided before
it is recorded. Each method is one transaction or joins the caller's, so that a crash
leaves either the state before or the state after.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    bindparam,
    func,
    select,
    update,
)

from assets.ledger import remembered_keys
from assets.ledger.attempts import append_attempts, drop_recorded
from assets.ledger.data_issues import write_issues
from assets.ledger.database import Database
from assets.ledger.rows import NOT_PROCESSED, Claimed, Clock, Result, utc_now
from assets.ledger.states import State, check_transition
from assets.ledger.tables import delivery, delivery_attempt


class Ledger:
    """The deliveries of one destination as one run claims and records them.

    `delivery_plan.DeliveryPlan` writes everything that needs no claim.

    Args:
        database: The delivery tables.
        destination: Configured name.
        provider: Name of its provider.
        run_id: Recorded with every change.
        clock: Returns the current time; tests pass their own.
    """

    def __init__(
        self,
        database: Database,
        *,
        destination: str,
        provider: str,
        run_id: str,
        clock: Clock = utc_now,
    ) -> None:
        self.database = database
        self.destination = destination
        self.provider = provider
        self.run_id = run_id
        self.clock = clock
        self.owner = f"{run_id[:24]}:{uuid.uuid4().hex[:12]}"

    def change_columns(self) -> dict[str, Any]:
        """Return the columns that every change of a delivery sets."""
        return {
            "run_id": self.run_id,
            "updated_at": self.clock(),
            "row_version": delivery.c.row_version + 1,
        }

    def claim(
        self,
        connection: Connection,
        delivery_ids: Sequence[str],
        states: frozenset[State],
        lease_until: datetime,
        resendable_since: datetime | None = None,
    ) -> dict[str, Claimed]:
        """Claim deliveries for sending; return the claims of this run by delivery id.

        Two runs may ask for the same deliveries at the same moment: each delivery goes
        to one of them. The caller writes the intents in the same transaction.

        Args:
            connection: A `write` transaction, committed by the caller before the first
                byte is sent.
            delivery_ids: The wanted deliveries.
            states: States from which the resend policy allows a send.
            lease_until: When other runs may treat the claims as abandoned.
            resendable_since: Deliveries first sent earlier are not claimed, however
                long ago they were planned. None: deliveries sent before are not
                claimed at all.
        """
        claimable = self._claimable(delivery_ids, states, resendable_since)
        rows = {row.delivery_id: row for row in connection.execute(claimable)}
        for row in rows.values():
            check_transition(State(row.state), State.SENDING)
        connection.execute(
            update(delivery)
            .where(delivery.c.delivery_id.in_(rows))
            .values(
                state=State.SENDING,
                owner=self.owner,
                lease_until=lease_until,
                attempts=delivery.c.attempts + 1,
                next_attempt_at=None,
                **self.change_columns(),
            )
        )
        return {key: _claimed(row) for key, row in rows.items()}

    def _claimable(
        self,
        delivery_ids: Sequence[str],
        states: frozenset[State],
        resendable_since: datetime | None,
    ) -> Select[Any]:
        now = self.clock()
        may_be_sent: ColumnElement[bool] = delivery.c.first_sent_at.is_(None)
        if resendable_since is not None:
            may_be_sent |= delivery.c.first_sent_at >= resendable_since
        return (
            select(*_CLAIM_COLUMNS)
            .where(
                delivery.c.delivery_id.in_(delivery_ids),
                delivery.c.state.in_(states),
                func.coalesce(delivery.c.next_attempt_at, now) <= now,
                may_be_sent,
            )
            .with_for_update(skip_locked=True)
        )

    def write_intents(
        self, connection: Connection, intents: Sequence[Mapping[str, Any]]
    ) -> None:
        """Write the intents of requests, committed before their first byte is sent."""
        connection.execute(delivery_attempt.insert(), [dict(row) for row in intents])

    def renew(
        self, connection: Connection, claims: Sequence[Claimed], lease_until: datetime
    ) -> bool:
        """Extend the lease of claims; return False if another run took one over."""
        attempts = {one.delivery_id: one.attempt_no for one in claims}
        held = self._lock_claims(connection, list(attempts), self.owner)
        connection.execute(
            update(delivery)
            .where(delivery.c.delivery_id.in_(held))
            .values(lease_until=lease_until)
        )
        return held == attempts

    def record(self, results: Sequence[Result], owner: str | None = None) -> int:
        """Record the results of attempts; return how many claims were lost.

        Where another run took a delivery over, its state is not changed and the
        attempt of this run is stored as `fenced`.

        A result may arrive twice, after a commit whose confirmation got lost or from a
        spool that was not cleared. Results that are recorded already are left as they
        are.

        Args:
            results: The results of attempts.
            owner: Who had claimed the deliveries; None: this run.
        """
        with self.database.write() as connection:
            held = self._lock_claims(
                connection, [one.delivery_id for one in results], owner or self.owner
            )
            current: list[Result] = []
            fenced: list[Result] = []
            for one in results:
                is_current = held.get(one.delivery_id) == one.attempt_no
                (current if is_current else fenced).append(one)
            fenced = drop_recorded(connection, fenced)
            self.apply_results(connection, current)
            append_attempts(connection, current, event="outcome")
            append_attempts(connection, fenced, event="fenced")
            write_issues(connection, [row for one in current for row in one.issues])
            # Learned keys are true whichever run owns the delivery by now.
            learnt = dict(chain.from_iterable(one.learnt.items() for one in results))
            remembered_keys.add(connection, self.destination, learnt, self.clock())
        return len(fenced)

    def apply_results(self, connection: Connection, results: Sequence[Result]) -> None:
        """Move deliveries out of `sending`, in the caller's transaction.

        Raises:
            IllegalTransitionError: A result names a state that cannot follow `sending`.
        """
        for result in results:
            check_transition(State.SENDING, result.state)
        for names, group in groupby(results, key=lambda one: tuple(one.changes)):
            bound = [
                {f"to_{name}": one.changes[name] for name in names}
                | {"of_id": one.delivery_id, "to_state": one.state}
                for one in group
            ]
            connection.execute(self._result_update(names), bound)

    def _result_update(self, names: tuple[str, ...]) -> Update:
        return (
            update(delivery)
            .where(delivery.c.delivery_id == bindparam("of_id"))
            .values(
                {name: bindparam(f"to_{name}") for name in ("state", *names)}
                | {"owner": None, "lease_until": None}
                | self.change_columns()
            )
        )

    def _lock_claims(
        self, connection: Connection, delivery_ids: Sequence[str], owner: str
    ) -> dict[str, int]:
        """Lock the deliveries claimed by `owner`; return their attempt numbers."""
        statement = (
            select(delivery.c.delivery_id, delivery.c.attempts)
            .where(
                delivery.c.delivery_id.in_(delivery_ids),
                delivery.c.state == State.SENDING,
                delivery.c.owner == owner,
            )
            # Threads of one window lock the same rows. Without an order they deadlock.
            .order_by(delivery.c.delivery_id)
            .with_for_update()
        )
        return {row.delivery_id: row.attempts for row in connection.execute(statement)}


_CLAIM_COLUMNS = (
    delivery.c.delivery_id,
    delivery.c.state,
    delivery.c.state_reason,
    delivery.c.attempts,
    delivery.c.first_sent_at,
    delivery.c.payload_hash,
    delivery.c.source_hash,
    delivery.c.mapping_version,
)


def _claimed(row: Any) -> Claimed:
    return Claimed(
        delivery_id=row.delivery_id,
        attempt_no=row.attempts + 1,
        from_state=State(row.state),
        first_sent_at=row.first_sent_at,
        payload_hash=row.payload_hash,
        source_hash=row.source_hash,
        mapping_version=row.mapping_version,
        retry_requested=_retry_requested(row),
    )


def _retry_requested(row: Any) -> bool:
    is_waiting = row.state == State.RETRYABLE and row.payload_hash is not None
    return is_waiting and row.state_reason not in NOT_PROCESSED
