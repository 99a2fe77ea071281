"""Deliveries that were told over a connection, once a file takes its place.

Nobody answered for them, so the provider may have them: in the file a person would hand
them over a second time.
"""

from sqlalchemy import exists, update

from assets.delivery.ledger import Ledger
from assets.delivery.retry import TOLD_ELSEWHERE
from assets.delivery.states import State
from assets.delivery.tables import delivery, delivery_attempt

_AFTER = {State.UNCERTAIN: State.UNCERTAIN, State.RETRYABLE: State.EXHAUSTED}


def keep_out_of_files(ledger: Ledger) -> None:
    """Leave to a person what an outbox must not take, with the reason.

    What an outbox prepared itself and did not get to record is written again.
    """
    went_out = exists().where(
        delivery_attempt.c.delivery_id == delivery.c.delivery_id,
        delivery_attempt.c.event == "intent",
        delivery_attempt.c.host != "",
    )
    with ledger.database.write() as connection:
        for before, after in _AFTER.items():
            connection.execute(
                update(delivery)
                .where(
                    delivery.c.destination == ledger.destination,
                    delivery.c.state == before,
                    delivery.c.first_sent_at.is_not(None),
                    delivery.c.state_reason.is_distinct_from(TOLD_ELSEWHERE),
                    went_out,
                )
                .values(
                    state=after,
                    state_reason=TOLD_ELSEWHERE,
                    next_attempt_at=None,
                    **ledger.touched(),
                )
            )
