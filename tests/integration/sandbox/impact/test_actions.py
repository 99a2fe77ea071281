"""The simulated impact.com: the look-up of actions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.sandbox.impact.actions import check_size, show_page
from pipelines.sandbox.impact.submissions import SubmissionStore
from support.sandbox_impact_account import (
    CONVERSION,
    Account,
    generic_errors,
)


def oids(page: dict[str, Any]) -> list[str]:
    return [row["Oid"] for row in page["Actions"]]


def test_actions_are_found_by_campaign_and_range(account: Account) -> None:
    path = f"/Advertisers/{account.sid}/Actions"
    days = {
        "ActionDateStart": "2026-02-01T00:00:00Z",
        "ActionDateEnd": "2026-02-02T00:00:00Z",
    }
    account.send()
    account.send()
    account.send(OrderId="O2", EventDate="2026-02-03T00:00:00Z")
    account.send(OrderId="O3", CampaignId="2000")
    page = account.get(path, CampaignId="1000", **days).json()
    assert oids(page) == ["O1"]
    assert page["@nextpageuri"] == ""


def test_now_is_the_time_of_the_request(account: Account) -> None:
    assert account.send(EventDate="NOW").ok
    now = datetime.now(UTC)
    days = {
        "ActionDateStart": (now - timedelta(hours=1)).isoformat(),
        "ActionDateEnd": (now + timedelta(hours=1)).isoformat(),
    }
    path = f"/Advertisers/{account.sid}/Actions"
    (action,) = account.get(path, CampaignId="1000", **days).json()["Actions"]
    assert action["Oid"] == "O1"
    assert action["EventDate"] != "NOW"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ActionDateEnd": "2026-04-02T00:00:00Z"}, "ActionDateEnd"),
        ({"ActionDateStart": "2026-02-01"}, "ActionDateStart"),
        ({"OrderId": "O1"}, "OrderId"),
        ({"CampaignId": ""}, "CampaignId"),
        ({"State": "pending"}, "State"),
        ({"PageSize": "1999"}, "PageSize"),
        ({"PageSize": "20001"}, "PageSize"),
        ({"Page": "0"}, "Page"),
        (
            {
                "ActionDateStart": "2020-02-01T00:00:00Z",
                "ActionDateEnd": "2020-02-02T00:00:00Z",
            },
            "ActionDateStart",
        ),
    ],
)
def test_a_wrong_look_up_of_actions_is_refused(
    account: Account, changes: dict[str, str], field: str
) -> None:
    query = {
        "CampaignId": "1000",
        "ActionDateStart": "2026-02-01T00:00:00Z",
        "ActionDateEnd": "2026-02-02T00:00:00Z",
    }
    reply = account.get(f"/Advertisers/{account.sid}/Actions", **{**query, **changes})
    assert field in generic_errors(reply)


def test_actions_come_in_pages() -> None:
    store = SubmissionStore(settle_after=0)
    now = datetime(2026, 2, 2, tzinfo=UTC)
    for number in range(3):
        at = now - timedelta(minutes=9 - number)
        store.queue("IR1", {**CONVERSION, "OrderId": f"O{number}"}, at, error="")
    query = {
        "CampaignId": "1000",
        "ActionDateStart": "2026-02-01T00:00:00Z",
        "ActionDateEnd": "2026-02-02T00:00:00Z",
        "PageSize": "2",
    }
    first = show_page(store.actions("IR1", now), query, "/Actions")
    last = show_page(store.actions("IR1", now), {**query, "Page": "2"}, "/Actions")
    assert [oids(page) for page in (first, last)] == [["O2", "O1"], ["O0"]]
    assert str(first["@nextpageuri"]).endswith("PageSize=2&Page=2")
    assert last["@nextpageuri"] == ""


def test_more_than_ten_pages_of_actions_are_not_listed() -> None:
    store = SubmissionStore(settle_after=0)
    now = datetime(2026, 2, 2, tzinfo=UTC)
    for number in range(21):
        store.queue("IR1", {**CONVERSION, "OrderId": f"O{number}"}, now, error="")
    query = {
        "CampaignId": "1000",
        "ActionDateStart": "2026-02-01T00:00:00Z",
        "ActionDateEnd": "2026-02-02T00:00:00Z",
        "PageSize": "2",
    }
    (problem,) = check_size(store.actions("IR1", now), query)
    assert problem.field == "PageSize"
    assert check_size(store.actions("IR1", now), {**query, "PageSize": "3"}) == []
