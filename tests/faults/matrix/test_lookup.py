"""Fault matrix, rows 18, 40 and 42: orders with unknown outcome are looked up.

impact.com lists the actions that were made of conversions. An order in the list is
settled; one that is not in it waits for a person.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from assets.ledger.unfinished import count_unfinished
from assets.settlement.candidates import group_by_order_time
from assets.settlement.lookup import Lookup
from assets.transport.http import HttpTransport
from support.engine import DAY, NOW
from support.raw_server import always, respond
from support.submissions import queued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from assets.ledger.database import Database
    from assets.providers.base import Request
    from assets.providers.conversion import Conversion
    from assets.providers.replies import Reply
    from support.harness import Harness, MakeHarness

ORDER = "O00000"


class Counting:
    """The real transport, and what was asked of it."""

    def __init__(self, harness: Harness) -> None:
        self.real = HttpTransport([harness.server.host])
        self.queries: list[dict[str, str]] = []

    def send(self, request: Request) -> Reply:
        query = parse_qs(urlsplit(request.url).query)
        self.queries.append({name: value for name, (value,) in query.items()})
        return self.real.send(request)

    def close(self) -> None:
        self.real.close()


@pytest.fixture
def impact(make_impact: MakeHarness, tables: Database) -> Harness:
    return make_impact(tables)


@pytest.fixture
def orders(conversion: Callable[..., Conversion]) -> list[Conversion]:
    return [conversion(order_id=ORDER)]


def lose_replies(harness: Harness, orders: list[Conversion]) -> None:
    """Nobody answers for these orders."""
    harness.server.script = always(respond(200, '{"Status": "?"}', None))
    harness.run(orders)
    assert set(harness.states().values()) == {"uncertain"}


def listed(*oids: str, **changes: object) -> Any:
    """The list of actions with these orders; asking counts nothing."""
    rows = [
        {"Id": f"1.2.{oid}", "ActionTrackerId": 2, "State": "PENDING", "Oid": oid}
        | changes
        for oid in oids
    ]
    page = respond(200, json.dumps({"Actions": rows, "@nextpageuri": ""}), None)
    return always(replace(page, statuses=dict.fromkeys(oids, "settled")))


def look_up(harness: Harness, **time: float) -> tuple[Lookup, Counting, str | None]:
    """Look up deliveries after some time."""
    harness.clock.pass_by(**time)
    ledger = harness.ledger("look")
    transport = Counting(harness)
    lookup = Lookup(harness.provider, ledger, transport, partition_key=DAY)
    try:
        stopped = lookup.run()
    finally:
        transport.close()
    return lookup, transport, stopped


def needing_a_person(harness: Harness) -> list[tuple[str, str]]:
    with harness.database.engine.connect() as connection:
        found = connection.exec_driver_sql("select order_id, reason from v_needs_human")
        return [tuple(one) for one in found.fetchall()]


def test_an_order_is_looked_up_only_after_the_dedup_window(
    impact: Harness, orders: list[Conversion]
) -> None:
    lose_replies(impact, orders)
    impact.server.script = listed(ORDER)
    _, early, _ = look_up(impact, hours=23)
    assert early.queries == []
    lookup, late, stopped = look_up(impact, hours=2)
    assert len(late.queries) == lookup.calls == lookup.found == 1
    assert stopped is None
    row = impact.row(ORDER)
    assert (row["state"], row["provider_ref"]) == ("settled", f"1.2.{ORDER}")
    assert row["settled_at"] == impact.clock.now
    (attempt,) = impact.attempts("settle")
    assert (attempt["from_state"], attempt["to_state"]) == ("uncertain", "settled")
    assert (attempt["http_status"], attempt["response_text"]) == (200, None)
    assert attempt["response_hash"]
    assert attempt["path_template"] == "/Advertisers/{account_sid}/Actions"
    assert look_up(impact, hours=1)[1].queries == []


def test_an_order_that_is_not_in_the_list_waits_for_a_person(
    impact_per_database: Harness, orders: list[Conversion]
) -> None:
    harness = impact_per_database
    lose_replies(harness, orders)
    harness.server.script = listed("O9", "O8")
    look_up(harness, hours=25)
    row = harness.row(ORDER)
    assert (row["state"], row["state_reason"]) == ("uncertain", "not_found_at_provider")
    assert row["state_detail"].startswith("not among 2 entries")
    assert row["next_attempt_at"] is None
    assert needing_a_person(harness) == [(ORDER, "not_found_at_provider")]
    assert look_up(harness, hours=24)[1].queries == []
    left = count_unfinished(
        harness.database,
        destination=harness.name,
        partition_key=DAY,
        policy=harness.provider.resend,
        now=harness.clock.now,
    )
    assert left == 0


def test_a_submission_that_never_ended_is_looked_up_at_once(
    impact: Harness, orders: list[Conversion]
) -> None:
    from support.submissions import PATH, about_submission, settle, submission

    impact.server.script = always(queued(PATH))
    about_submission(impact, submission(404))
    impact.run(orders)
    settle(impact, hours=1)
    assert impact.row(ORDER)["state_reason"] == "submission_not_found"
    impact.server.script = listed(ORDER)
    look_up(impact)
    assert impact.state(ORDER) == "settled"
    steps = [(one["step_no"], one["to_state"]) for one in impact.attempts("settle")]
    assert sorted(steps) == [(0, "uncertain"), (1, "settled")]


def test_18_a_delivery_queued_without_a_reference_is_looked_up(
    impact: Harness, orders: list[Conversion]
) -> None:
    impact.server.script = always(queued(None))
    impact.run(orders)
    impact.server.script = listed()
    assert look_up(impact)[1].queries == []
    look_up(impact, hours=1)
    assert impact.state(ORDER) == "queued"
    assert look_up(impact, minutes=30)[1].queries == []
    look_up(impact, hours=48)
    row = impact.row(ORDER)
    assert (row["state"], row["state_reason"]) == ("uncertain", "not_found_at_provider")


def test_18_a_delivery_queued_without_a_reference_is_found(
    impact: Harness, orders: list[Conversion]
) -> None:
    impact.server.script = always(queued(None))
    impact.run(orders)
    impact.server.script = listed(ORDER)
    look_up(impact, hours=1)
    row = impact.row(ORDER)
    assert (row["state"], row["settle_seconds"]) == ("settled", 3600)


def test_42_a_submission_of_another_order_is_not_looked_up(
    impact: Harness, orders: list[Conversion]
) -> None:
    from support.submissions import PATH, about_submission, settle, submission

    impact.server.script = always(queued(PATH))
    about_submission(impact, submission(OrderId="O99999"))
    impact.run(orders)
    settle(impact, hours=1)
    impact.server.script = listed(ORDER)
    assert look_up(impact, hours=72)[1].queries == []
    assert impact.row(ORDER)["state_reason"] == "wrong_order_in_submission"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_api_in_trouble_says_nothing_about_an_order(
    impact: Harness, orders: list[Conversion], status: int
) -> None:
    lose_replies(impact, orders)
    before = impact.row(ORDER)
    impact.server.script = always(respond(status, "{}", None))
    lookup, _, stopped = look_up(impact, hours=25)
    assert (lookup.problem, stopped) == (f"http_{status}", None)
    assert impact.row(ORDER) == before


def test_refused_credentials_stop_the_lookup(
    impact: Harness, orders: list[Conversion]
) -> None:
    lose_replies(impact, orders)
    impact.server.script = always(respond(403, "{}", None))
    assert look_up(impact, hours=25)[2] == "configuration: http_403"
    assert impact.state(ORDER) == "uncertain"


def test_orders_found_before_the_budget_was_used_up_are_kept(
    impact: Harness, conversion: Callable[..., Conversion]
) -> None:
    lose_replies(impact, [conversion(order_id=name) for name in ("A", "B")])
    impact.provider.lookup_calls = 2
    page = {"Id": "1.2.3", "ActionTrackerId": 2, "State": "PENDING", "Oid": "A"}
    body = json.dumps({"Actions": [page], "@nextpageuri": "/more"})
    half = replace(respond(200, body, None), statuses={"A": "settled"})
    impact.server.script = always(half)
    lookup, transport, _ = look_up(impact, hours=25)
    assert len(transport.queries) == lookup.calls == 2
    assert impact.states() == {"A": "settled", "B": "uncertain"}
    assert impact.row("B")["state_reason"] != "not_found_at_provider"


def test_pages_are_counted_from_run_to_run(
    impact: Harness, orders: list[Conversion]
) -> None:
    lose_replies(impact, orders)
    impact.provider.lookup_calls = 2
    impact.server.script = always(respond(500, "{}", None))
    looks = [look_up(impact, hours=25)[0]] + [look_up(impact)[0] for _ in range(3)]
    assert [one.calls for one in looks] == [1, 1, 0, 0]
    impact.server.script = listed(ORDER)
    assert look_up(impact, minutes=59)[0].calls == 0
    later, _, _ = look_up(impact, minutes=1)
    assert (later.calls, later.found) == (1, 1)


def ranges(days: Iterable[float]) -> list[list[float]]:
    """How orders of these days are grouped, by day."""
    rows = [{"order_at": NOW + timedelta(days=day)} for day in days]
    return [
        [(row["order_at"] - NOW) / timedelta(days=1) for row in group]
        for group in group_by_order_time(rows, timedelta(days=44))
    ]


def test_a_lookup_covers_consecutive_days_up_to_the_allowed_range() -> None:
    assert ranges([]) == []
    assert ranges([0]) == [[0]]
    assert ranges([0, 0.5, 1.5, 3]) == [[0, 0.5, 1.5], [3]]
    found = ranges(range(100))
    assert [len(group) for group in found] == [45, 45, 10]
    assert all(group[-1] - group[0] <= 44 for group in found)


def test_two_outages_are_two_lookups(
    impact: Harness, conversion: Callable[..., Conversion]
) -> None:
    at = conversion().completed_at
    lose_replies(
        impact,
        [
            conversion(order_id="A", completed_at=at),
            conversion(order_id="B", completed_at=at - timedelta(days=60)),
            conversion(order_id="C", completed_at=at - timedelta(hours=5)),
        ],
    )
    impact.server.script = listed("A", "B")
    _, transport, _ = look_up(impact, hours=25)
    asked = [one["ActionDateStart"][:10] for one in transport.queries]
    assert asked == ["2026-09-21", "2026-11-20"]
    assert impact.states() == {"A": "settled", "B": "settled", "C": "uncertain"}
