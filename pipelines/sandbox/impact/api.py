"""impact.com: its addresses, its credentials, and its replies.

Sources: `impact.md` sections 2 to 7, from `impact-conversions-reference.txt` and the
published specifications named there. What a conversion must look like is in
`impact_rules.py`, what the provider remembers in `impact_books.py`.
"""

import re
from collections.abc import Iterable, Mapping

from pipelines.sandbox.exchange import Operation, Reply, Request, parse_form
from pipelines.sandbox.field_checks import Problem
from pipelines.sandbox.impact.actions import check_query, check_size, show_page
from pipelines.sandbox.impact.rules import check_conversion, latest_event
from pipelines.sandbox.impact.submissions import SubmissionStore

_ADVERTISER = r"/Advertisers/(?P<account>[^/]+)"


class Impact:
    """The brand API: `/Conversions`, `/APISubmissions` and `/Actions`."""

    name = "impact"

    def __init__(
        self, secrets: Mapping[str, str], settle_after: float, future_tolerance: float
    ) -> None:
        """Starts with empty books.

        Args:
            secrets: `impact/<account>` -> the AuthToken expected of that account.
            settle_after: Seconds until a submission is complete.
            future_tolerance: Seconds that an event may lie ahead of the clock.
        """
        self._secrets = secrets
        self._future_tolerance = future_tolerance
        self._books = SubmissionStore(settle_after)
        self.operations = (
            Operation(
                "POST",
                re.compile(f"{_ADVERTISER}/Conversions"),
                self._refuse_conversion,
                self._queue_conversion,
            ),
            Operation(
                "GET",
                re.compile(f"{_ADVERTISER}/APISubmissions/(?P<batch>[^/]+)"),
                self._refuse_credentials,
                self._show_submission,
            ),
            Operation(
                "GET",
                re.compile(f"{_ADVERTISER}/Actions"),
                self._refuse_query,
                self._show_actions,
            ),
        )

    def parse(self, body: bytes) -> object:
        """Reads a form; a GET has none."""
        return parse_form(body) if body else {}

    def order_ids(self, body: object) -> list[str]:
        """The OrderId, if there is one."""
        order_id = body.get("OrderId") if isinstance(body, dict) else None
        return [order_id] if isinstance(order_id, str) and order_id else []

    def failure(self, status: int, message: str) -> object:  # noqa: ARG002
        """`Status: ERROR` with `errors[]` (the reference, Example response)."""
        return _errors([Problem("", message)])

    def _refuse_credentials(self, request: Request) -> Reply | None:
        """HTTP Basic, and JSON by Accept (`impact.md` section 2)."""
        user, token = request.basic_credentials
        wanted = self._secrets.get(f"impact/{request.account}", token)
        if user != request.account or not token or token != wanted:
            return Reply(401, {"status": 401, "title": "Unauthorized"})
        if "application/json" not in request.headers.get("accept", ""):
            return Reply(406, self.failure(406, "Expected Accept: application/json"))
        return None

    def _refuse_conversion(self, request: Request) -> Reply | None:
        refusal = self._refuse_credentials(request)
        if refusal:
            return refusal
        if request.media_type != "application/x-www-form-urlencoded":
            return Reply(415, self.failure(415, "Expected a form"))
        if not isinstance(request.body, dict):
            return Reply(400, self.failure(400, "The form cannot be read"))
        latest = latest_event(request.at, self._future_tolerance)
        problems = check_conversion(_given(request.body), latest)
        return Reply(400, _errors(problems)) if problems else None

    def _queue_conversion(self, request: Request) -> Reply:
        """Replies QUEUED whatever becomes of it later (`impact.md` section 4)."""
        form = {name: str(value) for name, value in _given(request.body).items()}
        queued = self._books.queue(
            request.account, form, request.at, request.settle_code
        )
        reply = {"Status": "QUEUED", "QueuedUri": queued.uri}
        return Reply(200, reply, applied=not queued.error)

    def _show_submission(self, request: Request) -> Reply:
        submission = self._books.find(request.account, request.parts["batch"])
        if submission is None:
            return Reply(404, _generic_errors([Problem("", "No such submission")]))
        return Reply(200, submission.show(request.at))

    def _refuse_query(self, request: Request) -> Reply | None:
        refusal = self._refuse_credentials(request)
        if refusal:
            return refusal
        problems = check_query(request.query, request.at) or check_size(
            self._books.actions(request.account, request.at), request.query
        )
        return Reply(400, _generic_errors(problems)) if problems else None

    def _show_actions(self, request: Request) -> Reply:
        actions = self._books.actions(request.account, request.at)
        path = f"/Advertisers/{request.account}/Actions"
        return Reply(200, show_page(actions, request.query, path))


def _given(body: object) -> dict[str, object]:
    """The parameters with a value: the reference's example sends `IpAddress=`."""
    fields = body if isinstance(body, dict) else {}
    return {name: value for name, value in fields.items() if value != ""}


def _errors(problems: Iterable[Problem]) -> dict[str, object]:
    errors = [
        {"field": field, "level": "ERROR", "message": message}
        for field, message in problems
    ]
    return {"Status": "ERROR", "errors": errors}


def _generic_errors(problems: Iterable[Problem]) -> dict[str, object]:
    """The spelling of everything but conversions (`impact.md` section 4)."""
    errors = [{"Field": field, "Message": message} for field, message in problems]
    return {
        "Status": "ERROR",
        "Message": errors[0]["Message"] if errors else "",
        "Errors": errors,
    }
