"""Fault matrix, rows 67 and 68: what a provider says back is kept without secrets."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from hashlib import sha1
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from assets.ledger.database import LedgerError
from assets.ledger.ledger import Ledger
from support.canaries import everything
from support.engine import NEVER
from support.raw_server import Act, always, http, reset, say
from support.shop import BEFORE
from support.shop_destinations import use

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from assets.ledger.database import Database
    from assets.providers.conversion import Conversion
    from support.line import Line, MakeLine
    from support.shop import Shop

SID, TOKEN = "IRsid-canary", "canary-token"
CREDENTIALS = b64encode(f"{SID}:{TOKEN}".encode()).decode()
SECRETS = (SID, TOKEN, CREDENTIALS)
ECHO = f"bad Authorization: Basic {CREDENTIALS} of {SID}:{TOKEN}"

REPLIES = {
    "error body": say(400, json.dumps({"error": ECHO}), "rejected"),
    "field and message": say(
        400, json.dumps({"Errors": [{"Field": SID, "Message": ECHO}]}), "rejected"
    ),
    "status word": say(200, json.dumps({"Status": TOKEN}), None),
    "reference": say(
        200,
        json.dumps(
            {
                "Status": "QUEUED",
                "QueuedUri": f"/Advertisers/{SID}/APISubmissions/{TOKEN}",
            }
        ),
        "queued",
    ),
    "login": say(401, ECHO, "configuration"),
    "page": say(200, f"<html>{ECHO}", None, Content_Type="text/html"),
    "header": say(503, "", None, X_Echo=ECHO, Retry_After=TOKEN),
    "far into the body": say(500, "x" * 8180 + ECHO, None),
    "garbage status": Act(f"HTTP/1.1 {ECHO}\r\n\r\n".encode()),
    "header that is none": Act(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n"),
    "half": Act(http(200, ECHO)[:-5]),
    "reset": Act(reset),
}


@pytest.fixture
def canary(make_impact: MakeLine, tables: Database) -> Line:
    """A line to impact.com whose secrets can be recognised; they are in the address."""
    line = make_impact(tables)
    provider = line.provider
    settings = provider._settings.model_dump() | {
        "account_sid": SID,
        "auth_token": TOKEN,
    }
    line.provider = type(provider)(type(provider._settings)(**settings))
    return line


@pytest.mark.parametrize("act", REPLIES.values(), ids=REPLIES)
def test_67_a_secret_that_is_said_back_is_not_kept(
    canary: Line,
    conversion: Callable[..., Conversion],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    act: Act,
) -> None:
    caplog.set_level(logging.DEBUG)
    canary.server.script = always(act)
    summary = canary.run([conversion(order_id="O1")])
    assert SID.encode() in canary.server.seen[0]
    kept = [
        everything(canary.database),
        caplog.text,
        repr(summary),
        *capfd.readouterr(),
    ]
    kept += [repr(canary.provider), repr(canary.provider._settings)]
    assert [one for one in SECRETS if any(one in place for place in kept)] == []
    assert len(canary.attempts()) >= 1


def test_67_what_the_environment_holds_is_not_sent(
    canary: Line,
    conversion: Callable[..., Conversion],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login planted password planted-password\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHOP_TOKEN", "planted-in-the-environment")
    canary.server.script = always(REPLIES["error body"])
    canary.run([conversion(order_id="O1")])
    (seen,) = canary.server.seen
    assert b"planted" not in seen
    assert b64encode(b"planted:planted-password") not in seen
    assert "planted" not in everything(canary.database)


def test_67_the_spool_holds_no_secret(
    canary: Line,
    conversion: Callable[..., Conversion],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    canary.server.script = always(REPLIES["error body"])

    def refuse(*_results: object, **_more: object) -> int:
        raise OperationalError("update", {}, Exception("the disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "record", refuse)
        with pytest.raises(LedgerError) as caught:
            canary.run([conversion(order_id="O1")], spool_folder=tmp_path)
    spooled = (tmp_path / "shop.jsonl").read_text()
    assert "bad Authorization" in spooled
    for kept in (spooled, str(caught.value)):
        assert [one for one in SECRETS if one in kept] == []
    canary.run([conversion(order_id="O1")], spool_folder=tmp_path)
    assert canary.states() == {"O1": "rejected"}
    assert len(canary.server.seen) == 1
    canary.check()


PERSONAL = {
    "visitor_id": "visitor-1001",
    "customer_id": "customer-77",
    "customer_email_sha1": sha1(b"jane@example.org").hexdigest(),
    "customer_city": "Greenville",
    "customer_postcode": "02108-1234",
}


@pytest.mark.parametrize("status", [200, 400, 409, 422, 500])
def test_68_personal_data_that_is_said_back_is_not_kept(
    line: Line,
    conversion: Callable[..., Conversion],
    status: int,
) -> None:
    said = {"you sent": {**PERSONAL, "email": "Jane.Doe@Example.org"}}
    meaning = {400: "rejected", 409: "duplicate", 422: "rejected"}.get(status)
    line.server.script = always(say(status, json.dumps(said), meaning))
    line.run([conversion(order_id="O1", **PERSONAL)], limit=1)
    kept = everything(line.database)
    for value in (*PERSONAL.values(), "Jane.Doe", "Example.org"):
        assert value not in kept
    assert line.attempts()[0]["response_text"].count("***") >= 6
    line.check()


def test_68_a_message_that_quotes_personal_data_is_kept_without_it(
    canary: Line, conversion: Callable[..., Conversion]
) -> None:
    errors = [{"Field": "CustomerId", "Message": "customer-77 of Greenville is odd"}]
    canary.server.script = always(say(400, json.dumps({"Errors": errors}), "rejected"))
    canary.run([conversion(order_id="O1", **PERSONAL)])
    row = canary.row("O1")
    assert row["state"] == "rejected"
    assert str(row["state_detail"]).startswith("CustomerId")
    kept = everything(canary.database)
    assert "customer-77" not in kept
    assert "Greenville" not in kept


@pytest.mark.parametrize("policy", [NEVER], indirect=True, ids=["own"])
@pytest.mark.parametrize("status", [200, 400, 503])
def test_67_68_nothing_said_back_of_a_stored_order_is_kept(
    shop: Shop,
    make_line: MakeLine,
    make_impact: MakeLine,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    """From the rows of a warehouse: customer, identifier, credentials."""
    caplog.set_level(logging.DEBUG)
    use(shop, "impact", make_line, make_impact, account_sid=SID, auth_token=TOKEN)
    click = "click-of-somebody"
    shop.order("O1", **PERSONAL)
    known = {"order_id": "O1", "kind": "impact_click_id", "captured_at": BEFORE}
    shop.add("visitor_identifiers", value=click, **known)
    said = json.dumps({"error": ECHO, "you sent": {**PERSONAL, "click": click}})
    meaning = {400: "rejected"}.get(status)
    shop.line.server.script = always(say(status, said, meaning))
    shop.run()
    assert b"O1" in shop.line.server.seen[0]
    assert shop.line.attempts() != []
    kept = everything(shop.line.database) + caplog.text
    hidden = (*SECRETS, *PERSONAL.values())
    assert [one for one in hidden if one in kept] == []
    replies = [one["response_text"] for one in shop.line.attempts()]
    assert [one for one in replies if click in one] == []
