"""The list of actions at impact.com: its queries, and the orders that it contains.

impact.com creates an action for a conversion that a partner is credited for. Actions
cannot be queried by order id, so a range of days is read page by page and matched by
order id.

Source: `shared/providers/impact.md`, section 7, and the actions specification named
there: at most 45 days, pages of 2,000 to 20,000, at most ten pages of a range.
"""

from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from assets.providers.base import LookupResult
from assets.providers.impact.values import instant_text
from assets.providers.replies import (
    Outcome,
    Phase,
    Reply,
    Verdict,
    classify,
    read_json,
)

MAX_RANGE = timedelta(days=45)
MAX_AGE = timedelta(days=3 * 365 - 1)
SEVERAL_ACTIONS = "several_actions"
"""More than one action of an order that is not reversed: it may be paid for twice."""

_SHORTEST = timedelta(minutes=1)
_TOO_MANY = 400

Page = tuple[datetime, datetime, int]
"""First and last order time, and the number of the page."""
Pages = Generator[Page, Reply, LookupResult]


@dataclass(frozen=True, slots=True)
class ActionFilter:
    """Selects our actions of a campaign. Order ids repeat between event types.

    Attributes:
        order_ids: The orders to find.
        event_type_id: The event type as a number; None: use `event_type_code`.
        event_type_code: The event type as the account names it.
    """

    order_ids: Collection[str]
    event_type_id: int | None
    event_type_code: str | None

    def matches(self, action: Mapping[str, Any]) -> bool:
        """Tell whether an action (lower-case keys) is of our event and of an order."""
        if str(action.get("oid") or "") not in self.order_ids:
            return False
        if self.event_type_id is not None:
            value = action.get("actiontrackerid") or action.get("eventtypeid")
            return str(value) == str(self.event_type_id)
        value = action.get("eventcode")
        return str(value).lower() == str(self.event_type_code).lower()


def page_query(campaign_id: int, page: Page, page_size: int) -> str:
    """Return the query for one page. The dates are those of the orders."""
    first, last, page_number = page
    return urlencode(
        {
            "CampaignId": campaign_id,
            "ActionDateStart": instant_text(first),
            "ActionDateEnd": instant_text(last),
            "PageSize": page_size,
            "Page": page_number,
        }
    )


def read_actions(
    action_filter: ActionFilter, first: datetime, last: datetime, page_size: int
) -> Pages:
    """Read every page of a range, and return the actions that match.

    impact.com refuses a range with more actions than ten pages. It is halved then.
    """
    actions: dict[str, list[Mapping[str, Any]]] = {}
    ranges, entries_read = [(first, last)], 0
    while ranges:
        start, end = ranges.pop()
        page_number, has_more = 1, True
        while has_more:
            reply = yield start, end, page_number
            if _is_refusal_of_range(reply) and end - start > _SHORTEST:
                middle = start + (end - start) / 2
                ranges += [(start, middle), (middle, end)]
                break
            problem = _page_error(reply)
            if problem is not None:
                return _lookup_result(actions, entries_read, problem)
            rows, has_more = _read_page(reply, page_size)
            entries_read += len(rows)
            for action in filter(action_filter.matches, rows):
                known = actions.setdefault(str(action["oid"]), [])
                # The halves of a range share their edge.
                if all(action.get("id") != one.get("id") for one in known):
                    known.append(action)
            page_number += 1
    return _lookup_result(actions, entries_read, None)


def _is_refusal_of_range(reply: Reply) -> bool:
    return reply.phase is Phase.DONE and reply.status == _TOO_MANY


def _page_error(reply: Reply) -> Outcome | None:
    if reply.phase is not Phase.DONE or reply.status != 200:  # noqa: PLR2004
        return classify(reply, resend_is_safe=True)
    if isinstance(_with_lower_case_keys(read_json(reply.body)).get("actions"), list):
        return None
    return Outcome(verdict=Verdict.RETRYABLE, reason="unclear_reply")


def _read_page(reply: Reply, page_size: int) -> tuple[list[dict[str, Any]], bool]:
    body = _with_lower_case_keys(read_json(reply.body))
    rows = [_with_lower_case_keys(row) for row in body["actions"]]
    if "@nextpageuri" in body:
        return rows, bool(body["@nextpageuri"]) and bool(rows)
    return rows, len(rows) >= page_size


def _with_lower_case_keys(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    return {str(key).lower(): inner for key, inner in value.items()}


def _lookup_result(
    actions: Mapping[str, list[Mapping[str, Any]]],
    entries_read: int,
    problem: Outcome | None,
) -> LookupResult:
    return LookupResult(
        outcomes={order_id: _outcome(of) for order_id, of in actions.items()},
        is_complete=problem is None,
        entries_read=entries_read,
        problem=problem.reason if problem else None,
        is_configuration_error=problem is not None
        and problem.verdict is Verdict.CONFIGURATION,
    )


def _outcome(actions: list[Mapping[str, Any]]) -> Outcome:
    """A reversed action is settled, too: it was counted, and then reversed."""
    states = [str(one.get("state") or "").upper() for one in actions]
    not_reversed = [
        one for one, state in zip(actions, states, strict=True) if state != "REVERSED"
    ]
    shown = (not_reversed or actions)[0]
    ids = " ".join(
        f"{one.get('id')} {state}" for one, state in zip(actions, states, strict=True)
    )
    return Outcome(
        verdict=Verdict.SETTLED,
        reason=SEVERAL_ACTIONS if len(not_reversed) > 1 else None,
        detail=f"action {ids}",
        provider_ref=str(shown.get("id") or "") or None,
        provider_status=str(shown.get("state") or "") or None,
    )
