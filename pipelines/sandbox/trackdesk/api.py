"""Trackdesk: conversions, and the links between external and click identifiers.

Sources: `trackdesk-manual-conversions.txt` sections 2 and 3, and `trackdesk.md`
sections 2 (addresses), 3 (fields), 5 (reasons) and 6 (duplicates). The status codes
and the wording of refusals are not published; here they are 400 and 409 with the
reasons of the conversion error log.
"""

import re
from collections.abc import Mapping

from pipelines.sandbox.exchange import Operation, Reply, Request, parse_json
from pipelines.sandbox.trackdesk.fields import conversion_problem, link_problem

CONVERSIONS = re.compile("/(?P<account>[^/]+)/tracking/conversion/v1")
LINKS = re.compile("/(?P<account>[^/]+)/tracking/external-cid/v1")


class Trackdesk:
    """`/tracking/conversion/v1` and `/tracking/external-cid/v1` of every tenant."""

    name = "trackdesk"

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Takes `trackdesk/<tenant>` -> the x-api-key expected, if one is sent."""
        self._secrets = secrets
        self._clicks: dict[tuple[str, str, str], str] = {}
        self._conversions: set[tuple[str, str, str]] = set()
        self.operations = (
            Operation("POST", CONVERSIONS, self._refuse_conversion, self._create),
            Operation("POST", LINKS, self._refuse_link, self._link),
        )

    def parse(self, body: bytes) -> object:
        """Reads JSON."""
        return parse_json(body)

    def order_ids(self, body: object) -> list[str]:
        """The externalId, if there is one."""
        order_id = body.get("externalId") if isinstance(body, dict) else None
        return [order_id] if isinstance(order_id, str) and order_id else []

    def failure(self, status: int, message: str) -> object:
        """The sandbox's own shape: the provider publishes none."""
        return {"statusCode": status, "error": "Error", "message": message}

    def _refuse(self, status: int, message: str) -> Reply:
        return Reply(status, self.failure(status, message))

    def _refuse_sender(self, request: Request) -> Reply | None:
        """No key is needed, but a wrong one is not taken."""
        key = request.headers.get("x-api-key")
        if key and key != self._secrets.get(f"trackdesk/{request.account}", key):
            return self._refuse(401, "unauthorized")
        if request.media_type != "application/json":
            return self._refuse(415, "expected application/json")
        return None

    def _refuse_conversion(self, request: Request) -> Reply | None:
        if refusal := self._refuse_sender(request):
            return refusal
        if problem := conversion_problem(request.body):
            return self._refuse(400, problem)
        if "externalCid" in _body(request) and _pair(request) not in self._clicks:
            reason = "conversion source with the external cid not found"
            return self._refuse(400, reason)
        return None

    def _create(self, request: Request) -> Reply:
        """One conversion per type and externalId (`trackdesk.md` section 6)."""
        body = _body(request)
        if "externalId" in body:
            key = request.account, body["conversionTypeCode"], body["externalId"]
            if key in self._conversions:
                return self._refuse(409, "conversion already exists")
            self._conversions.add(key)
        return Reply(200, {"status": "ok"}, applied=True)

    def _refuse_link(self, request: Request) -> Reply | None:
        if refusal := self._refuse_sender(request):
            return refusal
        problem = link_problem(request.body)
        return self._refuse(400, problem) if problem else None

    def _link(self, request: Request) -> Reply:
        """The newest click counts; whether linking again is an error is not known."""
        self._clicks[_pair(request)] = _body(request)["cid"]
        return Reply(200, {"status": "ok"}, applied=True)


def _body(request: Request) -> dict[str, str]:
    return request.body if isinstance(request.body, dict) else {}


def _pair(request: Request) -> tuple[str, str, str]:
    """An external cid belongs to one revenue origin of one tenant."""
    body = _body(request)
    return request.account, body["revenueOriginId"], body["externalCid"]
