"""The sandbox as impact.com, over HTTP: conversions, submissions, credentials."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from pipelines.sandbox.server import SandboxServer
from support.sandbox_account import (
    CONVERSION,
    REFERENCE_EXAMPLE,
    SID,
    Account,
    errors,
)


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def account(server: SandboxServer) -> Iterator[Account]:
    account = Account(server, f"IR{uuid4().hex}")
    yield account
    account.session.close()


def test_a_conversion_is_queued_and_settles_without_an_error(account: Account) -> None:
    reply = account.send()
    assert reply.status_code == 200
    assert reply.json()["Status"] == "QUEUED"
    assert reply.json()["QueuedUri"].startswith(
        f"/Advertisers/{account.sid}/APISubmissions/A-"
    )
    submission = account.settle(reply)
    assert (submission["Status"], submission["ErrorReason"]) == ("Complete", "")
    assert submission["OrderId"] == "O1"
    assert account.server.sandbox.effects("impact", account.sid) == {"O1": 1}


def test_the_example_of_the_reference_is_taken(account: Account) -> None:
    path = f"/Advertisers/{account.sid}/Conversions"
    reply = account.session.post(
        f"{account.server.url}/impact{path}", data=REFERENCE_EXAMPLE
    )
    assert reply.json()["Status"] == "QUEUED"


def test_a_repeated_order_is_settled_as_conv_duplicate(account: Account) -> None:
    account.send()
    repeat = account.settle(account.send())
    assert repeat["ErrorReason"] == "CONV_DUPLICATE"
    assert account.server.sandbox.effects("impact", account.sid) == {"O1": 1}
    assert account.server.sandbox.requests("impact", account.sid) == {"O1": 2}


def test_an_order_is_no_repeat_under_another_event_type(account: Account) -> None:
    account.send()
    assert account.settle(account.send(EventTypeId="1"))["ErrorReason"] == ""


def test_a_free_item_and_custom_fields_are_taken(account: Account) -> None:
    assert account.send(ItemSubTotal1="0.00", Text50="x", ItemText1_2="y").ok


def test_a_parameter_that_is_given_twice_is_refused(account: Account) -> None:
    path = f"{account.server.url}/impact/Advertisers/{account.sid}/Conversions"
    pairs = [*CONVERSION.items(), ("OrderId", "O2")]
    assert "OrderId" in errors(account.session.post(path, data=pairs))


def test_credentials_of_another_account_are_refused(account: Account) -> None:
    account.session.auth = ("IRother", "token")
    assert account.send().status_code == 401
    account.session.auth = (account.sid, "")
    assert account.send().status_code == 401


def test_only_the_configured_token_is_taken() -> None:
    with SandboxServer(secrets={f"impact/{SID}": "right"}) as server:
        account = Account(server)
        assert account.send().status_code == 401
        account.session.auth = (SID, "right")
        assert account.send().status_code == 200
        account.session.close()


def test_a_request_that_does_not_accept_json_is_refused(account: Account) -> None:
    account.session.headers["Accept"] = "*/*"
    assert account.send().status_code == 406


def test_a_json_body_is_refused(account: Account) -> None:
    path = f"{account.server.url}/impact/Advertisers/{account.sid}/Conversions"
    assert account.session.post(path, json=CONVERSION).status_code == 415


def test_a_wrong_path_and_a_wrong_method_are_refused(account: Account) -> None:
    assert account.get("/Advertiser/IR1/Conversions").status_code == 404
    assert account.get(f"/Advertisers/{account.sid}/Conversions").status_code == 405


def test_the_submission_of_another_account_is_not_shown(account: Account) -> None:
    uri = account.send().json()["QueuedUri"].replace(account.sid, "IRother")
    account.session.auth = ("IRother", "token")
    assert account.get(uri).status_code == 404


def test_a_submission_is_queued_until_it_settles() -> None:
    with SandboxServer(settle_after=3600) as server:
        account = Account(server)
        submission = account.settle(account.send())
        assert (submission["Status"], submission["CompletionDate"]) == ("Queued", "")
        account.session.close()


def test_a_submission_ends_with_the_reason_that_a_fault_gives() -> None:
    faults = ["impact:settle=CONTRACT_NOT_FOUND RESTRICTED_PROMOCODE~^O1$"]
    with SandboxServer(faults=faults) as server:
        account = Account(server)
        submission = account.settle(account.send())
        other = account.settle(account.send(OrderId="O2"))
        account.session.close()
    assert submission["ErrorReason"] == "CONTRACT_NOT_FOUND RESTRICTED_PROMOCODE"
    assert other["ErrorReason"] == ""
    assert server.sandbox.effects("impact") == {"O2": 1}


def test_an_event_may_lie_as_far_ahead_as_the_sandbox_is_told() -> None:
    ahead = (datetime.now(UTC) + timedelta(minutes=30)).isoformat(timespec="seconds")
    with SandboxServer(future_tolerance=3600) as server:
        account = Account(server)
        assert account.send(EventDate=ahead).ok
        account.session.close()
