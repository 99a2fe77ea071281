"""Deliveries that may have been told somewhere else than the destination tells now.

Over a connection, before a file took its place; or to another account. Nobody answered
for them, so they may count there: told here as well, they could count twice.
"""

from sqlalchemy import ColumnElement, and_, exists, or_, select, update

from assets.ledger.ledger import Ledger
from assets.ledger.retry import REPORTED_ELSEWHERE
from assets.ledger.states import State
from assets.ledger.tables import delivery, delivery_attempt, export_run

_AFTER = {State.UNCERTAIN: State.UNCERTAIN, State.RETRYABLE: State.EXHAUSTED}


def leave_to_a_person(
    ledger: Ledger, account: str | None, *, writes_a_file: bool
) -> None:
    """Leave to a person, with the reason, what nobody answered for elsewhere.

    What an outbox prepared itself and did not get to record is written again.

    Args:
        ledger: Of the run.
        account: `Destination.account` of today; None: not known.
        writes_a_file: The destination tells nobody, it prepares a file.
    """
    intent = delivery_attempt.c
    places: list[ColumnElement[bool]] = []
    if writes_a_file:
        places.append(intent.host != "")
    if account is not None:
        to_others = select(export_run.c.run_id).where(
            export_run.c.destination == ledger.destination,
            export_run.c.account != account,
        )
        last = intent.attempt_no == delivery.c.attempts
        places.append(and_(last, intent.run_id.in_(to_others)))
    if not places:
        return
    went_elsewhere = exists().where(
        intent.delivery_id == delivery.c.delivery_id,
        intent.event == "intent",
        or_(*places),
    )
    with ledger.database.write() as connection:
        for before, after in _AFTER.items():
            connection.execute(
                update(delivery)
                .where(
                    delivery.c.destination == ledger.destination,
                    delivery.c.state == before,
                    delivery.c.first_sent_at.is_not(None),
                    delivery.c.state_reason.is_distinct_from(REPORTED_ELSEWHERE),
                    went_elsewhere,
                )
                .values(
                    state=after,
                    state_reason=REPORTED_ELSEWHERE,
                    next_attempt_at=None,
                    **ledger.touched(),
                )
            )
