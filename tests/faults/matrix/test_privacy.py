"""Fault matrix, rows 67 and 68: what a provider echoes is stored without secrets."""

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
from support.raw_server import Response, always, http, reset, respond
from support.shop import BEFORE
from support.shop_destinations import use

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from assets.ledger.database import Database
    from assets.providers.conversion import Conversion
    from support.harness import Harness, MakeHarness
    from support.shop import Shop

SID, TOKEN = "IRsid-canary", "canary-token"
CREDENTIALS = b64encode(f"{SID}:{TOKEN}".encode()).decode()
SECRETS = (SID, TOKEN, CREDENTIALS)
ECHO = f"bad Authorization: Basic {CREDENTIALS} of {SID}:{TOKEN}"

REPLIES = {
    "error body": respond(400, json.dumps({"error": ECHO}), "rejected"),
    "field and message": respond(
        400, json.dumps({"Errors": [{"Field": SID, "Message": ECHO}]}), "rejected"
    ),
    "status word": respond(200, json.dumps({"Status": TOKEN}), None),
    "reference": respond(
        200,
        json.dumps(
            {
                "Status": "QUEUED",
                "QueuedUri": f"/Advertisers/{SID}/APISubmissions/{TOKEN}",
            }
        ),
        "queued",
    ),
    "login": respond(401, ECHO, "configuration"),
    "page": respond(200, f"<html>{ECHO}", None, Content_Type="text/html"),
    "header": respond(503, "", None, X_Echo=ECHO, Retry_After=TOKEN),
    "far into the body": respond(500, "x" * 8180 + ECHO, None),
    "garbage status": Response(f"HTTP/1.1 {ECHO}\r\n\r\n".encode()),
    "header that is none": Response(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n"),
    "half": Response(http(200, ECHO)[:-5]),
    "reset": Response(reset),
}


@pytest.fixture
def canary(make_impact: MakeHarness, tables: Database) -> Harness:
    """A harness for impact.com with recognisable secrets, which are in the address."""
    harness = make_impact(tables)
    provider = harness.provider
    settings = provider._settings.model_dump() | {
        "account_sid": SID,
        "auth_token": TOKEN,
    }
    harness.provider = type(provider)(type(provider._settings)(**settings))
    return harness


@pytest.mark.parametrize("response", REPLIES.values(), ids=REPLIES)
def test_67_an_echoed_secret_is_not_stored(
    canary: Harness,
    conversion: Callable[..., Conversion],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    response: Response,
) -> None:
    caplog.set_level(logging.DEBUG)
    canary.server.script = always(response)
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
    canary: Harness,
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
    canary: Harness,
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
def test_68_echoed_personal_data_is_not_stored(
    harness: Harness,
    conversion: Callable[..., Conversion],
    status: int,
) -> None:
    said = {"you sent": {**PERSONAL, "email": "Jane.Doe@Example.org"}}
    meaning = {400: "rejected", 409: "duplicate", 422: "rejected"}.get(status)
    harness.server.script = always(respond(status, json.dumps(said), meaning))
    harness.run([conversion(order_id="O1", **PERSONAL)], limit=1)
    kept = everything(harness.database)
    for value in (*PERSONAL.values(), "Jane.Doe", "Example.org"):
        assert value not in kept
    assert harness.attempts()[0]["response_text"].count("***") >= 6
    harness.check()


def test_68_a_message_that_quotes_personal_data_is_stored_without_it(
    canary: Harness, conversion: Callable[..., Conversion]
) -> None:
    errors = [{"Field": "CustomerId", "Message": "customer-77 of Greenville is odd"}]
    canary.server.script = always(
        respond(400, json.dumps({"Errors": errors}), "rejected")
    )
    canary.run([conversion(order_id="O1", **PERSONAL)])
    row = canary.row("O1")
    assert row["state"] == "rejected"
    assert str(row["state_detail"]).startswith("CustomerId")
    kept = everything(canary.database)
    assert "customer-77" not in kept
    assert "Greenville" not in kept


@pytest.mark.parametrize("policy", [NEVER], indirect=True, ids=["own"])
@pytest.mark.parametrize("status", [200, 400, 503])
def test_67_68_nothing_echoed_of_a_stored_order_is_stored(
    shop: Shop,
    make_harness: MakeHarness,
    make_impact: MakeHarness,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    """From the rows of a warehouse: customer, identifier, credentials."""
    caplog.set_level(logging.DEBUG)
    use(shop, "impact", make_harness, make_impact, account_sid=SID, auth_token=TOKEN)
    click = "click-of-somebody"
    shop.order("O1", **PERSONAL)
    known = {"order_id": "O1", "kind": "impact_click_id", "captured_at": BEFORE}
    shop.add("visitor_identifiers", value=click, **known)
    said = json.dumps({"error": ECHO, "you sent": {**PERSONAL, "click": click}})
    meaning = {400: "rejected"}.get(status)
    shop.harness.server.script = always(respond(status, said, meaning))
    shop.run()
    assert b"O1" in shop.harness.server.seen[0]
    assert shop.harness.attempts() != []
    kept = everything(shop.harness.database) + caplog.text
    hidden = (*SECRETS, *PERSONAL.values())
    assert [one for one in hidden if one in kept] == []
    replies = [one["response_text"] for one in shop.harness.attempts()]
    assert [one for one in replies if click in one] == []
