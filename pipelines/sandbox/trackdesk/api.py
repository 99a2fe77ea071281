"""Trackdesk: conversions, and the links between external and click identifiers.

Sources: `trackdesk-manual-conversions.txt` sections 2 and 3, and `trackdesk.md`
sections 2 (addresses), 3 (fields), 5 (reasons) and 6 (duplicates). The status codes and
the text of rejections are not published. The sandbox replies 400 and 409 with the
reasons of the conversion error log.
"""

import re
from collections.abc import Mapping

from pipelines.sandbox.bodies import parse_json
from pipelines.sandbox.messages import Reply, Request
from pipelines.sandbox.provider import Operation
from pipelines.sandbox.trackdesk.fields import (
    conversion_problem,
    external_cid_conversion_problem,
    link_problem,
)

CONVERSIONS = re.compile("/(?P<account>[^/]+)/tracking/conversion/v1")
LINKS = re.compile("/(?P<account>[^/]+)/tracking/external-cid/v1")


class Trackdesk:
    """Simulates `/tracking/conversion/v1` and `/tracking/external-cid/v1`."""

    name = "trackdesk"

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Create the provider.

        Args:
            secrets: `trackdesk/<tenant>` -> the x-api-key expected, if one is sent.
        """
        self._secrets = secrets
        self._clicks: dict[tuple[str, str, str], str] = {}
        self._conversions: set[tuple[str, str, str]] = set()
        self.operations = (
            Operation("POST", CONVERSIONS, self._refuse_conversion, self._create),
            Operation("POST", LINKS, self._refuse_at_links, self._apply_at_links),
        )

    def parse(self, body: bytes) -> object:
        """Parse JSON."""
        return parse_json(body)

    def order_ids(self, body: object) -> list[str]:
        """Return the externalId, if there is one."""
        order_id = body.get("externalId") if isinstance(body, dict) else None
        return [order_id] if isinstance(order_id, str) and order_id else []

    def failure(self, status: int, message: str) -> object:
        """Return the body of a failure; its form is not published by the provider."""
        return {"statusCode": status, "error": "Error", "message": message}

    def _refuse(self, status: int, message: str) -> Reply:
        return Reply(status, self.failure(status, message))

    def _refuse_sender(self, request: Request) -> Reply | None:
        """Check the key, which is optional, and the content type."""
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
        return self._refuse_unlinked(request)

    def _refuse_unlinked(self, request: Request) -> Reply | None:
        if "externalCid" in _body(request) and _link_key(request) not in self._clicks:
            reason = "conversion source with the external cid not found"
            return self._refuse(400, reason)
        return None

    def _create(self, request: Request) -> Reply:
        """Count one conversion per type and externalId (`trackdesk.md` section 6)."""
        body = _body(request)
        if "externalId" in body:
            key = request.account, body["conversionTypeCode"], body["externalId"]
            if key in self._conversions:
                return self._refuse(409, "conversion already exists")
            self._conversions.add(key)
        return Reply(200, {"status": "ok"}, applied=True)

    def _refuse_at_links(self, request: Request) -> Reply | None:
        """Check a link, or a conversion: the manual prints one address for both."""
        if refusal := self._refuse_sender(request):
            return refusal
        is_conversion = _is_conversion(request)
        check = external_cid_conversion_problem if is_conversion else link_problem
        if problem := check(request.body):
            return self._refuse(400, problem)
        return self._refuse_unlinked(request) if is_conversion else None

    def _apply_at_links(self, request: Request) -> Reply:
        return self._create(request) if _is_conversion(request) else self._link(request)

    def _link(self, request: Request) -> Reply:
        """Store the newest click; whether a repeat is an error is not documented."""
        self._clicks[_link_key(request)] = _body(request)["cid"]
        return Reply(200, {"status": "ok"}, applied=True)


def _body(request: Request) -> dict[str, str]:
    return request.body if isinstance(request.body, dict) else {}


def _is_conversion(request: Request) -> bool:
    return "conversionTypeCode" in _body(request)


def _link_key(request: Request) -> tuple[str, str, str]:
    """Return the key of a link: tenant, revenue origin and external cid."""
    body = _body(request)
    return request.account, body["revenueOriginId"], body["externalCid"]
