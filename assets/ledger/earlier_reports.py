"""What a provider had been told of a delivery that a person called not delivered.

The person may be wrong: where the provider then says that it has the order already, it
is our own duplicate, worth what was told first. The delivery forgets its first send, so
that the limits on repeats begin anew; the `manual` event of the decision remembers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from assets.ledger.rows import Claimed
from assets.ledger.tables import delivery_attempt

_WORTH = ("amount_minor", "currency", "currency_digits")


def what_was_reported(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is to be remembered of a delivery; None: nothing was told."""
    if row["first_sent_at"] is None:
        return None
    return {name: row[name] for name in (*_WORTH, "payload_hash")}


def reported_before(
    connection: Connection, claims: Iterable[Claimed]
) -> dict[str, Claimed]:
    """Return those claims of which a person had to decide, with what was told then."""
    doubted = {
        one.delivery_id: one
        for one in claims
        if one.first_sent_at is None and one.attempt_no > 1
    }
    if not doubted:
        return {}
    statement = (
        select(delivery_attempt.c.delivery_id, delivery_attempt.c.request_json)
        .where(
            delivery_attempt.c.delivery_id.in_(doubted),
            delivery_attempt.c.event == "manual",
            delivery_attempt.c.request_json.is_not(None),
        )
        .order_by(delivery_attempt.c.attempt_no)
    )
    newest = {
        row.delivery_id: row.request_json for row in connection.execute(statement)
    }
    return {
        key: replace(
            doubted[key],
            payload_hash=told["payload_hash"],
            told={name: told[name] for name in _WORTH},
        )
        for key, told in newest.items()
    }
