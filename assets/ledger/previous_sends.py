"""What was sent before a person resolved a delivery as not delivered.

The person may be wrong. If the provider then reports a duplicate, the earlier send is
what it has, and the delivery is worth what was sent then. Resolving clears
`first_sent_at`, so that the limits on repeats start again. The `manual` event keeps
the earlier content.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from assets.ledger.rows import Claimed
from assets.ledger.tables import delivery_attempt

_AMOUNT = ("amount_minor", "currency", "currency_digits")


def previous_send(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what was sent for a delivery; None: nothing was sent."""
    if row["first_sent_at"] is None:
        return None
    return {name: row[name] for name in (*_AMOUNT, "payload_hash")}


def attach_previous_sends(
    connection: Connection, claims: Iterable[Claimed]
) -> dict[str, Claimed]:
    """Return the claims that a person re-opened, with what was sent before that."""
    reopened = {
        one.delivery_id: one
        for one in claims
        if one.first_sent_at is None and one.attempt_no > 1
    }
    if not reopened:
        return {}
    statement = (
        select(delivery_attempt.c.delivery_id, delivery_attempt.c.request_json)
        .where(
            delivery_attempt.c.delivery_id.in_(reopened),
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
            reopened[key],
            payload_hash=sent["payload_hash"],
            previous_amount={name: sent[name] for name in _AMOUNT},
        )
        for key, sent in newest.items()
    }
