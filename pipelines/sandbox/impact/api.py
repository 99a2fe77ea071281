"""impact.com: its addresses, its credentials, and its replies.

Sources: `impact.md` sections 2 to 7, from `impact-conversions-reference.txt` and the
published specifications named there. `rules.py` checks a conversion, and
`submissions.py` has the state of the provider.
"""

import re
from collections.abc import Iterable, Mapping

from pipelines.sandbox.bodies import parse_form
from pipelines.sandbox.field_checks import Problem
from pipelines.sandbox.impact.actions import check_query, check_size, show_page
from pipelines.sandbox.impact.rules import check_conversion, latest_event
from pipelines.sandbox.impact.submissions import SubmissionStore
from pipelines.sandbox.messages import Reply, Request
from pipelines.sandbox.provider import Operation

_ADVERTISER = r"/Advertisers/(?P<account>[^/]+)"


class Impact:
    """Simulates the brand API: `/Conversions`, `/APISubmissions` and `/Actions`."""

    name = "impact"

    def __init__(
        self, secrets: Mapping[str, str], settle_after: float, future_tolerance: float
    ) -> None:
        """Create the provider without submissions.

        Args:
            secrets: `impact/<account>` -> the AuthToken expected of that account.
            settle_after: Seconds until a submission is complete.
            future_tolerance: Seconds that an event may lie in the future.
        """
        self._secrets = secrets
        self._future_tolerance = future_tolerance
        self._submissions = SubmissionStore(settle_after)
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
        """Parse a form; a GET request has none."""
        return parse_form(body) if body else {}

    def order_ids(self, body: object) -> list[str]:
        """Return the OrderId, if there is one."""
        order_id = body.get("OrderId") if isinstance(body, dict) else None
        return [order_id] if isinstance(order_id, str) and order_id else []

    def failure(self, status: int, message: str) -> object:  # noqa: ARG002
        """Return `Status: ERROR` with `errors[]` (the reference, Example response)."""
        return _errors([Problem("", message)])

    def _refuse_credentials(self, request: Request) -> Reply | None:
        """Check HTTP Basic, and Accept for JSON (`impact.md` section 2)."""
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
        problems = check_conversion(_with_values(request.body), latest)
        return Reply(400, _errors(problems)) if problems else None

    def _queue_conversion(self, request: Request) -> Reply:
        """Reply QUEUED, whatever the submission ends with (`impact.md` section 4)."""
        form = {name: str(value) for name, value in _with_values(request.body).items()}
        queued = self._submissions.queue(
            request.account, form, request.at, request.settle_code
        )
        reply = {"Status": "QUEUED", "QueuedUri": queued.uri}
        return Reply(200, reply, applied=not queued.error)

    def _show_submission(self, request: Request) -> Reply:
        submission = self._submissions.find(request.account, request.parts["batch"])
        if submission is None:
            return Reply(404, _generic_errors([Problem("", "No such submission")]))
        return Reply(200, submission.show(request.at))

    def _refuse_query(self, request: Request) -> Reply | None:
        refusal = self._refuse_credentials(request)
        if refusal:
            return refusal
        problems = check_query(request.query, request.at) or check_size(
            self._submissions.actions(request.account, request.at), request.query
        )
        return Reply(400, _generic_errors(problems)) if problems else None

    def _show_actions(self, request: Request) -> Reply:
        actions = self._submissions.actions(request.account, request.at)
        path = f"/Advertisers/{request.account}/Actions"
        return Reply(200, show_page(actions, request.query, path))


def _with_values(body: object) -> dict[str, object]:
    """Return the parameters with a value; the example in the reference has others."""
    fields = body if isinstance(body, dict) else {}
    return {name: value for name, value in fields.items() if value != ""}


def _errors(problems: Iterable[Problem]) -> dict[str, object]:
    errors = [
        {"field": field, "level": "ERROR", "message": message}
        for field, message in problems
    ]
    return {"Status": "ERROR", "errors": errors}


def _generic_errors(problems: Iterable[Problem]) -> dict[str, object]:
    """Return the errors of all operations but conversions (`impact.md` section 4)."""
    errors = [{"Field": field, "Message": message} for field, message in problems]
    return {
        "Status": "ERROR",
        "Message": errors[0]["Message"] if errors else "",
        "Errors": errors,
    }
