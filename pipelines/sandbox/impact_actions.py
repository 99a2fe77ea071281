"""The look-up of impact.com actions: what may be asked, and the page that answers.

Source: `impact.md` section 7, from the actions specification named there: no filter
by order, at most 45 days, at most 3 years back, pages of 20,000 and not under 2,000.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from urllib.parse import urlencode

from .checks import Problem, instant, pattern, record
from .impact_books import Submission
from .impact_fields import integer

_LONGEST_RANGE = timedelta(days=45)
_FURTHEST_BACK = timedelta(days=3 * 365)
_PAGE_SIZE = 20_000

_QUERY = record(
    {
        "CampaignId": integer(10),
        "ActionDateStart": instant,
        "ActionDateEnd": instant,
        "Page": pattern("a page number from 1", "[1-9][0-9]*"),
        "PageSize": pattern(
            "a number from 2000 to 20000", "[2-9][0-9]{3}|1[0-9]{4}|20000"
        ),
    },
    required=("CampaignId", "ActionDateStart", "ActionDateEnd"),
)


def check_query(query: Mapping[str, str], now: datetime) -> list[Problem]:
    """The problems of a look-up."""
    problems = _QUERY(dict(query), "")
    if problems:
        return problems
    start, end = _range(query)
    if not start <= end <= start + _LONGEST_RANGE:
        problems.append(Problem("ActionDateEnd", "Range is longer than 45 days"))
    if start < now - _FURTHEST_BACK:
        problems.append(Problem("ActionDateStart", "Date is over 3 years back"))
    return problems


def show_page(
    actions: Iterable[Submission], query: Mapping[str, str], path: str
) -> dict[str, object]:
    """One page of the actions that a checked query asks for.

    Args:
        actions: All actions of the account.
        query: The campaign, the range and the page.
        path: The path of the look-up, for the address of the next page.
    """
    start, end = _range(query)
    page, size = int(query.get("Page", 1)), int(query.get("PageSize", _PAGE_SIZE))
    wanted = (
        action
        for action in actions
        if action.form["CampaignId"] == query["CampaignId"]
        and start <= datetime.fromisoformat(action.form["EventDate"]) <= end
    )
    rows = list(islice(wanted, (page - 1) * size, page * size + 1))
    more = len(rows) > size
    following = urlencode({**query, "Page": str(page + 1)})
    return {
        "@page": str(page),
        "@pagesize": str(size),
        "@nextpageuri": f"{path}?{following}" if more else "",
        "Actions": [action.show_action() for action in rows[:size]],
    }


def _range(query: Mapping[str, str]) -> tuple[datetime, datetime]:
    return (
        datetime.fromisoformat(query["ActionDateStart"]),
        datetime.fromisoformat(query["ActionDateEnd"]),
    )
