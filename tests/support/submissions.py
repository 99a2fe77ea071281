"""Conversions that impact.com queued, and its replies about them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from assets.settlement.submissions import SubmissionFollower
from assets.transport.http import HttpTransport
from support.engine import DAY
from support.raw_server import Response, http, respond

if TYPE_CHECKING:
    from support.harness import Harness


ORDER = "O00000"


PATH = "/Advertisers/IRsid/APISubmissions/A-77"


def queued(uri: str | None, counts: bool = True) -> Response:
    body = {"Status": "QUEUED"} | ({"QueuedUri": uri} if uri else {})
    return Response(
        http(200, json.dumps(body)), "queued", counts=counts, keep_alive=True
    )


def submission(status: int = 200, ends: str | None = None, **told: object) -> Response:
    """An answer about a submission; nothing is counted by asking.

    Args:
        status: Of the reply.
        ends: What it means for the order; None: nothing.
        told: What the submission says.
    """
    plain = {"Status": "Complete", "OrderId": ORDER, "ErrorType": "", "ErrorReason": ""}
    statuses = {ORDER: ends} if ends else {}
    return replace(respond(status, json.dumps(plain | told), None), statuses=statuses)


def settle(harness: Harness, **time: float) -> str | None:
    """Look at the queued deliveries after some time."""
    return settling(harness, **time)[1]


def settling(harness: Harness, **time: float) -> tuple[SubmissionFollower, str | None]:
    harness.clock.pass_by(**time)
    ledger = harness.ledger("settle")
    transport = HttpTransport([harness.server.host])
    try:
        looking = SubmissionFollower(
            harness.provider, ledger, transport, partition_key=DAY
        )
        stopped = looking.run()
    finally:
        transport.close()
    return looking, stopped


def about_submission(harness: Harness, response: Response) -> None:
    posted = harness.server.script
    harness.server.script = lambda subject, time: (
        response if subject.startswith("/") else posted(subject, time)
    )
