"""The module and the sandbox as impact.com talk about an order to its end, in memory.

Neither shares code with the other: where they understand each other, two readings of
the same documents agree.
"""

import json
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any

import pytest

from assets.providers.base import Request
from assets.providers.conversion import Conversion
from assets.providers.impact.submissions import (
    BAD_DATA,
    CONFIGURATION,
    DUPLICATE,
    NOT_ATTRIBUTED,
)
from assets.providers.replies import Outcome, Phase, Reply, Verdict
from pipelines.sandbox.simulator import Sandbox
from support.impact_account import NOW, impact

Make = Callable[..., Conversion]


class Line:
    """The module at one end, the sandbox at the other."""

    def __init__(self, *faults: str, settle_after: float = 0, **changes: Any) -> None:
        self.now = NOW
        self.impact = impact(**changes)
        self.sandbox = Sandbox(
            faults=faults, settle_after=settle_after, now=lambda: self.now
        )

    def send(self, order: Conversion) -> Outcome:
        (outcome,) = self._talk(self.impact.exchange([order]))
        return outcome

    def settle(self, queued: Outcome, order: Conversion) -> Outcome | None:
        assert queued.provider_ref is not None
        asking = self.impact.settlement(queued.provider_ref, order.order_id)
        return self._talk(asking)

    def look(self, *orders: Conversion, first: datetime, last: datetime) -> Any:
        ids = [one.order_id for one in orders]
        return self._talk(self.impact.lookup(ids, first, last))

    def _talk(self, talk: Generator[Request, Reply, Any]) -> Any:
        request = next(talk)
        while True:
            try:
                request = talk.send(self._answer(request))
            except StopIteration as done:
                return done.value

    def _answer(self, request: Request) -> Reply:
        target = "/impact" + request.url.partition("api.impact.com")[2]
        headers = {name.lower(): value for name, value in request.headers.items()}
        said = self.sandbox.receive(request.method, target, headers, request.body).reply
        body = json.dumps(said.body).encode()
        return Reply(phase=Phase.DONE, status=said.status, body=body, at=self.now)


@pytest.mark.parametrize("code", sorted(NOT_ATTRIBUTED | CONFIGURATION | BAD_DATA))
def test_a_submission_that_ends_with_a_published_code(
    conversion: Make, code: str
) -> None:
    line = Line(f"impact:settle={code} UNCLAIMED~.")
    queued = line.send(conversion())
    assert queued.verdict is Verdict.QUEUED
    end = line.settle(queued, conversion())
    assert end is not None
    assert (end.verdict, end.reason) == (Verdict.REJECTED, code.lower())
    assert end.detail == f"{code} UNCLAIMED"


def test_an_order_is_settled_and_its_repeat_is_a_duplicate(conversion: Make) -> None:
    line = Line()
    first, second = (line.send(conversion()) for _ in range(2))
    ends = [line.settle(one, conversion()) for one in (first, second)]
    assert [one and one.verdict for one in ends] == ["settled", "duplicate"]
    assert ends[1] is not None
    assert ends[1].detail == DUPLICATE


def test_a_submission_is_asked_about_again_until_it_is_complete(
    conversion: Make,
) -> None:
    line = Line(settle_after=1200)
    queued = line.send(conversion())
    assert line.settle(queued, conversion()) is None
    line.now += timedelta(minutes=21)
    end = line.settle(queued, conversion())
    assert end is not None
    assert end.verdict is Verdict.SETTLED


def test_a_refusal_names_the_parameter(conversion: Make) -> None:
    tomorrow = conversion(completed_at=NOW + timedelta(days=1))
    refused = Line().send(tomorrow)
    assert (refused.verdict, refused.reason) == (Verdict.REJECTED, "http_400")
    assert refused.detail == "EventDate: Date is in the future"


@pytest.mark.parametrize(
    "event",
    [{}, {"event_type_id": None, "event_type_code": "SALE"}],
    ids=["by id", "by code"],
)
def test_an_order_is_found_in_the_list_under_its_event_type(
    conversion: Make, event: dict[str, Any]
) -> None:
    line = Line(**event)
    order, other = conversion(), conversion(order_id="O2")
    line.send(order)
    at = order.completed_at
    found = line.look(order, other, first=at - timedelta(days=1), last=at)
    assert set(found.outcomes) == {order.order_id}
    assert (found.is_complete, found.entries_read) == (True, 1)
    before = line.look(order, first=at - timedelta(days=2), last=at - timedelta(days=1))
    assert (before.outcomes, before.is_complete) == ({}, True)
