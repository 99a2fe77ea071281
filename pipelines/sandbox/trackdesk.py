"""Trackdesk: conversions, and the links between external and click identifiers.

Sources: `trackdesk-manual-conversions.txt` sections 2 and 3, and `trackdesk.md`
sections 2 (addresses), 3 (fields), 5 (reasons) and 6 (duplicates). The status codes
and the wording of refusals are not published; here they are 400 and 409 with the
reasons of the conversion error log.
"""

import re
from collections.abc import Mapping

from .checks import Problem, currency, each, one_of, pattern, record, text, uuid
from .exchange import Operation, Reply, Request, parse_json

_IDENTIFIERS = ("cid", "externalCid", "couponCodes")
_STATUSES = (
    *("APPROVED", "PENDING", "ON_HOLD", "REJECTED"),
    *("REFUNDED", "TEST", "FRAUD", "NOT_ALLOWED"),
)
_CONVERSION = record(
    {
        "cid": uuid,
        "externalCid": text(),
        "couponCodes": each(text()),
        "revenueOriginId": uuid,
        "conversionTypeCode": text(),
        "amount": record(
            {"value": pattern("a string such as '100.50'", r"[0-9]+(\.[0-9]+)?")},
            required=("value",),
        ),
        "currency": record({"code": currency}, required=("code",)),
        "externalId": text(),
        "customerId": text(),
        "status": one_of(*(f"CONVERSION_STATUS_{name}" for name in _STATUSES)),
        "customParams": record({f"advS{n}": text() for n in range(1, 6)}),
    },
    required=("conversionTypeCode",),
)
_LINK = record(
    {"externalCid": text(), "revenueOriginId": uuid, "cid": uuid},
    required=("externalCid", "revenueOriginId", "cid"),
)
_REASONS = {
    "cid": "conversion source not found",
    "conversionTypeCode": "conversion type not found",
    "amount": "missing conversion amount",
    "currency": "unsupported currency",
}


class Trackdesk:
    """`/tracking/conversion/v1` and `/tracking/external-cid/v1` of every tenant."""

    name = "trackdesk"

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Takes `trackdesk/<tenant>` -> the x-api-key expected, if one is sent."""
        self._secrets = secrets
        self._linked: set[tuple[str, str]] = set()
        self._conversions: set[tuple[str, str, str]] = set()
        self.operations = (
            Operation(
                "POST",
                re.compile("/(?P<account>[^/]+)/tracking/conversion/v1"),
                self._refuse_conversion,
                self._create,
            ),
            Operation(
                "POST",
                re.compile("/(?P<account>[^/]+)/tracking/external-cid/v1"),
                self._refuse_link,
                self._link,
            ),
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
        refusal = self._refuse_sender(request)
        if refusal:
            return refusal
        problems = _CONVERSION(request.body, "")
        body = request.body if isinstance(request.body, dict) else {}
        if len([name for name in _IDENTIFIERS if name in body]) != 1:
            which = f"expected exactly one of {', '.join(_IDENTIFIERS)}"
            problems.append(Problem("", which))
        if problems:
            return self._refuse(400, _message(problems))
        external_cid = body.get("externalCid")
        if external_cid and (request.account, external_cid) not in self._linked:
            reason = "conversion source with the external cid not found"
            return self._refuse(400, reason)
        return None

    def _create(self, request: Request) -> Reply:
        """One conversion per type and externalId (`trackdesk.md` section 6)."""
        body = request.body if isinstance(request.body, dict) else {}
        if "externalId" in body:
            key = request.account, body["conversionTypeCode"], body["externalId"]
            if key in self._conversions:
                return self._refuse(409, "conversion already exists")
            self._conversions.add(key)
        return Reply(200, {"status": "ok"}, applied=True)

    def _refuse_link(self, request: Request) -> Reply | None:
        refusal = self._refuse_sender(request)
        problems = _LINK(request.body, "")
        if refusal or not problems:
            return refusal
        return self._refuse(400, _message(problems))

    def _link(self, request: Request) -> Reply:
        """Linking again changes nothing; the provider does not say."""
        body = request.body if isinstance(request.body, dict) else {}
        self._linked.add((request.account, body["externalCid"]))
        return Reply(200, {"status": "ok"}, applied=True)


def _message(problems: list[Problem]) -> str:
    """The known reason of the first problem, if it has one, and all that is wrong."""
    reason = _REASONS.get(problems[0].field.partition(".")[0], "invalid request")
    return f"{reason} ({'; '.join(f'{field}: {what}' for field, what in problems)})"
