"""Convert.com: the Experiences Tracking API.

Source: `convert.md` sections 2 (addresses, User-Agent, authentication), 6 (replies)
and 7: no dedupe is proven, so every event counts. The body is in `convert_fields.py`.
"""

import re
from collections.abc import Mapping

from .convert_fields import tracking
from .exchange import Operation, Reply, Request, parse_json


class Convert:
    """`/v1/track`, by account and project or by SDK key."""

    name = "convert"

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Takes `convert/<sdk key>` -> the secret expected of that key."""
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
        """Reads JSON."""
        return parse_json(body)

    def order_ids(self, body: object) -> list[str]:
        """The transactionId of every event that has one."""
        values = [
            _member(entry, "value")
            for visitor in _members(body, "visitors")
            for event in _members(visitor, "events")
            for entry in _members(_member(event, "data"), "goalData")
            if _member(entry, "key") == "transactionId"
        ]
        return [value for value in values if isinstance(value, str)]

    def failure(self, status: int, message: str) -> object:
        """`{code, message, fields}` (`convert.md` section 6)."""
        return {"code": status, "message": message, "fields": ""}

    def _refuse(self, request: Request) -> Reply | None:
        if not request.headers.get("user-agent", "").startswith("ConvertAgent/"):
            # What the bot filter takes for a bot gets a 200 and is discarded.
            return Reply(200, {"code": 200, "message": "OK"})
        secret = self._secrets.get(f"convert/{request.account}")
        if secret and request.headers.get("authorization") != f"Bearer {secret}":
            return Reply(401, self.failure(401, "Unauthorized"))
        if request.media_type != "application/json":
            return Reply(415, self.failure(415, "Expected application/json"))
        check = tracking(request.account, request.parts.get("project"))
        problems = check(request.body, "")
        if not problems:
            return None
        message = "; ".join(f"{field}: {what}" for field, what in problems)
        fields = ",".join(field for field, _ in problems)
        return Reply(400, {"code": 400, "message": message, "fields": fields})

    def _apply(self, request: Request) -> Reply:  # noqa: ARG002
        return Reply(200, {"code": 200, "message": "OK"}, applied=True)


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _members(value: object, name: str) -> list[object]:
    members = _member(value, name)
    return members if isinstance(members, list) else []
