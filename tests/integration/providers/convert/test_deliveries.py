"""Convert through the delivery tables: refused batches, lost replies, doubts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from assets.ledger.database import Database
from assets.ledger.tables import data_issue
from assets.providers.base import Request
from assets.providers.conversion import Conversion, Segments
from assets.providers.replies import Phase, Reply
from pipelines.sandbox.state import Sandbox
from support.convert_account import convert
from support.engine import NOW, Bench

Make = Callable[..., Conversion]


class ToSandbox:
    """Carries requests to a sandbox in this process, and its replies back."""

    def __init__(self) -> None:
        self.sandbox = Sandbox()

    def send(self, request: Request) -> Reply:
        target = f"/convert{urlsplit(request.url).path}"
        headers = {name.lower(): value for name, value in request.headers.items()}
        exchange = self.sandbox.receive(request.method, target, headers, request.body)
        if exchange.fault is not None and exchange.fault.kind == "lost_reply":
            return Reply(phase=Phase.WAITING, error="connection_reset", at=NOW)
        return Reply(phase=Phase.DONE, status=exchange.reply.status, at=NOW)

    def close(self) -> None: ...


@pytest.fixture
def line(database: Database) -> tuple[Bench, Sandbox]:
    """A Convert destination whose requests go to a sandbox."""
    transport = ToSandbox()
    return Bench(database, provider=convert(), transport=transport), transport.sandbox


def visitors(make: Make, count: int) -> list[Conversion]:
    return [
        make(order_id=f"O{number:02}", identifiers={"convert_visitor_id": f"v{number}"})
        for number in range(count)
    ]


def issues(database: Database) -> list[dict[str, Any]]:
    with database.read() as connection:
        found = connection.execute(select(data_issue).order_by(data_issue.c.subject))
        return [dict(row) for row in found.mappings()]


def test_two_bad_orders_of_a_batch_are_rejected_and_the_others_counted_once(
    line: tuple[Bench, Sandbox], conversion: Make
) -> None:
    bench, sandbox = line
    sandbox.misbehave("convert:status=400~O(17|33)")
    summary = bench.run(visitors(conversion, 50))
    rejected = {one for one, state in bench.states().items() if state != "accepted"}
    assert rejected == {"O17", "O33"}
    assert bench.row("O17")["state_reason"] == "http_400"
    assert bench.row("O03")["state_reason"] is None
    assert set(sandbox.effects("convert").values()) == {1}
    assert len(sandbox.effects("convert")) == 48
    assert summary.requests <= 18
    # Every request about an order has its intent and its outcome.
    mine = [row for row in bench.attempts() if row["batch_index"] == 17]
    assert {row["event"] for row in mine} == {"intent", "outcome"}
    assert [row["to_state"] for row in mine if row["event"] == "outcome"][-1] == (
        "rejected"
    )


def test_a_reply_lost_while_a_batch_is_taken_apart_concerns_its_own_orders_only(
    line: tuple[Bench, Sandbox], conversion: Make
) -> None:
    bench, sandbox = line
    sandbox.misbehave("convert:status=400~O07", "convert:lost_reply~O04")
    bench.run(visitors(conversion, 8))
    states = bench.states()
    # Asked: all, the first four, then O04 and O05, whose reply was lost.
    assert [one for one in states if states[one] == "uncertain"] == ["O04", "O05"]
    assert states["O07"] == "rejected"
    assert states["O06"] == "accepted"
    assert max(sandbox.effects("convert").values()) == 1


def test_what_is_left_out_or_cut_is_recorded_for_the_order(
    database: Database, conversion: Make
) -> None:
    provider = convert(fields={"customDimension2": "extra.note"})
    bench = Bench(database, provider=provider, transport=ToSandbox())
    odd = conversion(
        order_id="odd",
        segments=Segments(browser="EDG", country="USA"),
        extra={"note": "n" * 40},
    )
    plain = replace(odd, order_id="plain", segments=None, extra={})
    held = replace(odd, order_id="held", currency="EUR")
    bench.run([odd, plain, held])
    bench.run([odd, plain, held])
    assert bench.states() == {
        "odd": "accepted",
        "plain": "accepted",
        "held": "suppressed",
    }
    assert bench.row("held")["state_reason"] == "currency_not_taken"
    found = issues(database)
    assert {row["order_id"] for row in found} == {"odd"}
    assert {row["destination"] for row in found} == {"shop"}
    assert [(row["code"], row["subject"]) for row in found] == [
        ("unknown_segment", "shop browser"),
        ("unknown_segment", "shop country"),
        ("value_cut", "shop customDimension2"),
    ]
    assert found[2]["detail"] == "cut to 32 characters, got 40"


def test_of_a_visitor_only_the_order_that_is_reported_first_is_sent(
    database: Database, conversion: Make
) -> None:
    bench = Bench(
        database, provider=convert(first_order_only=True), transport=ToSandbox()
    )
    same = {"convert_visitor_id": "v1"}
    orders = [
        conversion(order_id="O1", identifiers=same),
        conversion(order_id="O2", identifiers=same),
        conversion(order_id="O3", identifiers={"convert_visitor_id": "v2"}),
    ]
    bench.run(orders)
    expected = {"O1": "accepted", "O2": "suppressed", "O3": "accepted"}
    assert bench.states() == expected
    assert bench.row("O2")["state_reason"] == "not_first_order"
    bench.run([conversion(order_id="O4", identifiers=same)], partition_key="2026-11-21")
    assert bench.states() == expected | {"O4": "suppressed"}
    before = bench.rows()
    assert bench.run(orders).requests == 0
    assert bench.rows() == before


def test_a_first_order_that_was_refused_makes_room_for_the_next(
    line: tuple[Bench, Sandbox], conversion: Make
) -> None:
    bench, sandbox = line
    bench.provider = convert(first_order_only=True)
    sandbox.misbehave("convert:status=400~O1")
    same = {"convert_visitor_id": "v1"}
    orders = [conversion(order_id=name, identifiers=same) for name in ("O1", "O2")]
    bench.run(orders)
    bench.run(orders)
    assert bench.states() == {"O1": "rejected", "O2": "accepted"}
