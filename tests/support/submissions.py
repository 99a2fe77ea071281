"""Conversions that impact.com queued, and its replies about them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from assets.ledger.ledger import Ledger
from assets.settlement.follow import Settle
from assets.transport.http import HttpTransport
from support.engine import DAY
from support.raw_server import Act, http, say

if TYPE_CHECKING:
    from support.line import Line


ORDER = "O00000"


PATH = "/Advertisers/IRsid/APISubmissions/A-77"


def queued(uri: str | None, applies: bool = True) -> Act:
    body = {"Status": "QUEUED"} | ({"QueuedUri": uri} if uri else {})
    return Act(http(200, json.dumps(body)), "queued", applies=applies, keeps=True)


def submission(status: int = 200, ends: str | None = None, **told: object) -> Act:
    """An answer about a submission; nothing is counted by asking.

    Args:
        status: Of the reply.
        ends: What it means for the order; None: nothing.
        told: What the submission says.
    """
    plain = {"Status": "Complete", "OrderId": ORDER, "ErrorType": "", "ErrorReason": ""}
    tells = {ORDER: ends} if ends else {}
    return replace(say(status, json.dumps(plain | told), None), tells=tells)


def settle(line: Line, **time: float) -> str | None:
    """Look at the queued deliveries after some time."""
    return settling(line, **time)[1]


def settling(line: Line, **time: float) -> tuple[Settle, str | None]:
    line.clock.pass_by(**time)
    ledger = Ledger(
        line.database,
        destination=line.name,
        provider="impact",
        run_id="settle",
        clock=line.clock,
    )
    transport = HttpTransport([line.server.host])
    try:
        looking = Settle(line.provider, ledger, transport, partition_key=DAY)
        stopped = looking.run()
    finally:
        transport.close()
    return looking, stopped


def about_submission(line: Line, act: Act) -> None:
    posted = line.server.script
    line.server.script = lambda subject, time: (
        act if subject.startswith("/") else posted(subject, time)
    )
