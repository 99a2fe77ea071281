"""A reply that comes after another run changed the delivery changes nothing.

The state alone is no proof: in the meantime the delivery may have been sent again, and
have the same state again for another submission.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from assets.ledger.database import Database
from assets.ledger.tables import delivery
from assets.providers.base import Request
from assets.providers.conversion import Conversion, Item
from assets.providers.replies import Reply
from assets.settlement.lookup import Lookup
from assets.settlement.submissions import SubmissionFollower
from support.engine import DAY, LOST, Bench, answer, order
from support.impact_account import impact


@dataclass
class Slow:
    """Answers always the same, but only after something else happened."""

    reply: Reply
    meanwhile: Callable[[], None] = lambda: None

    def send(self, _request: Request) -> Reply:
        self.meanwhile()
        return self.reply

    def close(self) -> None: ...


def said(**body: Any) -> Reply:
    return answer(body=json.dumps(body).encode())


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database, provider=impact())


@pytest.fixture
def orders() -> list[Conversion]:
    price = Decimal("12.34")
    item = Item(
        line_no=1,
        sku="S",
        quantity=Decimal(1),
        unit_price=price,
        subtotal=price,
        discount=Decimal(0),
    )
    return [order(identifiers={"impact_click_id": "abc"}, items=(item,))]


def another_run(bench: Bench, **changes: Any) -> Callable[[], None]:
    """Another run moves the delivery on; its state is the same again."""

    def move() -> None:
        moved = {"row_version": delivery.c.row_version + 1} | changes
        with bench.database.write() as connection:
            connection.execute(update(delivery).values(moved))

    return move


@pytest.mark.parametrize(
    "told",
    [
        {"Status": "Queued"},
        {"Status": "Complete", "ErrorReason": "CONTRACT_NOT_FOUND"},
        {"Status": "Complete", "ErrorReason": ""},
    ],
)
def test_a_late_submission_result_does_not_settle_a_later_one(
    bench: Bench, orders: list[Conversion], told: dict[str, Any]
) -> None:
    uri = "/Advertisers/SID1/APISubmissions/A-1"
    bench.transport = Slow(said(Status="QUEUED", QueuedUri=uri))
    bench.run(orders)
    assert bench.states() == {"O1": "queued"}
    bench.clock.pass_by(hours=1)
    due = bench.clock() + timedelta(minutes=30)
    moves = another_run(bench, provider_ref="A-2", next_attempt_at=due)
    asked = Slow(said(OrderId="O1", **told), moves)
    SubmissionFollower(bench.provider, bench.ledger(), asked, partition_key=DAY).run()
    row = bench.row()
    assert (row["state"], row["provider_ref"]) == ("queued", "A-2")
    assert row["next_attempt_at"] == due
    assert bench.attempts("settle") == []


FOUND = {"Id": "1.2.3", "ActionTrackerId": 9876, "State": "PENDING", "Oid": "O1"}


@pytest.mark.parametrize("actions", [[FOUND], []])
def test_a_late_lookup_result_does_not_end_a_later_send(
    bench: Bench, orders: list[Conversion], actions: list[dict[str, Any]]
) -> None:
    bench.transport = Slow(LOST)
    bench.run(orders, limit=1)
    assert bench.states() == {"O1": "uncertain"}
    bench.clock.pass_by(hours=25)
    due = bench.clock() + timedelta(minutes=30)
    moves = another_run(bench, first_sent_at=bench.clock(), next_attempt_at=due)
    asked = Slow(said(Actions=actions), moves)
    looking = Lookup(bench.provider, bench.ledger(), asked, partition_key=DAY)
    looking.run()
    assert (looking.calls, looking.found) == (1, 0)
    row = bench.row()
    assert (row["state"], row["state_reason"]) == ("uncertain", "no_reply")
    assert row["next_attempt_at"] == due
    assert bench.attempts("settle") == []
