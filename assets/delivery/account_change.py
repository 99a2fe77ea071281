"""Deliveries that may have been reported somewhere else than the destination reports.

They went over a connection before a file took its place, or to another account. Their
outcome is unknown, so they may count there. If they were sent again, they could count
twice.
"""

from sqlalchemy import ColumnElement, and_, exists, or_, select, update

from assets.ledger.ledger import Ledger
from assets.ledger.retry import REPORTED_ELSEWHERE
from assets.ledger.states import State
from assets.ledger.tables import delivery, delivery_attempt, export_run

_NEXT_STATE = {
    State.UNCERTAIN: State.UNCERTAIN,
    State.RETRYABLE: State.EXHAUSTED,
}


def mark_reported_elsewhere(
    ledger: Ledger, account: str | None, *, writes_a_file: bool
) -> None:
    """Mark deliveries with unknown outcome elsewhere, so that a person resolves them.

    Deliveries that an outbox prepared itself and did not record are written again.

    Args:
        ledger: The ledger of the run.
        account: The current `Destination.account`; None: unknown.
        writes_a_file: The destination writes a file and sends nothing.
    """
    intent = delivery_attempt.c
    conditions: list[ColumnElement[bool]] = []
    if writes_a_file:
        conditions.append(intent.host != "")
    if account is not None:
        runs_of_other_accounts = select(export_run.c.run_id).where(
            export_run.c.destination == ledger.destination,
            export_run.c.account != account,
        )
        is_last = intent.attempt_no == delivery.c.attempts
        conditions.append(and_(is_last, intent.run_id.in_(runs_of_other_accounts)))
    if not conditions:
        return
    was_sent_elsewhere = exists().where(
        intent.delivery_id == delivery.c.delivery_id,
        intent.event == "intent",
        or_(*conditions),
    )
    with ledger.database.write() as connection:
        for state, next_state in _NEXT_STATE.items():
            connection.execute(
                update(delivery)
                .where(
                    delivery.c.destination == ledger.destination,
                    delivery.c.state == state,
                    delivery.c.first_sent_at.is_not(None),
                    delivery.c.state_reason.is_distinct_from(REPORTED_ELSEWHERE),
                    was_sent_elsewhere,
                )
                .values(
                    state=next_state,
                    state_reason=REPORTED_ELSEWHERE,
                    next_attempt_at=None,
                    **ledger.change_columns(),
                )
            )
