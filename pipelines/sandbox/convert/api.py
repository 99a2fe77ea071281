"""Convert.com: the Experiences Tracking API.

Source: `convert.md` sections 2 (addresses, User-Agent, authentication), 6 (replies)
and 7: no deduplication is proven, so that every event counts. `fields.py` checks the
body. No maximum size of a body is documented; the sandbox sets one of its own, to
expose a client that has no limit.
"""

import re
from collections.abc import Mapping

from pipelines.sandbox.bodies import parse_json
from pipelines.sandbox.convert.fields import tracking
from pipelines.sandbox.messages import Reply, Request
from pipelines.sandbox.provider import Operation

MAX_BODY_BYTES = 1_048_576
_ACCEPTED = {"code": 200, "message": "OK"}


class Convert:
    """Simulates `/v1/track`, by account and project or by SDK key."""

    name = "convert"

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Create the provider.

        Args:
            secrets: `convert/<sdk key>` -> the secret expected of that key.
        """
        self._secrets = secrets
        addresses = (
            "/v1/track/(?P<account>[^/]+)/(?P<project>[^/]+)",
            "/v1/track/(?P<account>[^/]+)",
        )
        self.operations = tuple(
            Operation("POST", re.compile(address), self._refuse, self._apply)
            for address in addresses
        )

    def parse(self, body: bytes) -> object:
        """Parse JSON."""
        return parse_json(body)

    def order_ids(self, body: object) -> list[str]:
        """Return the transactionId of every event that has one."""
        values = [
            _member(entry, "value")
            for visitor in _members(body, "visitors")
            for event in _members(visitor, "events")
            for entry in _members(_member(event, "data"), "goalData")
            if _member(entry, "key") == "transactionId"
        ]
        return [
            str(value)
            for value in values
            if isinstance(value, str | int | float) and not isinstance(value, bool)
        ]

    def failure(self, status: int, message: str) -> object:
        """Return `{code, message, fields}` (`convert.md` section 6)."""
        return {"code": status, "message": message, "fields": ""}

    def _refuse(self, request: Request) -> Reply | None:
        if not request.headers.get("user-agent", "").startswith("ConvertAgent/"):
            # The bot filter replies 200 and discards the events.
            return Reply(200, _ACCEPTED)
        failure = self._request_failure(request)
        if failure is not None:
            return self._failed(*failure)
        named = None if self._secret(request) else _account_and_project(request)
        check = tracking(named)
        problems = check(request.body, "")
        if not problems:
            return None
        message = "; ".join(f"{field}: {what}" for field, what in problems)
        fields = ",".join(field for field, _ in problems)
        return Reply(400, {"code": 400, "message": message, "fields": fields})

    def _request_failure(self, request: Request) -> tuple[int, str] | None:
        """Return status and message of a request that fails whatever its body is."""
        secret = self._secret(request)
        if secret and request.headers.get("authorization") != f"Bearer {secret}":
            return 401, "Unauthorized"
        named = _account_and_project(request)
        if named and not secret and not all(map(str.isdecimal, named)):
            return 404, "account and project are whole numbers"
        if request.media_type != "application/json":
            return 415, "Expected application/json"
        if int(request.headers.get("content-length", 0)) > MAX_BODY_BYTES:
            return 413, "The body is too large"
        return None

    def _failed(self, status: int, message: str) -> Reply:
        return Reply(status, self.failure(status, message))

    def _secret(self, request: Request) -> str | None:
        """Return the secret of the SDK key, which may be written `<account>/<name>`."""
        named = _account_and_project(request) or (request.account,)
        return self._secrets.get("convert/" + "/".join(named))

    def _apply(self, request: Request) -> Reply:  # noqa: ARG002
        return Reply(200, _ACCEPTED, applied=True)


def _account_and_project(request: Request) -> tuple[str, str] | None:
    project = request.parts.get("project")
    return None if project is None else (request.account, project)


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _members(value: object, name: str) -> list[object]:
    members = _member(value, name)
    return members if isinstance(members, list) else []
