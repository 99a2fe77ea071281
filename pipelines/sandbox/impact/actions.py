"""The look-up of impact.com actions: the checks of the query, and the result pages.

Source: `impact.md` section 7, from the actions specification named there: no filter
by order, at most 45 days, at most 3 years back, pages of 20,000 and not under 2,000,
no more than ten pages of a range, the newest action first.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from urllib.parse import urlencode

from pipelines.sandbox.field_checks import Problem, instant, one_of, pattern, record
from pipelines.sandbox.impact.fields import integer
from pipelines.sandbox.impact.submissions import PENDING, Submission

_MAX_RANGE = timedelta(days=45)
_MAX_AGE = timedelta(days=3 * 365)
_PAGE_SIZE = 20_000
_MAX_PAGES = 10

_QUERY = record(
    {
        "CampaignId": integer(10),
        "ActionDateStart": instant,
        "ActionDateEnd": instant,
        "State": one_of("PENDING", "APPROVED", "REVERSED"),
        "Page": pattern("a page number from 1", "[1-9][0-9]*"),
        "PageSize": pattern(
            "a number from 2000 to 20000", "[2-9][0-9]{3}|1[0-9]{4}|20000"
        ),
    },
    required=("CampaignId", "ActionDateStart", "ActionDateEnd"),
)


def check_query(query: Mapping[str, str], now: datetime) -> list[Problem]:
    """Return the problems of a query."""
    problems = _QUERY(dict(query), "")
    if problems:
        return problems
    start, end = _range(query)
    if not start <= end <= start + _MAX_RANGE:
        problems.append(Problem("ActionDateEnd", "Range is longer than 45 days"))
    if start < now - _MAX_AGE:
        problems.append(Problem("ActionDateStart", "Date is over 3 years back"))
    return problems


def check_size(
    actions: Iterable[Submission], query: Mapping[str, str]
) -> list[Problem]:
    """Return the problem of a query for more actions than can be listed."""
    limit = _MAX_PAGES * int(query.get("PageSize", _PAGE_SIZE))
    if sum(1 for _ in islice(_matching(actions, query), limit + 1)) <= limit:
        return []
    return [Problem("PageSize", f"More than {limit} actions: ask for a shorter range")]


def show_page(
    actions: Iterable[Submission], query: Mapping[str, str], path: str
) -> dict[str, object]:
    """Return one page of the actions that match a checked query.

    Args:
        actions: All actions of the account.
        query: The campaign, the range and the page.
        path: Path of the look-up, for the address of the next page.
    """
    page, size = int(query.get("Page", 1)), int(query.get("PageSize", _PAGE_SIZE))
    newest_first = sorted(
        _matching(actions, query), key=lambda action: action.completes_at, reverse=True
    )
    rows = newest_first[(page - 1) * size : page * size + 1]
    more = len(rows) > size
    following = urlencode({**query, "Page": str(page + 1)})
    return {
        "@page": str(page),
        "@pagesize": str(size),
        "@nextpageuri": f"{path}?{following}" if more else "",
        "Actions": [action.show_action() for action in rows[:size]],
    }


def _matching(
    actions: Iterable[Submission], query: Mapping[str, str]
) -> Iterator[Submission]:
    start, end = _range(query)
    for action in actions:
        happened = datetime.fromisoformat(action.event_date)
        if (
            action.form["CampaignId"] == query["CampaignId"]
            and query.get("State", PENDING) == PENDING
            and start <= happened <= end
        ):
            yield action


def _range(query: Mapping[str, str]) -> tuple[datetime, datetime]:
    return (
        datetime.fromisoformat(query["ActionDateStart"]),
        datetime.fromisoformat(query["ActionDateEnd"]),
    )
