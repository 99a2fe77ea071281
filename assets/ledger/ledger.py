"""The ledger: who may send a delivery, and what came of each attempt.

It knows rows, not providers: what a reply means is decided before it comes here. Each
method is one transaction, so that a crash leaves the state before or the state after.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, groupby
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    bindparam,
    func,
    select,
    true,
    update,
)

from assets.ledger import remembered_keys
from assets.ledger.database import insert_if_new
from assets.ledger.quarantine import keep_issues
from assets.ledger.register import Register
from assets.ledger.rows import NOT_TRIED, Claimed, Result, new_attempt_id
from assets.ledger.states import State, check
from assets.ledger.tables import delivery, delivery_attempt


class Ledger(Register):
    """The deliveries of one destination, and what is sent of them by one run."""

    def claim(
        self,
        connection: Connection,
        delivery_ids: Sequence[str],
        states: frozenset[State],
        lease_until: datetime,
        repeatable_from: datetime | None = None,
    ) -> dict[str, Claimed]:
        """Take deliveries for sending; return those that are ours now.

        Two runs can ask for the same deliveries at the same moment: each is given to
        one of them. The caller writes the intents in the same transaction.

        Args:
            connection: A `write` transaction, committed by the caller before a byte
                leaves.
            delivery_ids: What is wanted.
            states: From which a delivery may be sent under the resend policy.
            lease_until: When others may take our deliveries for abandoned.
            repeatable_from: What was first sent earlier is not claimed, however long
                ago it was planned; None: nothing that was sent before is.
        """
        now = self.clock()
        is_repeatable: ColumnElement[bool] = delivery.c.first_sent_at.is_(None)
        if repeatable_from is not None:
            is_repeatable |= delivery.c.first_sent_at >= repeatable_from
        free = (
            select(*_CLAIM_COLUMNS)
            .where(
                delivery.c.delivery_id.in_(delivery_ids),
                delivery.c.state.in_(states),
                func.coalesce(delivery.c.next_attempt_at, now) <= now,
                is_repeatable,
            )
            .with_for_update(skip_locked=True)
        )
        ours = {row.delivery_id: row for row in connection.execute(free)}
        for row in ours.values():
            check(State(row.state), State.SENDING)
        connection.execute(
            update(delivery)
            .where(delivery.c.delivery_id.in_(ours))
            .values(
                state=State.SENDING,
                owner=self.owner,
                lease_until=lease_until,
                attempts=delivery.c.attempts + 1,
                next_attempt_at=None,
                **self.touched(),
            )
        )
        return {
            key: Claimed(
                delivery_id=key,
                attempt_no=row.attempts + 1,
                from_state=State(row.state),
                first_sent_at=row.first_sent_at,
                payload_hash=row.payload_hash,
                source_hash=row.source_hash,
                mapping_version=row.mapping_version,
                was_put_off=_was_put_off(row),
            )
            for key, row in ours.items()
        }

    def intend(
        self, connection: Connection, intents: Sequence[Mapping[str, Any]]
    ) -> None:
        """Write the intents of requests; committed before their first byte leaves."""
        connection.execute(delivery_attempt.insert(), [dict(row) for row in intents])

    def renew(
        self, connection: Connection, claims: Sequence[Claimed], lease_until: datetime
    ) -> bool:
        """Hold claims for longer; False where one of them is no longer ours."""
        attempts = {one.delivery_id: one.attempt_no for one in claims}
        held = self._held(connection, list(attempts), self.owner)
        connection.execute(
            update(delivery)
            .where(delivery.c.delivery_id.in_(held))
            .values(lease_until=lease_until)
        )
        return held == attempts

    def record(self, results: Sequence[Result], owner: str | None = None) -> int:
        """Write what the attempts came to; return how many were no longer ours.

        Where another run took a delivery over, its state is left alone and our
        attempt is kept as `fenced`.

        What is recorded already is left as it is: a commit whose answer got lost, or
        a spool that was not cleared, brings it here twice.

        Args:
            results: What the attempts came to.
            owner: Who had claimed them; None: we.
        """
        with self.database.write() as connection:
            held = self._held(
                connection, [one.delivery_id for one in results], owner or self.owner
            )
            ours: list[Result] = []
            fenced: list[Result] = []
            for one in results:
                is_ours = held.get(one.delivery_id) == one.attempt_no
                (ours if is_ours else fenced).append(one)
            fenced = _not_recorded(connection, fenced)
            self._move(connection, ours)
            _append(connection, ours, event="outcome")
            _append(connection, fenced, event="fenced")
            keep_issues(connection, [row for one in ours for row in one.issues])
            # True whoever owns the delivery by now.
            learnt = dict(chain.from_iterable(one.learnt.items() for one in results))
            remembered_keys.remember(connection, self.destination, learnt, self.clock())
        return len(fenced)

    def release_abandoned(
        self,
        to: State,
        reason: str,
        wait: timedelta = timedelta(),
        *,
        at_once: bool = False,
    ) -> int:
        """Give up the claims of owners whose lease is over; return how many.

        Their requests may have left at any moment since the claim: for the memory of
        the provider the claim counts as the send.

        Args:
            to: `retryable` where a repeat is harmless, else `uncertain`.
            reason: Recorded with the state.
            wait: A repeat is harmless only after so long.
            at_once: No other run can be at work: leases are not waited for.
        """
        check(State.SENDING, to)
        now = self.clock()
        abandoned = (
            select(
                delivery.c.delivery_id,
                delivery.c.attempts,
                delivery.c.first_sent_at,
                delivery.c.updated_at,
            )
            .where(
                delivery.c.destination == self.destination,
                delivery.c.state == State.SENDING,
                true() if at_once else delivery.c.lease_until <= now,
            )
            .with_for_update(skip_locked=True)
        )
        with self.database.write() as connection:
            results = [
                self._abandoned(row, to, reason, now + wait)
                for row in connection.execute(abandoned)
            ]
            self._move(connection, results)
            _append(connection, results, event="outcome")
        return len(results)

    def next_due(self, partition_key: str, states: frozenset[State]) -> datetime | None:
        """Return when the next delivery of a partition may be tried again."""
        statement = select(func.min(delivery.c.next_attempt_at)).where(
            delivery.c.destination == self.destination,
            delivery.c.partition_key == partition_key,
            delivery.c.state.in_(states),
        )
        with self.database.read() as connection:
            return connection.execute(statement).scalar()

    def last_due(
        self, partition_key: str, states: frozenset[State], by: datetime
    ) -> datetime | None:
        """Return when the last of those is due that may be tried again until `by`."""
        statement = select(func.max(delivery.c.next_attempt_at)).where(
            delivery.c.destination == self.destination,
            delivery.c.partition_key == partition_key,
            delivery.c.state.in_(states),
            delivery.c.next_attempt_at <= by,
        )
        with self.database.read() as connection:
            return connection.execute(statement).scalar()

    def _held(
        self, connection: Connection, delivery_ids: Sequence[str], owner: str
    ) -> dict[str, int]:
        statement = (
            select(delivery.c.delivery_id, delivery.c.attempts)
            .where(
                delivery.c.delivery_id.in_(delivery_ids),
                delivery.c.state == State.SENDING,
                delivery.c.owner == owner,
            )
            # Threads of one window lock the same rows: in one order, or they deadlock.
            .order_by(delivery.c.delivery_id)
            .with_for_update()
        )
        return {row.delivery_id: row.attempts for row in connection.execute(statement)}

    def _move(self, connection: Connection, results: Sequence[Result]) -> None:
        for result in results:
            check(State.SENDING, result.state)
        for names, group in groupby(results, key=lambda one: tuple(one.changes)):
            bound = [
                {f"to_{name}": one.changes[name] for name in names}
                | {"of_id": one.delivery_id, "to_state": one.state}
                for one in group
            ]
            connection.execute(self._moving(names), bound)

    def _moving(self, names: tuple[str, ...]) -> Update:
        return (
            update(delivery)
            .where(delivery.c.delivery_id == bindparam("of_id"))
            .values(
                {name: bindparam(f"to_{name}") for name in ("state", *names)}
                | {"owner": None, "lease_until": None}
                | self.touched()
            )
        )

    def _abandoned(self, row: Any, to: State, reason: str, due: datetime) -> Result:
        attempt = {
            "attempt_id": new_attempt_id(),
            "event": "outcome",
            "delivery_id": row.delivery_id,
            "attempt_no": row.attempts,
            # Whatever the owner still manages to record of its steps is kept beside it.
            "step_no": -1,
            "happened_at": self.clock(),
            "run_id": self.run_id,
            "decided_by": "auto",
            "reason": reason,
            "from_state": State.SENDING,
            "to_state": to,
        }
        changes = {
            "state_reason": reason,
            "state_detail": None,
            # What no run sends again waits for a person, from now on.
            "next_attempt_at": due if to is State.RETRYABLE else None,
            "first_sent_at": row.first_sent_at or row.updated_at,
            "last_sent_at": row.updated_at,
        }
        return Result(
            delivery_id=row.delivery_id,
            attempt_no=row.attempts,
            state=to,
            changes=changes,
            attempts=[attempt],
        )


def _was_put_off(row: Any) -> bool:
    is_waiting = row.state == State.RETRYABLE and row.payload_hash is not None
    return is_waiting and row.state_reason not in NOT_TRIED


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


def _append(connection: Connection, results: Sequence[Result], *, event: str) -> None:
    rows = [{**row, "event": event} for one in results for row in one.attempts]
    if rows:
        # `fenced` may be brought twice; that any other event is, is a bug.
        is_new = event != "fenced"
        plain = delivery_attempt.insert()
        insert = plain if is_new else insert_if_new(connection, delivery_attempt)
        connection.execute(insert, rows)


def _not_recorded(connection: Connection, results: Sequence[Result]) -> list[Result]:
    ids = [row["attempt_id"] for one in results for row in one.attempts]
    statement = select(delivery_attempt.c.attempt_id).where(
        delivery_attempt.c.attempt_id.in_(ids), delivery_attempt.c.event == "outcome"
    )
    recorded = set(connection.execute(statement).scalars()) if ids else set()
    return [
        one
        for one in results
        if recorded.isdisjoint(row["attempt_id"] for row in one.attempts)
    ]
