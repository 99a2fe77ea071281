"""impact.com: orders looked for in the list of actions."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from assets.providers.base import LookupResult, Request
from assets.providers.replies import Phase, Reply
from support.impact_account import HTML, answer, impact

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
LAST = datetime(2026, 11, 3, tzinfo=UTC)

Script = Callable[[dict[str, str]], Reply]


def action(oid: str = "O1", **changes: Any) -> dict[str, Any]:
    plain = {
        "Id": f"1000.9876.{oid}",
        "CampaignId": 1000,
        "ActionTrackerId": 9876,
        "EventCode": "",
        "State": "PENDING",
        "Oid": oid,
    }
    return plain | changes


def page(*actions: Any, more: str | None = "") -> Reply:
    told = {} if more is None else {"@nextpageuri": more}
    return answer(200, told | {"Actions": list(actions)})


def query_of(request: Request) -> dict[str, str]:
    return {
        name: value for name, (value,) in parse_qs(urlsplit(request.url).query).items()
    }


def look(
    *replies: Reply, orders: Collection[str] = ("O1", "O2"), **changes: Any
) -> tuple[LookupResult, list[dict[str, str]]]:
    """What is found where the list answers so, and what was asked for."""
    script = iter(replies)
    return look_at(lambda _query: next(script), orders=orders, **changes)


def look_at(
    script: Script, *, orders: Collection[str] = ("O1", "O2"), **changes: Any
) -> tuple[LookupResult, list[dict[str, str]]]:
    looking = impact(**changes).lookup(orders, FIRST, LAST)
    request, asked = next(looking), []
    while True:
        asked.append(query_of(request))
        try:
            request = looking.send(script(asked[-1]))
        except StopIteration as done:
            return done.value, asked


def test_a_page_is_asked_for_by_campaign_and_order_time() -> None:
    request = next(impact().lookup(["O1"], FIRST, LAST))
    assert (request.method, request.body) == ("GET", b"")
    assert request.url.startswith("https://api.impact.com/Advertisers/SID1/Actions?")
    assert query_of(request) == {
        "CampaignId": "1000",
        "ActionDateStart": "2026-11-01T00:00:00Z",
        "ActionDateEnd": "2026-11-03T00:00:00Z",
        "PageSize": "20000",
        "Page": "1",
    }
    assert request.path_template == "/Advertisers/{account_sid}/Actions"
    assert request.reply_limit > 20_000 * 4_096


def test_an_order_with_an_action_is_settled() -> None:
    result, asked = look(page(action("O1"), action("O9")))
    assert set(result.outcomes) == {"O1"}
    found = result.outcomes["O1"]
    assert (found.verdict, found.reason) == ("settled", None)
    assert found.detail == "action 1000.9876.O1 PENDING"
    assert (found.provider_ref, found.provider_status) == ("1000.9876.O1", "PENDING")
    assert result.is_complete
    assert (result.entries_read, len(asked)) == (2, 1)


@pytest.mark.parametrize(
    ("changes", "is_ours"),
    [
        ({"ActionTrackerId": "9876"}, True),
        ({"ActionTrackerId": None, "EventTypeId": "9876"}, True),
        ({"ActionTrackerId": 1}, False),
        ({"ActionTrackerId": None}, False),
        ({"Oid": None}, False),
    ],
)
def test_an_action_of_another_event_type_is_another_order(
    changes: dict[str, Any], is_ours: bool
) -> None:
    result, _ = look(page(action(**changes)))
    assert bool(result.outcomes) == is_ours


@pytest.mark.parametrize(
    ("code", "is_ours"), [("SALE", True), ("sale", True), ("LEAD", False), ("", False)]
)
def test_an_event_type_may_be_known_by_its_code(code: str, is_ours: bool) -> None:
    account = {"event_type_id": None, "event_type_code": "SALE"}
    result, _ = look(page(action(EventCode=code)), **account)
    assert bool(result.outcomes) == is_ours


@pytest.mark.parametrize(
    ("states", "reason", "shown"),
    [
        (["REVERSED", "PENDING"], None, "b"),
        (["REVERSED"], None, "a"),
        (["REVERSED", "REVERSED"], None, "a"),
        (["PENDING", "APPROVED"], "several_actions", "a"),
    ],
)
def test_two_live_actions_of_an_order_are_an_alarm(
    states: list[str], reason: str | None, shown: str
) -> None:
    actions = [
        action(Id=name, State=state) for name, state in zip("ab", states, strict=False)
    ]
    result, _ = look(page(*actions))
    found = result.outcomes["O1"]
    assert (found.reason, found.provider_ref) == (reason, shown)
    assert reason in {None, *impact().alarms}


def test_pages_are_read_until_there_is_no_more() -> None:
    result, asked = look(
        page(action("O9"), more="/next"), page(action("O2")), lookup_page_size=2_000
    )
    assert [one["Page"] for one in asked] == ["1", "2"]
    assert {one["PageSize"] for one in asked} == {"2000"}
    assert set(result.outcomes) == {"O2"}
    assert result.entries_read == 2


def test_without_a_next_page_uri_a_full_page_is_not_the_last() -> None:
    full = page(*[action(f"X{number}") for number in range(2_000)], more=None)
    result, asked = look(full, page(action("O1"), more=None), lookup_page_size=2_000)
    assert len(asked) == 2
    assert set(result.outcomes) == {"O1"}


def test_a_range_with_too_many_actions_is_halved() -> None:
    def script(query: dict[str, str]) -> Reply:
        start, end = (
            datetime.fromisoformat(query[name])
            for name in ("ActionDateStart", "ActionDateEnd")
        )
        if end - start > timedelta(hours=13):
            return answer(400, {"Status": "ERROR"})
        happened = {"O1": FIRST, "O2": FIRST + timedelta(days=1)}
        return page(
            *[action(oid) for oid, at in happened.items() if start <= at <= end]
        )

    result, asked = look_at(script)
    assert set(result.outcomes) == {"O1", "O2"}
    assert result.is_complete
    assert {one.reason for one in result.outcomes.values()} == {None}
    assert len(asked) == 7


def test_a_request_that_is_always_refused_comes_to_an_end() -> None:
    result, asked = look_at(lambda _query: answer(400))
    assert (result.is_complete, result.problem) == (False, "http_400")
    assert len(asked) < 20


@pytest.mark.parametrize(
    ("reply", "problem", "refused"),
    [
        (answer(401), "http_401", True),
        (answer(403, HTML), "http_403", True),
        (answer(404), "http_404", True),
        (answer(429), "http_429", False),
        (answer(500), "http_500", False),
        (answer(200, HTML), "unclear_reply", False),
        (answer(200, {"Actions": "x"}), "unclear_reply", False),
        (answer(200, [action()]), "unclear_reply", False),
        (Reply(phase=Phase.NONE), "not_sent", False),
        (Reply(phase=Phase.WAITING), "no_reply", False),
        (
            Reply(phase=Phase.READING, status=200, body=b'{"Actions": []}'),
            "no_reply",
            False,
        ),
    ],
)
def test_a_list_that_cannot_be_read_to_its_end_proves_no_absence(
    reply: Reply, problem: str, refused: bool
) -> None:
    result, asked = look(page(action("O1"), more="/next"), reply)
    assert (result.problem, result.is_configuration_error) == (problem, refused)
    assert not result.is_complete
    assert set(result.outcomes) == {"O1"}
    assert len(asked) == 2
