"""Fault matrix, rows 18 and 40 to 42: the end of queued conversions.

impact.com queues a conversion and decides later. Asking changes nothing.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from assets.figures.alarms import orders_by_reason
from assets.ledger.ledger import Ledger
from assets.settlement.call_budget import CallBudget
from support.engine import DEDUPE
from support.raw_server import Response, always, respond
from support.submissions import (
    ORDER,
    PATH,
    about_submission,
    queued,
    settle,
    settling,
    submission,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from assets.ledger.database import Database
    from assets.providers.conversion import Conversion
    from support.harness import Harness, MakeHarness


@pytest.fixture
def impact(make_impact: MakeHarness, tables: Database) -> Harness:
    """A harness for impact.com, which replies QUEUED."""
    harness = make_impact(tables)
    harness.server.script = always(queued(PATH))
    return harness


@pytest.fixture
def orders(conversion: Callable[..., Conversion]) -> list[Conversion]:
    """One order that impact.com accepts."""
    return [conversion(order_id=ORDER)]


def refused() -> Response:
    """No partner has a contract for this order."""
    return submission(ErrorReason="CONTRACT_NOT_FOUND", ends="rejected")


@pytest.mark.parametrize("uri", [None, "https://evil.example/x", "//evil/x", "/x", ""])
def test_18_queued_without_an_address_of_ours(
    impact: Harness, orders: list[Conversion], uri: str | None
) -> None:
    impact.server.script = always(queued(uri))
    impact.run(orders)
    row = impact.row(ORDER)
    assert (row["state"], row["state_reason"]) == ("queued", "queued_without_ref")
    assert row["provider_ref"] is None
    assert settle(impact, hours=2) is None
    assert (impact.state(ORDER), len(impact.server.seen)) == ("queued", 1)
    impact.check_finished(orders)


def test_18_a_foreign_address_is_never_called(
    impact: Harness, make_harness: MakeHarness, orders: list[Conversion]
) -> None:
    other = make_harness(impact.database, DEDUPE).server
    impact.server.script = always(queued(f"{other.url}{PATH}"))
    impact.run(orders)
    settle(impact, hours=2)
    assert other.connections == 0


def test_40_a_submission_that_stays_queued_for_ever(
    impact_per_database: Harness, orders: list[Conversion]
) -> None:
    harness = impact_per_database
    harness.server.script = always(queued(PATH))
    about_submission(harness, submission(Status="Queued"))
    harness.run(orders)
    for _ in range(3):
        settle(harness, hours=2)
        assert harness.state(ORDER) == "queued"
    settle(harness, hours=48)
    row = harness.row(ORDER)
    assert (row["state"], row["state_reason"]) == ("uncertain", "settle_timeout")
    with harness.database.engine.connect() as connection:
        listed = connection.exec_driver_sql(
            "select order_id, state from v_needs_human"
        ).fetchall()
    assert [tuple(one) for one in listed] == [(ORDER, "uncertain")]
    posts = len(harness.server.log.orders)
    harness.server.script = always(queued(PATH))
    harness.run(orders)
    assert len(harness.server.log.orders) == posts
    # The provider's memory is over as well: still a person's, never another request.
    assert harness.state(ORDER) in {"uncertain", "exhausted"}
    harness.check(rerun=lambda: harness.run(orders))


ENDS = {
    "well": ("", "settled", None, None),
    "duplicate": ("CONV_DUPLICATE", "duplicate", "conv_duplicate", None),
    "refused": ("CONTRACT_NOT_FOUND", "rejected", "contract_not_found", None),
    "two": (
        "NO_ITEM CONTRACT_NOT_FOUND",
        "rejected",
        "no_item",
        "NO_ITEM CONTRACT_NOT_FOUND",
    ),
    "unknown": ("BRAND_NEW_CODE", "rejected", "unknown_reason", "BRAND_NEW_CODE"),
}


@pytest.mark.parametrize(("code", "state", "reason", "detail"), ENDS.values(), ids=ENDS)
def test_41_a_submission_ends_with_its_reason(
    impact: Harness,
    orders: list[Conversion],
    *,
    code: str,
    state: str,
    reason: str | None,
    detail: str | None,
) -> None:
    about_submission(impact, submission(ErrorReason=code, ends=state))
    impact.run(orders)
    settle(impact, hours=1)
    row = impact.row(ORDER)
    assert (row["state"], row["state_reason"]) == (state, reason)
    assert detail in {None, row["state_detail"]}
    assert row["settle_seconds"] == 3600
    (attempt,) = impact.attempts("settle")
    assert (attempt["from_state"], attempt["to_state"]) == ("queued", state)
    impact.check()
    requests = len(impact.server.seen)
    settle(impact, hours=2)
    impact.run(orders)
    assert len(impact.server.seen) == requests


def test_42_a_submission_that_no_longer_exists(
    impact: Harness, orders: list[Conversion]
) -> None:
    about_submission(impact, respond(404, '{"Status": "ERROR"}', None))
    impact.run(orders)
    settle(impact, hours=1)
    row = impact.row(ORDER)
    assert (row["state"], row["state_reason"]) == ("uncertain", "submission_not_found")
    impact.run(orders)
    assert impact.server.log.orders == [ORDER]
    impact.check()


def test_42_a_submission_of_another_order(
    impact: Harness, orders: list[Conversion]
) -> None:
    about_submission(impact, submission(OrderId="O99999"))
    impact.run(orders)
    settle(impact, hours=1)
    row = impact.row(ORDER)
    assert row["state"] == "uncertain"
    assert row["state_reason"] == "wrong_order_in_submission"
    impact.run(orders)
    assert impact.server.log.orders == [ORDER]
    impact.check()


@pytest.mark.parametrize("status", [500, 503, 429])
def test_42_an_api_in_trouble_says_nothing_about_a_submission(
    impact: Harness, orders: list[Conversion], status: int
) -> None:
    about_submission(impact, respond(status, "{}", None))
    impact.run(orders)
    assert settle(impact, hours=1) is None
    assert impact.state(ORDER) == "queued"


def test_42_refused_credentials_stop_the_settlement(
    impact: Harness, orders: list[Conversion]
) -> None:
    about_submission(impact, respond(401, "{}", None))
    impact.run(orders)
    assert settle(impact, hours=1) == "configuration: http_401"
    assert impact.state(ORDER) == "queued"
    impact.check()


def test_41_a_refusal_proves_that_the_first_send_did_not_count(
    impact: Harness, orders: list[Conversion]
) -> None:
    about_submission(impact, refused())
    impact.run(orders)
    assert impact.row(ORDER)["first_sent_at"] is not None
    settle(impact, hours=1)
    assert impact.row(ORDER)["first_sent_at"] is None


def test_41_a_refusal_says_nothing_about_an_earlier_send(
    impact: Harness, orders: list[Conversion]
) -> None:
    impact.server.script = always(respond(200, '{"Status": "?"}', None))
    impact.run(orders)
    first = impact.row(ORDER)["first_sent_at"]
    impact.server.script = always(queued(PATH))
    about_submission(impact, refused())
    impact.clock.pass_by(hours=1)
    impact.run(orders)
    settle(impact, hours=1)
    row = impact.row(ORDER)
    assert (row["state"], row["first_sent_at"]) == ("rejected", first)


@pytest.mark.parametrize("code", ["", "CONV_DUPLICATE"])
def test_41_an_accepted_order_keeps_its_first_send_time(
    impact: Harness, orders: list[Conversion], code: str
) -> None:
    ends = "duplicate" if code else "settled"
    about_submission(impact, submission(ErrorReason=code, ends=ends))
    impact.run(orders)
    settle(impact, hours=1)
    assert impact.row(ORDER)["first_sent_at"] is not None


def test_41_warnings_of_the_first_reply_are_kept(
    impact: Harness, orders: list[Conversion]
) -> None:
    warned = [{"field": "ItemMpn1", "message": "ignored"}]
    body = {"Status": "QUEUED", "QueuedUri": PATH, "warnings": warned}
    impact.server.script = always(respond(200, json.dumps(body), "queued"))
    about_submission(impact, submission(ends="settled"))
    impact.run(orders)
    settle(impact, hours=1)
    row = impact.row(ORDER)
    assert row["state"] == "settled"
    assert row["state_detail"] == "warnings: ItemMpn1: ignored"


def test_40_calls_keep_to_their_budget_from_run_to_run(
    impact: Harness, conversion: Callable[..., Conversion]
) -> None:
    impact.provider.settle_calls = 3
    impact.provider.limits = replace(impact.provider.limits, in_flight=2)
    names = [f"O{number}" for number in range(5)]
    ended = replace(submission(OrderId=None), statuses=dict.fromkeys(names, "settled"))
    impact.server.script = lambda subject, _time: (
        ended if subject.startswith("/") else queued(PATH)
    )
    impact.run([conversion(order_id=name) for name in names])
    settled = lambda: list(impact.states().values()).count("settled")  # noqa: E731
    first, _ = settling(impact, hours=1)
    assert (first.asked, first.left(), settled()) == (3, 2, 3)
    soon, _ = settling(impact, minutes=10)
    assert (soon.asked, soon.left(), settled()) == (0, 2, 3)
    later, _ = settling(impact, minutes=50)
    assert (later.asked, later.left(), settled()) == (2, 0, 5)


def test_40_questions_about_what_stays_queued_use_the_budget_too(
    impact: Harness, conversion: Callable[..., Conversion]
) -> None:
    impact.provider.settle_calls = 3
    impact.provider.limits = replace(impact.provider.limits, in_flight=2)
    about_submission(impact, submission(Status="Queued", OrderId=None))
    impact.run([conversion(order_id=f"O{number}") for number in range(5)])
    looks = [settling(impact, hours=1)[0], settling(impact)[0]]
    looks += [settling(impact, minutes=59)[0], settling(impact, minutes=2)[0]]
    assert [one.asked for one in looks] == [3, 0, 0, 3]
    assert set(impact.states().values()) == {"queued"}


def test_40_runs_at_the_same_time_share_the_budget(database: Database) -> None:
    ledgers = [
        Ledger(database, destination="shop", provider="impact", run_id=f"run-{number}")
        for number in range(8)
    ]
    with ThreadPoolExecutor(8) as pool:
        taken = list(
            pool.map(lambda one: CallBudget(one, "settle").take(3, 10), ledgers)
        )
    assert sum(taken) == 10
    assert CallBudget(ledgers[0], "lookup").take(3, 10) == 3


def test_40_an_exhausted_quota_ends_the_follow_up(
    impact: Harness, conversion: Callable[..., Conversion]
) -> None:
    impact.provider.limits = replace(impact.provider.limits, in_flight=2)
    impact.server.script = lambda subject, _time: (
        respond(429, "{}", None) if subject.startswith("/") else queued(PATH)
    )
    impact.run([conversion(order_id=f"O{number}") for number in range(5)])
    looking, stopped = settling(impact, hours=1)
    assert (looking.asked, looking.left(), stopped) == (2, 3, None)
    assert set(impact.states().values()) == {"queued"}


def test_42_another_order_in_a_submission_is_listed_as_an_alarm(
    impact: Harness, orders: list[Conversion]
) -> None:
    about_submission(impact, submission(OrderId="O99999"))
    impact.run(orders)
    reasons = impact.provider.alarms
    assert orders_by_reason(impact.database, impact.name, reasons) == {}
    settle(impact, hours=1)
    found = orders_by_reason(impact.database, impact.name, reasons)
    assert found == {"wrong_order_in_submission": [ORDER]}


def test_41_personal_data_that_a_submission_echoes_is_not_stored(
    impact: Harness, orders: list[Conversion]
) -> None:
    said = {"Payload": {"CustomerPostCode": "93101", "IpAddress": "203.0.113.7"}}
    about_submission(impact, submission(ends="settled", **said))
    impact.run(orders)
    settle(impact, hours=1)
    (attempt,) = impact.attempts("settle")
    kept = json.loads(attempt["response_text"])
    assert (kept["Status"], "Payload" in kept) == ("Complete", False)
    assert attempt["response_hash"]
